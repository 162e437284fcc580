/**
 * Finds where replies end in what a Redis server sends, without decoding them
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/). In RESP2 and RESP3 alike a reply is one element:
 *
 *     + - : , # ( _   text CR LF
 *     $ = !           count CR LF, so many bytes, CR LF           $-1: null
 *     * ~ >           count CR LF, so many elements               *-1: null
 *     %               count CR LF, twice as many elements
 *     |               count CR LF, twice as many elements, and behind them the element that they belong to
 *
 * How deep elements stand in one another does not matter for where the reply ends, so one counter of those still to
 * come takes the place of a stack, and nesting costs nothing.
 */
import { GatheredBytes } from '../lib/gathered-bytes';
import { isErrorReply, replyEnd } from '../lib/whole-reply';

/** Stands for a reply that was longer than allowed, and is gone. */
export const TOO_LARGE: unique symbol = Symbol('too large');

/** Fifteen digits are a safe integer, and more than any server has. */
const COUNT_DIGITS_MAX = 15;
/**
 * What is dropped must end as well: everything behind it waits. Texts, which scripts can make as long as they like, have
 * no other limit than this.
 */
const DROPPED_BYTES_MAX = 1024 * 1024 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const STRING = 0x24;
const ARRAY = 0x2a;

/** What the rest of an element's first line is; `NONE`: no element begins like this, or none has begun. */
const NONE = 0;
const TEXT = 1;
const BYTES = 2;
const ELEMENTS = 3;
const PAIRS = 4;
const ATTRIBUTES = 5;

const KINDS = new Uint8Array(256);
for (const [signs, kind] of [
  ['+-:,#(_', TEXT],
  ['$=!', BYTES],
  ['*~>', ELEMENTS],
  ['%', PAIRS],
  ['|', ATTRIBUTES],
] as const) {
  for (const sign of signs) KINDS[sign.charCodeAt(0)] = kind;
}

const NOTHING = Buffer.alloc(0);

export class ReplyFramer {
  readonly #bytesMax: number;
  #chunk: Buffer = NOTHING;
  /** Where the present reply begins in the chunk, and how far it was looked at. */
  #start = 0;
  #at = 0;
  /** What earlier chunks had of the present reply. */
  #gathered: GatheredBytes | undefined;
  #earlierBytes = 0;
  #elementsLeft = 1;
  /** Of the element whose first line is under way, with what was read of that. */
  #kind = NONE;
  #sign = 0;
  #count = 0;
  #digits = 0;
  #isNegative = false;
  #sawCr = false;
  /** Of an element of bytes, with the CR LF behind them. */
  #bytesLeft = 0;

  /** `bytesMax`: longer replies are dropped as they come. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The next bytes, when `next` has given all replies of those before. They must not be changed from now on. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#start = 0;
    this.#at = 0;
  }

  /**
   * The next whole reply, a view of its chunk where it lies in one; undefined: there is none yet.
   * @throws Error when what has come is no RESP, or has no end. There is no way to go on from there.
   */
  next(): Buffer | typeof TOO_LARGE | undefined {
    if (!this.#findEnd()) {
      this.#keep();
      return undefined;
    }
    const start = this.#start;
    const gathered = this.#gathered;
    const bytes = this.#earlierBytes + this.#at - start;
    this.#start = this.#at;
    this.#elementsLeft = 1;
    this.#earlierBytes = 0;
    this.#gathered = undefined;
    // Before a view is made: who only wants to know whether replies have an end has each of them dropped.
    if (bytes > this.#bytesMax) return TOO_LARGE;
    const part = this.#chunk.subarray(start, this.#at);
    if (gathered === undefined) return part;
    gathered.add(part);
    return gathered.whole();
  }

  /** Goes on to the end of the reply (true), or to that of the chunk. */
  #findEnd(): boolean {
    const bytesInChunk = this.#chunk.length;
    while (this.#at < bytesInChunk) {
      if (this.#bytesLeft > 0) this.#skipBytes();
      else this.#readLine();
      if (this.#elementsLeft === 0) return true;
    }
    return false;
  }

  #skipBytes(): void {
    const at = this.#at;
    const step = Math.min(this.#bytesLeft, this.#chunk.length - at);
    const crAt = at + this.#bytesLeft - 2;
    const isEnded =
      (crAt < at || crAt >= at + step || this.#chunk[crAt] === CR) &&
      (crAt + 1 >= at + step || this.#chunk[crAt + 1] === LF);
    if (!isEnded) throw noResp();
    this.#at = at + step;
    this.#bytesLeft -= step;
    if (this.#bytesLeft === 0) this.#elementsLeft -= 1;
  }

  #readLine(): void {
    if (this.#kind === NONE) {
      this.#sign = this.#chunk[this.#at] ?? 0;
      this.#kind = KINDS[this.#sign] ?? NONE;
      if (this.#kind === NONE) throw noResp();
      this.#at += 1;
      this.#count = 0;
      this.#digits = 0;
      this.#isNegative = false;
    }
    if (this.#kind === TEXT) this.#readText();
    else this.#readCount();
  }

  /** What it says is between the server and whoever asked. */
  #readText(): void {
    const chunk = this.#chunk;
    let sawCr = this.#sawCr;
    let at = this.#at;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (sawCr) {
        if (byte !== LF) throw noResp();
        this.#kind = NONE;
        this.#elementsLeft -= 1;
        sawCr = false;
        at++;
        break;
      }
      if (byte === CR) sawCr = true;
      else if (byte === LF) throw noResp();
    }
    this.#at = at;
    this.#sawCr = sawCr;
  }

  #readCount(): void {
    const chunk = this.#chunk;
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at++] ?? 0;
      if (this.#sawCr) {
        if (byte !== LF) throw noResp();
        this.#sawCr = false;
        this.#kind = this.#announce(this.#kind);
        return;
      }
      const digit = byte - DIGIT_0;
      if (digit >= 0 && digit <= 9) {
        // `05` is no count of Redis.
        if (this.#digits === COUNT_DIGITS_MAX || (this.#digits > 0 && this.#count === 0)) throw noResp();
        this.#count = this.#count * 10 + digit;
        this.#digits += 1;
      } else if (byte === CR && this.#digits > 0) this.#sawCr = true;
      else if (byte === MINUS && this.#digits === 0 && !this.#isNegative) this.#isNegative = true;
      else throw noResp();
    }
  }

  /** The line says how much comes. Gives the kind of the next line: no element has begun. */
  #announce(kind: number): typeof NONE {
    if (this.#isNegative) {
      if (this.#count !== 1 || (this.#sign !== STRING && this.#sign !== ARRAY)) throw noResp();
      this.#elementsLeft -= 1;
    } else if (kind === BYTES) this.#bytesLeft = this.#count + 2;
    else if (kind === ELEMENTS) this.#elementsLeft += this.#count - 1;
    else if (kind === PAIRS) this.#elementsLeft += 2 * this.#count - 1;
    else this.#elementsLeft += 2 * this.#count;
    if (!Number.isSafeInteger(this.#elementsLeft)) throw noResp();
    return NONE;
  }

  /** Takes what the chunk has of a reply that is not whole. What will be too long is not kept. */
  #keep(): void {
    const part = this.#chunk.subarray(this.#start);
    this.push(NOTHING);
    if (part.length === 0) return;
    this.#earlierBytes += part.length;
    if (this.#earlierBytes + this.#bytesLeft <= this.#bytesMax) {
      this.#gathered ??= new GatheredBytes();
      this.#gathered.add(part);
      return;
    }
    this.#gathered = undefined;
    if (this.#earlierBytes > Math.max(this.#bytesMax, DROPPED_BYTES_MAX)) {
      throw new Error('the node sent a reply without an end');
    }
  }
}

/** What an error says, `ERR …`; undefined: the reply is none. */
export function errorTextOf(reply: Buffer): string | undefined {
  if (!isErrorReply(reply)) return undefined;
  const isSimple = reply[0] === MINUS;
  return reply.toString('utf8', isSimple ? 1 : reply.indexOf(LF) + 1, reply.length - 2);
}

/**
 * The elements of a whole reply that is an array, set or push, each as a reply of its own and a view; those of a map are
 * its fields and values by turns. Attributes of the reply itself are left out. undefined: it is something else, null
 * included.
 */
export function elementsOf(reply: Buffer): readonly Buffer[] | undefined {
  for (let at = 0; ;) {
    const kind = KINDS[reply[at] ?? 0] ?? NONE;
    if (kind !== ELEMENTS && kind !== PAIRS && kind !== ATTRIBUTES) return undefined;
    const lineEnd = reply.indexOf(CR, at);
    const count = Number(reply.toString('latin1', at + 1, lineEnd));
    if (count < 0) return undefined;
    const elements: Buffer[] = [];
    at = lineEnd + 2;
    while (elements.length < (kind === ELEMENTS ? count : 2 * count)) {
      const end = replyEnd(reply, at);
      elements.push(reply.subarray(at, end));
      at = end;
    }
    if (kind !== ATTRIBUTES) return elements;
  }
}

function noResp(): Error {
  return new Error('the node sent something that is no RESP');
}
