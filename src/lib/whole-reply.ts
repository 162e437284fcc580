/** What can be seen of a whole reply of Redis, in RESP2 and RESP3, without decoding it: its end, and whether it is an error. */

const CR = 0x0d;
const MINUS = 0x2d;
const ZERO = 0x30;

/** The types that are more than one line: bulk, verbatim, long error; array, set, push; map, attribute. */
const LONG_ERROR = 0x21;
const BULKS = new Set([0x24, 0x3d, LONG_ERROR]);
const AGGREGATES = new Set([0x2a, 0x7e, 0x3e]);
const MAP = 0x25;
const ATTRIBUTE = 0x7c;

/** Whether the reply is an error of either protocol. */
export function isErrorReply(reply: Buffer): boolean {
  return reply[0] === MINUS || reply[0] === LONG_ERROR;
}

/** The byte behind the reply that begins at `from`. It must be there as a whole and well-formed. */
export function replyEnd(bytes: Buffer, from: number): number {
  let at = from;
  // Of nested replies only their number counts: the last one ends where the outermost does.
  for (let left = 1; left > 0; left -= 1) {
    const type = bytes[at] ?? 0;
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0) return bytes.length;
    const count = bytes[at + 1] === MINUS ? -1 : readCount(bytes, at + 1, lineEnd);
    at = lineEnd + 2;
    if (BULKS.has(type)) at += count < 0 ? 0 : count + 2;
    else if (AGGREGATES.has(type)) left += Math.max(count, 0);
    else if (type === MAP) left += 2 * count;
    // An attribute stands in front of the reply that it is about.
    else if (type === ATTRIBUTE) left += 2 * count + 1;
  }
  return at;
}

function readCount(bytes: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += 1) count = count * 10 + (bytes[at] ?? ZERO) - ZERO;
  return count;
}
