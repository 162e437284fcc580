/** Replies of the store, taken apart and put together again, where those of several shards become one. */
import { nonsense } from '../../core/errors';
import { replyEnd } from '../../lib/whole-reply';
import { encodeArrayHeader } from './encoder';

const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const TILDE = 0x7e;
const GREATER = 0x3e;
const UNDERSCORE = 0x5f;

/** A null of either protocol: of a value or of an array. */
export function isNullReply(reply: Buffer): boolean {
  const [type, sign] = reply;
  return type === UNDERSCORE || (sign === MINUS && (type === DOLLAR || type === ASTERISK));
}

/** The replies within an array, set or push. A null, an error or whatever else it is has none. */
export function elementsOf(reply: Buffer): Buffer[] {
  const elements: Buffer[] = [];
  if (!hasElements(reply) || isNullReply(reply)) return elements;
  for (let at = reply.indexOf('\r\n') + 2; at < reply.length;) {
    const end = replyEnd(reply, at);
    elements.push(reply.subarray(at, end));
    at = end;
  }
  return elements;
}

export function arrayOf(elements: readonly Buffer[]): Buffer {
  return Buffer.concat([encodeArrayHeader(elements.length), ...elements]);
}

/** The bytes of a bulk string or a status. Those of a null are none. */
export function bytesOf(reply: Buffer): Buffer {
  const lineEnd = reply.indexOf('\r\n');
  if (reply[0] !== DOLLAR) return reply.subarray(1, lineEnd);
  return lineEnd + 2 === reply.length ? reply.subarray(0, 0) : reply.subarray(lineEnd + 2, -2);
}

/** @throws CacheError `internal` when it is none: a sum would hide that */
export function integerOf(reply: Buffer): number {
  const integer = reply[0] === COLON ? Number(reply.toString('latin1', 1, reply.length - 2)) : NaN;
  if (Number.isNaN(integer)) throw nonsense();
  return integer;
}

function hasElements(reply: Buffer): boolean {
  return reply[0] === ASTERISK || reply[0] === TILDE || reply[0] === GREATER;
}
