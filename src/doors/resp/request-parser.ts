/**
 * Bytes to requests, as Redis 7.0 reads them (`networking.c`: processInlineBuffer, processMultibulkBuffer): whatever
 * the bytes and however they are cut, what comes of them here comes of them there. Two forms:
 *
 *   *2\r\n $3\r\n GET\r\n $1\r\n k\r\n     an array of bulks, each with its length in front
 *   GET k\r\n                              an inline line, for people (`inline-words.ts`)
 *
 * Redis looks for ends of lines as C does, so a NUL hides all that stands behind it; a line of numbers ends with CR
 * and any byte; the two bytes behind a bulk are not looked at. A line that is longer than the limit is an error even
 * when its end has arrived with it, so that cuts decide nothing.
 *
 * Words are views of the chunks that arrived. Only a request that is cut is copied, into a buffer that grows with what
 * has arrived, not with what was announced.
 */
import type { Key } from '../../core/command';
import { keyWithin } from '../../core/key';
import type { Words } from '../../core/ports';
import { splitInlineWords } from './inline-words';

const CR = 0x0d;
const LF = 0x0a;
const ASTERISK = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;
const ZERO = 0x30;
const TWO = 0x32;
const THREE = 0x33;
const NINE = 0x39;
const SMALL_E = 0x65;
const SMALL_G = 0x67;
const SMALL_T = 0x74;

/** Redis's own, beyond which a number is invalid whoever sends it. */
const WORDS_MAX = 0x7fffffff;
const BULK_BYTES_MAX = 512 * 1024 * 1024;

/** Redis's own for those who have not shown who they are. */
const UNKNOWN_WORDS_MAX = 10;
const UNKNOWN_BULK_BYTES_MAX = 16_384;

/** Of lines with a number that are read without a search for their end. */
const SHORT_LINE_BYTES = 12;

/** Before the length of the key. */
const GET_HEAD_BYTES = 14;
/** Of a length of one digit and of a key of one byte. */
const GET_BYTES_MIN = GET_HEAD_BYTES + 1 + 2 + 1 + 2;
/** Longer keys are read as all other words. */
const GET_KEY_DIGITS_MAX = 3;
const EMPTY = Buffer.alloc(0);

/** What one request may have, at most. */
export interface RequestLimits {
  /** Of an inline line, and of a line with a number. */
  readonly inlineBytesMax: number;
  readonly wordsMax: number;
  readonly bulkBytesMax: number;
  /** Of all its bulks together. */
  readonly requestBytesMax: number;
  /** Before that, Redis's limits for strangers apply too. */
  readonly isAuthenticated: boolean;
}

/**
 * The bytes are no request, and what follows them cannot be understood either. The message is what Redis says behind
 * `-ERR `, each UTF-16 unit one byte; with it the connection ends.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export class RequestParser {
  /** May be exchanged between two calls of `next`: a number that was read before stays as it was judged. */
  limits: RequestLimits;
  #buffer: Buffer = EMPTY;
  /** What has arrived and is not read yet: from here … */
  #at = 0;
  /** … to here. Behind it there may be room. */
  #end = 0;
  /** The buffer is ours to write into, behind `#end`. */
  #isOurs = false;
  /** Of the request that is being read: */
  #words: Buffer[] = [];
  #wordsLeft = 0;
  /** −1: the line with the length of the next bulk is not there yet. */
  #bulkBytes = -1;
  /** Of the bulks whose lengths were read. */
  #announcedBytes = 0;
  #bytesRead = 0;
  /** Behind the GET that `peekGet` found. */
  #getEnd = 0;
  #isClosed = false;

  constructor(limits: RequestLimits) {
    this.limits = limits;
  }

  /** Bytes that have arrived and are in no request that `next` has given. */
  get heldBytes(): number {
    return this.#bytesRead + this.#end - this.#at;
  }

  /** Keeps the chunk, which must not be written to any more; after a ProtocolError it is dropped. */
  push(chunk: Buffer): void {
    if (this.#isClosed) return;
    const restBytes = this.#end - this.#at;
    if (restBytes === 0) {
      this.#buffer = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      this.#isOurs = false;
      return;
    }
    if (!this.#isOurs || this.#end + chunk.length > this.#buffer.length) {
      this.#moveRest(restBytes, restBytes + chunk.length);
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next request, of one word at least; undefined: more bytes are needed.
   * @throws ProtocolError once; after it there is no next request
   */
  next(): Words | undefined {
    while (this.#wordsLeft === 0) {
      if (this.#at === this.#end) return undefined;
      if (this.#buffer[this.#at] !== ASTERISK) {
        const words = this.#readInline();
        // An empty line is no request, and neither is a blank one.
        if (words === undefined || words.length > 0) return words;
      } else if (!this.#readCount()) {
        return undefined;
      }
    }
    return this.#readBulks();
  }

  /**
   * The key, if the next request is `GET key`, is there as a whole, and is spelled as programs spell it. undefined: `next`
   * will tell what there is. Nothing is taken, so `next` gives this request too; `takeGet` passes it by.
   */
  peekGet(): Key | undefined {
    const buffer = this.#buffer;
    const end = this.#end;
    const from = this.#at;
    if (this.#wordsLeft > 0 || end - from < GET_BYTES_MIN || !isGetHead(buffer, from)) return undefined;
    let at = from + GET_HEAD_BYTES;
    const far = at + GET_KEY_DIGITS_MAX;
    let keyBytes = (buffer[at++] ?? 0) - ZERO;
    if (keyBytes < 1 || keyBytes > 9) return undefined;
    while (at < far && isDigit(buffer[at] ?? 0)) keyBytes = keyBytes * 10 + (buffer[at++] ?? 0) - ZERO;
    // The byte behind the CR and those behind the key are not looked at, as everywhere here.
    const keyAt = at + 2;
    const keyEnd = keyAt + keyBytes;
    const { wordsMax, bulkBytesMax, requestBytesMax } = this.limits;
    const bytes = 3 + keyBytes;
    if (buffer[at] !== CR || keyEnd + 2 > end) return undefined;
    if (wordsMax < 2 || bytes > bulkBytesMax || bytes > requestBytesMax) return undefined;
    this.#getEnd = keyEnd + 2;
    return keyWithin(buffer, keyAt, keyEnd);
  }

  /** Passes by the request that `peekGet` has just found. */
  takeGet(): void {
    this.#at = this.#getEnd;
  }

  /** Into a buffer of our own with room for what comes; earlier words keep the old one. */
  #moveRest(restBytes: number, neededBytes: number): void {
    // Doubling copies each byte twice at most, but nothing is taken for an announcement beyond what arrived.
    const wantedBytes = this.#bulkBytes < 0 ? this.limits.inlineBytesMax : this.#bulkBytes + 2;
    const buffer = Buffer.allocUnsafe(Math.max(neededBytes, Math.min(2 * neededBytes, wantedBytes)));
    this.#buffer.copy(buffer, 0, this.#at, this.#end);
    this.#buffer = buffer;
    this.#at = 0;
    this.#end = restBytes;
    this.#isOurs = true;
  }

  #readInline(): Words | undefined {
    const from = this.#at;
    const lineEnd = this.#lineEnd(LF, 'too big inline request');
    if (lineEnd < 0) return undefined;
    const to = lineEnd > from && this.#buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const words = splitInlineWords(this.#buffer, from, to);
    if (words === undefined) throw this.#failure('unbalanced quotes in request');
    if (words.length > this.limits.wordsMax) throw this.#failure('too big inline request');
    this.#at = lineEnd + 1;
    return words;
  }

  /** False: more bytes are needed. No words at all, or fewer, are skipped. */
  #readCount(): boolean {
    const from = this.#at + 1;
    const lineEnd = this.#numberEnd('too big mbulk count string');
    if (lineEnd < 0) return false;
    const count = parseNumber(this.#buffer, from, lineEnd);
    const { wordsMax, isAuthenticated } = this.limits;
    if (Number.isNaN(count) || count > WORDS_MAX) throw this.#failure('invalid multibulk length');
    if (count > UNKNOWN_WORDS_MAX && !isAuthenticated)
      throw this.#failure('unauthenticated multibulk length');
    if (count > wordsMax) throw this.#failure('invalid multibulk length');
    this.#at = lineEnd + 2;
    if (count > 0) {
      this.#wordsLeft = count;
      this.#announcedBytes = 0;
      this.#bytesRead = lineEnd + 3 - from;
    }
    return true;
  }

  #readBulks(): Words | undefined {
    const buffer = this.#buffer;
    const end = this.#end;
    const words = this.#words;
    const from = this.#at;
    let at = from;
    let bulkBytes = this.#bulkBytes;
    let wordsLeft = this.#wordsLeft;
    while (wordsLeft > 0) {
      if (bulkBytes < 0) {
        this.#at = at;
        bulkBytes = this.#readLength();
        if (bulkBytes < 0) break;
        at = this.#at;
      }
      if (end - at < bulkBytes + 2) break;
      words.push(buffer.subarray(at, at + bulkBytes));
      at += bulkBytes + 2;
      bulkBytes = -1;
      wordsLeft -= 1;
    }
    this.#at = at;
    this.#bulkBytes = bulkBytes;
    this.#wordsLeft = wordsLeft;
    if (wordsLeft > 0) {
      this.#bytesRead += at - from;
      return undefined;
    }
    this.#bytesRead = 0;
    this.#words = [];
    return words;
  }

  /** The length of the next bulk; −1: more bytes are needed. */
  #readLength(): number {
    const from = this.#at;
    const lineEnd = this.#numberEnd('too big bulk count string');
    if (lineEnd < 0) return -1;
    const type = this.#buffer[from] ?? 0;
    if (type !== DOLLAR) throw this.#failure(`expected '$', got '${String.fromCharCode(type)}'`);
    const length = parseNumber(this.#buffer, from + 1, lineEnd);
    const { bulkBytesMax, requestBytesMax, isAuthenticated } = this.limits;
    if (!(length >= 0 && length <= BULK_BYTES_MAX)) throw this.#failure('invalid bulk length');
    if (length > UNKNOWN_BULK_BYTES_MAX && !isAuthenticated)
      throw this.#failure('unauthenticated bulk length');
    this.#announcedBytes += length;
    if (length > bulkBytesMax || this.#announcedBytes > requestBytesMax)
      throw this.#failure('invalid bulk length');
    this.#at = lineEnd + 2;
    return length;
  }

  /** Where the CR is that ends a line with a number; −1: it, or the byte behind it, is not there yet. */
  #numberEnd(tooBig: string): number {
    const buffer = this.#buffer;
    // Nearly always a sign and a few digits: then a search would cost more than it finds.
    let at = this.#at;
    const far = at + SHORT_LINE_BYTES;
    if (buffer[at] === DOLLAR || buffer[at] === ASTERISK) at += 1;
    while (at < far && isDigit(buffer[at] ?? 0)) at += 1;
    if (at >= this.#end || buffer[at] !== CR) at = this.#lineEnd(CR, tooBig);
    return at + 1 < this.#end ? at : -1;
  }

  /** Where the next such byte is that no NUL hides; −1: nowhere yet. */
  #lineEnd(last: number, tooBig: string): number {
    const line = this.#buffer.subarray(this.#at, this.#end);
    const length = line.indexOf(last);
    const isHidden = length >= 0 && line.subarray(0, length).includes(0);
    const bytes = length < 0 || isHidden ? line.length : length;
    if (bytes > this.limits.inlineBytesMax) throw this.#failure(tooBig);
    return length < 0 || isHidden ? -1 : this.#at + length;
  }

  /** There is no next request, and nothing is held any more; what is pushed is dropped. */
  close(): void {
    this.#isClosed = true;
    this.#buffer = EMPTY;
    this.#at = this.#end = this.#bytesRead = this.#wordsLeft = 0;
    this.#words = [];
  }

  #failure(message: string): ProtocolError {
    this.close();
    return new ProtocolError(`Protocol error: ${message}`);
  }
}

/** Whether `*2` CR LF `$3` CR LF `GET` CR LF `$` stands there, in whatever case. No loop: it costs twice as much. */
function isGetHead(buffer: Buffer, at: number): boolean {
  return (
    buffer[at] === ASTERISK &&
    buffer[at + 1] === TWO &&
    buffer[at + 2] === CR &&
    buffer[at + 3] === LF &&
    buffer[at + 4] === DOLLAR &&
    buffer[at + 5] === THREE &&
    buffer[at + 6] === CR &&
    buffer[at + 7] === LF &&
    small(buffer[at + 8]) === SMALL_G &&
    small(buffer[at + 9]) === SMALL_E &&
    small(buffer[at + 10]) === SMALL_T &&
    buffer[at + 11] === CR &&
    buffer[at + 12] === LF &&
    buffer[at + 13] === DOLLAR
  );
}

/** The small letter of a letter; what is no letter does not become one of ours. */
function small(byte = 0): number {
  return byte | 0x20;
}

/**
 * A number as Redis's string2ll has it: no plus, no blank, no zero in front, within 64 bits; NaN: it is none. Beyond
 * 2⁵³ it is about right, which is enough to compare it with limits.
 */
function parseNumber(buffer: Buffer, from: number, to: number): number {
  const isNegative = buffer[from] === MINUS;
  const first = isNegative ? from + 1 : from;
  if (buffer[first] === ZERO) return to === from + 1 ? 0 : NaN;
  if (first >= to || to - first > 19) return NaN;
  let sum = 0;
  for (let at = first; at < to; at += 1) {
    const byte = buffer[at] ?? 0;
    if (!isDigit(byte)) return NaN;
    sum = sum * 10 + byte - ZERO;
  }
  if (to - first === 19) return checkedLong(buffer.toString('latin1', from, to));
  return isNegative ? -sum : sum;
}

function checkedLong(digits: string): number {
  const exact = BigInt(digits);
  return BigInt.asIntN(64, exact) === exact ? Number(exact) : NaN;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
