/**
 * GET, and MGET where it goes through the near cache. A hit costs no promise, no closure and no Buffer. The near cache is
 * passed by where only the master can say what this connection must see (`command-order.ts`), and while it watches keys.
 */
import type { Command, Key, Reply, Value } from '../../core/command';
import { CacheError, NotAValue } from '../../core/errors';
import type { Principal } from '../../core/grants';
import { keyFromBytes } from '../../core/key';
import type { Protocol, Words } from '../../core/ports';
import { plainText, valueBytes } from '../../core/value';
import type { CommandSpec } from './command-spec';
import { encodeBulk, encodeNull } from './encoder';
import { errorReply } from './errors';
import { perform, prepare } from './keyed-commands';
import { arrayOf } from './reply-parts';
import type { ReplyLine } from './reply-line';
import { replyToThrown } from './refusal';
import { replyOf, WaitingReply, type SessionWork } from './session-work';

const NO_BYTES = Buffer.alloc(0);
/** Of the values in one reply. */
export const READS_BYTES_MAX = 64 * 1024 * 1024;

/** As `perform`. */
export function readValue(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  words: Words,
): undefined | Promise<void> {
  const key = keyFromBytes(words[1] ?? NO_BYTES);
  if (!isNearFor(work, key)) return perform(work, principal, prepare(work, principal, spec, words));
  readNear(work, principal, key, work.deadlineMs);
  return undefined;
}

/** GET of a key that `isNearFor` lets through. @throws CacheError */
export function readNear(work: SessionWork, principal: Principal, key: Key, deadlineMs: number): void {
  const { state, place } = work;
  const { cache } = state.deps;
  place.begin();
  let reply: Reply | Promise<Reply>;
  try {
    reply = cache.execute(principal, { command: 'READ', key, consistency: 'eventual' }, deadlineMs);
  } finally {
    // What is under way takes it again below, before anyone else can.
    place.end();
  }
  if (reply instanceof Promise) awaitRead(work, key, reply);
  else writeRead(state.replies, reply, state.protocol);
}

/** Whether a read of the key may go through the core. */
export function isNearFor(work: SessionWork, key: Key): boolean {
  return (
    work.state.deps.cache.hasNear &&
    work.watched === undefined &&
    key.length <= work.policy.keyBytesMax &&
    !work.order.isChanging(key)
  );
}

/** MGET of keys all of which may be read through the core. @throws CacheError */
export function readValues(work: SessionWork, principal: Principal, keys: readonly Key[]): void {
  const { state, deadlineMs } = work;
  const { protocol } = state;
  const waiting = new WaitingReply(work, keys, 'read');
  try {
    const reads = keys.map((key): Command => ({ command: 'READ', key, consistency: 'eventual' }));
    const replies = state.deps.cache.executeBatch(principal, reads, deadlineMs);
    if (replies instanceof Promise) settleWith(waiting, replies, (read) => encodeReads(read, protocol));
    else waiting.settle(encodeReads(replies, protocol));
  } catch (thrown) {
    waiting.settle(replyToThrown(thrown));
  }
}

/** The reply to GET. */
export function encodeRead(reply: Reply, protocol: Protocol): Buffer {
  if (reply.status === 'ERROR') return errorReply(reply.error);
  return reply.status === 'SUCCESS' && reply.command === 'READ'
    ? encodeBulk(ownBytes(reply.value))
    : encodeNull(protocol);
}

/**
 * The reply to MGET. What is no value is null there, as it is in Redis; a value that cannot be opened is an error in its
 * place; and where the store could not be asked, or what it has is too long for one reply, that is the reply.
 */
export function encodeReads(replies: readonly Reply[], protocol: Protocol): Buffer {
  const elements: Buffer[] = [];
  let bytes = 0;
  for (const reply of replies) {
    if (reply.status === 'SUCCESS' && reply.command === 'READ') bytes += valueBytes(reply.value);
    if (bytes > READS_BYTES_MAX) return errorReply(tooLarge());
    if (reply.status === 'ERROR' && reply.error.code !== 'corrupt_value') return errorReply(reply.error);
    const isAbsent = reply.status === 'ERROR' && reply.error instanceof NotAValue;
    elements.push(isAbsent ? encodeNull(protocol) : encodeRead(reply, protocol));
  }
  return arrayOf(elements);
}

export function tooLarge(): CacheError {
  return new CacheError('too_large', 'The values do not fit into one reply: ask for fewer keys.');
}

function writeRead(replies: ReplyLine, reply: Reply, protocol: Protocol): void {
  if (reply.status === 'SUCCESS' && reply.command === 'READ') replies.writeBulk(ownBytes(reply.value));
  else replies.write(encodeRead(reply, protocol));
}

/** A function of its own: what its closure holds would be made for a hit as well. */
function awaitRead(work: SessionWork, key: Key, read: Promise<Reply>): void {
  const { protocol } = work.state;
  settleWith(new WaitingReply(work, [key], 'read'), read, (reply) => encodeRead(reply, protocol));
}

function settleWith<Read>(waiting: WaitingReply, read: Promise<Read>, encode: (read: Read) => Buffer): void {
  read.then(
    (settled) => waiting.settle(replyOf(() => encode(settled))),
    (thrown: unknown) => waiting.settle(replyToThrown(thrown)),
  );
}

/** What a Redis client reads there. */
function ownBytes(value: Value): string | Buffer {
  return Buffer.isBuffer(value) ? value : plainText(value);
}
