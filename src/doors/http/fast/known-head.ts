/**
 * The last head of a command on a connection, as a pattern for those behind it: they differ in the token and in the length
 * of the body, or in nothing. Comparing costs a fifth of reading (bench, row P7).
 */
import { ownMemory } from '../../../lib/own-memory';
import { HEAD_BYTES_MAX, HEAD_END, LENGTH, type ParsedHead, type PlainHead, type Span } from './plain-head';

const CARRIAGE_RETURN = 0x0d;
/** What a plain field holds, without the space around it. */
const VALUE = /^[!-~](?:[ -~\t]*[!-~])?$/;

export class KnownHead {
  readonly #whole: Buffer;
  readonly #plain: PlainHead;
  /** What is around the two values, of which `#isTokenFirst` tells the order. */
  readonly #front: Buffer;
  readonly #middle: Buffer;
  readonly #end: Buffer;
  readonly #isTokenFirst: boolean;

  private constructor(chunk: Buffer, plain: PlainHead, token: Span, length: Span) {
    const whole = ownMemory(chunk.subarray(0, plain.bytes));
    this.#whole = whole;
    this.#plain = plain;
    this.#isTokenFirst = token.start < length.start;
    const [first, second] = this.#isTokenFirst ? [token, length] : [length, token];
    this.#front = whole.subarray(0, first.start);
    this.#middle = whole.subarray(first.end, second.start);
    this.#end = whole.subarray(second.end);
  }

  /** Of a chunk that begins with the plain head of a command; undefined: it is none that could be a pattern. */
  static of(chunk: Buffer, plain: ParsedHead): KnownHead | undefined {
    const { isCommand, authorizationAt, lengthAt } = plain;
    if (!isCommand || authorizationAt === undefined || lengthAt === undefined) return undefined;
    return new KnownHead(chunk, plain, authorizationAt, lengthAt);
  }

  /** What `parsePlainHead` says of the chunk; undefined: that it be asked. */
  match(chunk: Buffer): PlainHead | undefined {
    if (hasAt(chunk, 0, this.#whole)) return this.#plain;
    if (!hasAt(chunk, 0, this.#front)) return undefined;
    const firstAt = this.#front.length;
    const firstEnd = chunk.indexOf(CARRIAGE_RETURN, firstAt);
    if (firstEnd < 0 || !hasAt(chunk, firstEnd, this.#middle)) return undefined;
    const secondAt = firstEnd + this.#middle.length;
    const secondEnd = chunk.indexOf(CARRIAGE_RETURN, secondAt);
    if (secondEnd < 0 || !hasAt(chunk, secondEnd, this.#end)) return undefined;
    const bytes = secondEnd + this.#end.length;
    if (bytes > HEAD_BYTES_MAX + HEAD_END.length) return undefined;

    const first = chunk.toString('latin1', firstAt, firstEnd);
    const second = chunk.toString('latin1', secondAt, secondEnd);
    const [authorization, length] = this.#isTokenFirst ? [first, second] : [second, first];
    if (!VALUE.test(authorization) || !LENGTH.test(length)) return undefined;
    const bodyBytes = Number(length);
    return {
      bytes,
      bodyBytes,
      head: this.#plain.head.with(authorization, bodyBytes),
      isCommand: true,
    };
  }
}

function hasAt(chunk: Buffer, at: number, part: Buffer): boolean {
  const end = at + part.length;
  return chunk.length >= end && chunk.compare(part, 0, part.length, at, end) === 0;
}
