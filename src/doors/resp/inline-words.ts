/**
 * The words of an inline line, by Redis's rules of quoting (`sds.c`: sdssplitargs). Within `"…"`: `\xhh` for any byte,
 * `\n \r \t \b \a`, and a backslash makes any other character itself; within `'…'` only `\'` is special. A quote may
 * begin within a word, but the one that closes it ends the word.
 */

const BACKSLASH = 0x5c;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const LETTER_X = 0x78;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** What a letter behind a backslash means: `n r t b a`. */
const ESCAPED: Readonly<Record<number, number>> = { 0x6e: LF, 0x72: CR, 0x74: TAB, 0x62: 0x08, 0x61: 0x07 };

/**
 * The words between `from` and `to`, where there is no NUL: views of `line` but for those with quotes. undefined: a
 * quote is not closed, or is closed within a word.
 */
export function splitInlineWords(line: Buffer, from: number, to: number): Buffer[] | undefined {
  const words: Buffer[] = [];
  let at = from;
  for (;;) {
    while (at < to && isBlank(line[at])) at += 1;
    if (at >= to) return words;
    const start = at;
    while (at < to && !endsWord(line[at]) && !isQuote(line[at])) at += 1;
    if (at >= to || !isQuote(line[at])) {
      words.push(line.subarray(start, at));
      continue;
    }
    const word = Buffer.allocUnsafe(to - start);
    const plainBytes = line.copy(word, 0, start, at);
    const quoted = line[at] === DOUBLE_QUOTE ? copyDoubleQuoted : copySingleQuoted;
    const copied = quoted(line, at + 1, to, word, plainBytes);
    if (copied === undefined) return undefined;
    words.push(word.subarray(0, copied.bytes));
    at = copied.at;
  }
}

interface Copied {
  /** Behind the quote that closed it. */
  readonly at: number;
  /** Of the word, so far. */
  readonly bytes: number;
}

function copyDoubleQuoted(
  line: Buffer,
  from: number,
  to: number,
  word: Buffer,
  plain: number,
): Copied | undefined {
  let bytes = plain;
  for (let at = from; at < to; at += 1, bytes += 1) {
    const byte = line[at] ?? 0;
    if (byte === DOUBLE_QUOTE) return closed(line, at + 1, to, bytes);
    if (byte !== BACKSLASH || at + 1 === to) {
      word[bytes] = byte;
      continue;
    }
    at += 1;
    const escaped = line[at] ?? 0;
    const code = escaped === LETTER_X && at + 2 < to ? hexByte(line, at + 1) : undefined;
    word[bytes] = code ?? ESCAPED[escaped] ?? escaped;
    if (code !== undefined) at += 2;
  }
  return undefined;
}

function copySingleQuoted(
  line: Buffer,
  from: number,
  to: number,
  word: Buffer,
  plain: number,
): Copied | undefined {
  let bytes = plain;
  for (let at = from; at < to; at += 1, bytes += 1) {
    if (line[at] === SINGLE_QUOTE) return closed(line, at + 1, to, bytes);
    if (line[at] === BACKSLASH && line[at + 1] === SINGLE_QUOTE && at + 1 < to) at += 1;
    word[bytes] = line[at] ?? 0;
  }
  return undefined;
}

/** Behind a closing quote there must be a blank, or the end. */
function closed(line: Buffer, at: number, to: number, bytes: number): Copied | undefined {
  return at === to || isBlank(line[at]) ? { at, bytes } : undefined;
}

function hexByte(line: Buffer, at: number): number | undefined {
  const high = hexDigit(line[at] ?? 0);
  const low = hexDigit(line[at + 1] ?? 0);
  return high === undefined || low === undefined ? undefined : high * 16 + low;
}

function hexDigit(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : undefined;
}

function isQuote(byte: number | undefined): boolean {
  return byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE;
}

/** C's isspace. */
function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || (byte !== undefined && byte >= TAB && byte <= CR);
}

/** Vertical tab and form feed divide words, but do not end one. */
function endsWord(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === LF || byte === CR;
}
