/** One exchange that a plain Redis and the door are both put through: the bytes, and how alike the answers must be. */

/**
 * How alike two replies must be.
 *
 * - `bytes`: to the letter
 * - `elements`: the same elements in any order, at every level: Redis's tables are in an order of each server's own
 * - `life`: both the same below 0, or both numbers from 0: time passes between the two
 * - `class`: the same type, and the same first word where they are errors
 */
export type Likeness = 'bytes' | 'elements' | 'life' | 'class';

/** A piece that is left out as a whole when a reproducer is shrunk: a request, or what is left of one. */
export interface FuzzUnit {
  readonly bytes: Buffer;
  readonly likeness: Likeness;
}

export interface FuzzCase {
  /** With the seed, enough to make it again: `sequence 17`. */
  readonly name: string;
  readonly units: readonly FuzzUnit[];
  /** Silence after which a server is taken to wait for more bytes. Long where requests may block. */
  readonly quietMs: number;
  /** Nobody else touches its keys, so a difference counts even where it is not there when it is tried again. */
  readonly ownsItsKeys: boolean;
  /** AUTH is sent first; without it the rest comes from a stranger. */
  readonly isAuthenticated: boolean;
  /** Where the bytes are cut into packets, from 0 to 1. */
  readonly cuts: readonly number[];
}

/** A request as an array of bulks. */
export function encodeRequest(words: readonly (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => [`$${Buffer.byteLength(word, 'latin1')}\r\n`, word, '\r\n']);
  return Buffer.concat(
    [`*${words.length}\r\n`, ...parts].map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
    ),
  );
}

/** A request as an inline line, with the quotes that it needs. */
export function encodeInline(words: readonly string[]): Buffer {
  const quoted = words.map((word) => (/^[\w.:*+-]+$/.test(word) ? word : quote(word)));
  return Buffer.from(`${quoted.join(' ')}\r\n`, 'latin1');
}

function quote(word: string): string {
  const hex = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return `"${word.replace(/[^ !#-[\]-~]/g, hex)}"`;
}

/** The keys of one lane, few enough that commands of all kinds meet on them. */
export function keysOf(lane: number): readonly string[] {
  return ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}:${lane}`);
}

export function bytesOf(fuzzCase: FuzzCase): Buffer {
  return Buffer.concat(fuzzCase.units.map(({ bytes }) => bytes));
}
