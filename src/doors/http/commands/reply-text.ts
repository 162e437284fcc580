/**
 * Replies as JSON text, put together by hand: only the parts that a caller chose go through JSON.stringify, and a
 * value that is stored as JSON goes in as it is.
 */
import { Json, type Reply, type Source, type Value } from '../../../core/command';
import { keyToText } from '../../../core/key';
import { errorBody } from '../respond';
import type { ParsedCommand } from './parse-commands';

/** RFC 9211: where the value of a single READ was found. */
export const CACHE_STATUS: Readonly<Record<Source, readonly string[]>> = {
  near: ['Cache-Status', 'ringcache; hit; detail=near'],
  replica: ['Cache-Status', 'ringcache; hit; detail=replica'],
  master: ['Cache-Status', 'ringcache; hit; detail=master'],
};
export const CACHE_STATUS_MISS: readonly string[] = ['Cache-Status', 'ringcache; fwd=miss'];

/** What a reply depends on beside itself. */
export interface ReplyContext {
  readonly requestId: string;
  /** `Prefer: return=minimal`: no echo of a written value. */
  readonly minimal: boolean;
}

/** The reply to `parsed`, in the form that `contract.md` 4 shows. */
export function replyText(parsed: ParsedCommand, reply: Reply, context: ReplyContext): string {
  if (reply.status === 'ERROR') return errorBody(reply.error, context.requestId, reply.command);
  const { command, base64 } = parsed;
  switch (reply.command) {
    case 'READ':
      if (reply.status === 'NOT_FOUND') return messageText('READ', 'NOT_FOUND', parsed, 'Key not found');
      return `{"command":"READ","status":"SUCCESS",${valueText(reply.value, base64)}}`;
    case 'WRITE':
      if (reply.status === 'NOT_STORED') {
        // Not met: XX is conditioned on a key that is there, NX on one that is not.
        const isXx = command.command === 'WRITE' && command.condition === 'XX';
        return messageText('WRITE', 'NOT_STORED', parsed, isXx ? 'Key not found' : 'Key exists');
      }
      if (context.minimal || command.command !== 'WRITE') return '{"command":"WRITE","status":"SUCCESS"}';
      return `{"command":"WRITE","status":"SUCCESS",${valueText(command.value, base64)}}`;
    case 'DELETE':
      return reply.status === 'SUCCESS'
        ? messageText('DELETE', 'SUCCESS', parsed, 'Key deleted')
        : messageText('DELETE', 'NOT_FOUND', parsed, 'Key not found');
  }
}

function messageText(name: string, status: string, { command }: ParsedCommand, message: string): string {
  const text = JSON.stringify(`${keyToText(command.key)} ${message}`);
  return `{"command":"${name}","status":"${status}","message":${text}}`;
}

/**
 * The value as a field. Bytes that are not UTF-8 have no other form than base64, asked for or not; of a value that
 * is JSON and no text, base64 gives the JSON text.
 */
function valueText(value: Value, base64: boolean): string {
  if (value instanceof Json) return base64 ? base64Text(Buffer.from(value.text)) : `"value":${value.text}`;
  if (typeof value !== 'string') return base64Text(value);
  if (!base64) return `"value":${JSON.stringify(value)}`;
  // A string that UTF-8 cannot spell is JSON, in Redis too.
  return base64Text(Buffer.from(value.isWellFormed() ? value : JSON.stringify(value)));
}

function base64Text(bytes: Buffer): string {
  return `"value_base64":"${bytes.toString('base64')}"`;
}
