/** What was read, made fit to be looked at: text as it is, JSON laid out, bytes as a hex dump. */
import { byteCount, cut, figure } from './dom.js';

/** So much is shown at first: a screen or two. */
const CHARACTERS_SHOWN = 4096;
const BYTES_SHOWN = 512;
/** Characters of a text, or bytes of a dump, which is five times as long: more would halt the page, and is for the download. */
const WHOLE_MAX = 1024 * 1024;
const ENCODER = new TextEncoder();

/**
 * @param reply of a READ: `value`, or `value_base64` for bytes that are no text
 * @returns what it is, its size, the texts for a glance and for a whole look (the same where it is short), whether that one is
 *   whole indeed, its bytes, and a name for the file of them: one of ours, since the key may be anything
 */
export function describeValue({ value, value_base64: base64 }, columns) {
  if (base64 !== undefined) return describeBytes(bytesOf(base64), columns);
  const isText = typeof value === 'string';
  const text = isText ? value : JSON.stringify(value, undefined, 2);
  const bytes = encode(value);
  const isWhole = text.length <= WHOLE_MAX;
  return {
    kind: isText ? 'text' : 'JSON',
    size: byteCount(bytes.length),
    bytes,
    fileName: isText ? 'value.txt' : 'value.json',
    glance: text.length > CHARACTERS_SHOWN ? cut(text, CHARACTERS_SHOWN) : text,
    whole: isWhole ? text : cut(text, WHOLE_MAX),
    wholeLabel: isWhole ? 'Show all' : `Show the first ${figure(WHOLE_MAX)} characters`,
    isWhole,
  };
}

/** Of a value as it will be read: the same text for what is set and for what is got. */
export function sizeOf(value) {
  return byteCount(encode(value).length);
}

function encode(value) {
  return ENCODER.encode(typeof value === 'string' ? value : JSON.stringify(value));
}

function describeBytes(bytes, columns) {
  const isWhole = bytes.length <= WHOLE_MAX;
  return {
    kind: 'binary',
    size: byteCount(bytes.length),
    bytes,
    fileName: 'value.bin',
    glance: hexDump(bytes.subarray(0, BYTES_SHOWN), columns),
    whole: hexDump(bytes.subarray(0, WHOLE_MAX), columns),
    wholeLabel: isWhole ? 'Show all' : `Show the first ${byteCount(WHOLE_MAX)}`,
    isWhole,
  };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lines of `00000010  68 65 6c 6c 6f  |hello|` with `columns` bytes each. */
function hexDump(bytes, columns) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += columns) {
    const row = Array.from(bytes.subarray(start, start + columns));
    const offset = start.toString(16).padStart(8, '0');
    const hex = row.map((byte) => HEX[byte]).join(' ');
    const shown = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${offset}  ${hex.padEnd(columns * 3 - 1)}  |${shown}|`);
  }
  return lines.join('\n');
}
