/**
 * Commands as a Redis server reads them: an array of bulk strings each, `*2 CR LF $3 CR LF GET CR LF $1 CR LF k CR LF`.
 * Nothing in a word can end it early, whatever its bytes are.
 */
import type { Words } from '../core/ports';

/** Longer words are not copied on their way out. */
export const COPIED_BYTES_MAX = 16 * 1024;
/** Up to here a loop is quicker than a call. */
const LOOPED_BYTES_MAX = 24;

const CR = 0x0d;
const LF = 0x0a;
const DIGIT_0 = 0x30;
const BULK = 0x24;
const ARRAY = 0x2a;

/** How many bytes the command takes on its way; text is of one byte a character. */
export function encodedBytes(words: readonly (string | Buffer)[]): number {
  let bytes = countBytes(words.length);
  for (const word of words) bytes += countBytes(word.length) + word.length + 2;
  return bytes;
}

/** The commands, one behind the other: one buffer, with long words between its parts as they are. */
export function encodeCommands(commands: readonly Words[]): Buffer[] {
  let copiedBytes = 0;
  for (const words of commands) {
    copiedBytes += encodedBytes(words);
    for (const word of words) if (word.length > COPIED_BYTES_MAX) copiedBytes -= word.length;
  }
  const buffer = Buffer.allocUnsafe(copiedBytes);
  const pieces: Buffer[] = [];
  let pieceAt = 0;
  let at = 0;
  for (const words of commands) {
    at = writeCount(buffer, at, ARRAY, words.length);
    for (const word of words) {
      at = writeCount(buffer, at, BULK, word.length);
      if (word.length > COPIED_BYTES_MAX) {
        pieces.push(buffer.subarray(pieceAt, at), word);
        pieceAt = at;
      } else at = writeWord(buffer, at, word);
      buffer[at++] = CR;
      buffer[at++] = LF;
    }
  }
  pieces.push(pieceAt === 0 ? buffer : buffer.subarray(pieceAt));
  return pieces;
}

function writeWord(buffer: Buffer, start: number, word: Buffer): number {
  const { length } = word;
  if (length > LOOPED_BYTES_MAX) word.copy(buffer, start);
  else for (let index = 0; index < length; index++) buffer[start + index] = word[index] ?? 0;
  return start + length;
}

/** Bytes of `$12 CR LF`. */
function countBytes(count: number): number {
  return 3 + digitsOf(count);
}

function digitsOf(count: number): number {
  let digits = 1;
  for (let rest = count; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

function writeCount(buffer: Buffer, start: number, sign: number, count: number): number {
  const end = start + 1 + digitsOf(count);
  buffer[start] = sign;
  for (let at = end - 1, rest = count; at > start; at--, rest = Math.floor(rest / 10)) {
    buffer[at] = DIGIT_0 + (rest % 10);
  }
  buffer[end] = CR;
  buffer[end + 1] = LF;
  return end + 2;
}
