/** Replies of the core as messages of `ringcache.proto`. */
import { Json, type Reply, type Source, type Value } from '../../core/command';
import type { FoundMessage, CommandReplyMessage, StatusMessage, ValueMessage } from './messages';

type ReplyTo<Name extends Reply['command']> = Exclude<
  Extract<Reply, { readonly command: Name }>,
  { readonly status: 'ERROR' }
>;

const SOURCES = { near: 'NEAR', replica: 'REPLICA', master: 'MASTER' } as const satisfies Record<
  Source,
  string
>;

/** `value` undefined: absent. */
export function foundMessage(value: Value | undefined, source: Source | undefined): FoundMessage {
  if (value === undefined) return { status: 'NOT_FOUND' };
  return { status: 'SUCCESS', value: valueMessage(value), ...(source && { source: SOURCES[source] }) };
}

export function getReplyMessage(reply: ReplyTo<'READ'>): FoundMessage {
  return reply.status === 'SUCCESS' ? foundMessage(reply.value, reply.source) : { status: 'NOT_FOUND' };
}

export function setReplyMessage({ status }: ReplyTo<'WRITE'>): StatusMessage {
  return { status };
}

export function deleteReplyMessage({ status }: ReplyTo<'DELETE'>): StatusMessage {
  // No Delete of this door has a condition, so none is left undone.
  return { status: status === 'SUCCESS' ? 'SUCCESS' : 'NOT_FOUND' };
}

/** One of a batch, whatever became of it. */
export function commandReplyMessage(reply: Reply): CommandReplyMessage {
  if (reply.status === 'ERROR') {
    return { error: { code: reply.error.code, message: reply.error.message } };
  }
  switch (reply.command) {
    case 'READ':
      return { get: getReplyMessage(reply) };
    case 'WRITE':
      return { set: setReplyMessage(reply) };
    case 'DELETE':
      return { delete: deleteReplyMessage(reply) };
  }
}

function valueMessage(value: Value): ValueMessage {
  if (Buffer.isBuffer(value)) return { data: value };
  if (value instanceof Json) return { json: value.text };
  // A string that UTF-8 cannot spell is JSON, in Redis too.
  return value.isWellFormed() ? { text: value } : { json: JSON.stringify(value) };
}
