/**
 * Bytes on their way out, in few pieces: what is short is copied into blocks that grow with what leaves in one turn, and
 * what is long leaves itself. Short values that are ASCII are gathered as text: strings are joined without a call out of
 * JavaScript, and one that leaves by itself needs no block at all (bench, row P4).
 */

/** From this size on the bytes themselves leave; smaller ones are copied, since they may be views of large blocks. */
const BY_REFERENCE_BYTES = 16 * 1024;
/** So that an idle connection holds little and a busy one writes much at a time. */
const BLOCK_BYTES_MIN = 1024;
const BLOCK_BYTES_MAX = 64 * 1024;
/** A larger one is not kept for the next turn. */
const BLOCK_BYTES_KEPT = 4096;
const NO_BLOCK = Buffer.alloc(0);
/** Node writes text of so much without memory of its own for it. More goes into a block. */
const TEXT_CHARS_MAX = 16 * 1024;
/** Longer values are not worth gathering, and would be held by what was gathered. */
const TEXT_VALUE_CHARS_MAX = 4096;
/** `$`, the digits of a length, CR LF. */
const HEADER_BYTES_MAX = 1 + 10 + 2;

const DOLLAR = 0x24;
const ZERO = 0x30;
const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

/** What leaves: bytes, or text of which each character is one (`latin1`). */
export type Chunk = Buffer | string;

export class OutputBuffer {
  /** What leaves next: these, then what is in `#block` from `#begin` to `#end`, then `#text`. */
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #block = NO_BLOCK;
  #begin = 0;
  #end = 0;
  #nextBlockBytes = BLOCK_BYTES_MIN;
  /** Of one byte a character. */
  #text = '';

  /** Of what was not taken out. */
  get bytes(): number {
    return this.#chunkBytes + this.#end - this.#begin + this.#text.length;
  }

  /** Large ones are kept as they are, so they must not be written to later. */
  append(bytes: Buffer): void {
    this.#blockText();
    if (bytes.length >= BY_REFERENCE_BYTES) {
      this.#cut();
      this.#chunks.push(bytes);
      this.#chunkBytes += bytes.length;
    } else {
      this.#makeRoom(bytes.length);
      bytes.copy(this.#block, this.#end);
      this.#end += bytes.length;
    }
  }

  /** The value as a bulk string, without making a Buffer of that first. `valueBytes`: its length, text being UTF-8. */
  appendBulk(value: Buffer | string, valueBytes: number): void {
    if (typeof value === 'string' && value.length === valueBytes && valueBytes <= TEXT_VALUE_CHARS_MAX) {
      this.#text += `${bulkHead(valueBytes)}${value}\r\n`;
      if (this.#text.length > TEXT_CHARS_MAX) this.#blockText();
      return;
    }
    this.#blockText();
    if (typeof value !== 'string' && valueBytes >= BY_REFERENCE_BYTES) {
      this.#makeRoom(HEADER_BYTES_MAX);
      this.#end = writeHeader(this.#block, this.#end, valueBytes);
      this.append(value);
      this.append(CRLF);
    } else {
      this.#makeRoom(HEADER_BYTES_MAX + valueBytes + CRLF.length);
      this.#end = writeBulk(this.#block, this.#end, value, valueBytes);
    }
  }

  /** What is to leave now, in order; nothing more is written to these bytes. */
  take(): readonly Chunk[] {
    if (this.#text !== '') {
      if (this.#chunks.length === 0 && this.#end === this.#begin) {
        const text = this.#text;
        this.#text = '';
        return [text];
      }
      this.#blockText();
    }
    // A block that was not filled was larger than it had to be.
    if (this.#chunks.length === 0) this.#nextBlockBytes = Math.max(BLOCK_BYTES_MIN, this.#nextBlockBytes / 2);
    this.#cut();
    if (this.#block.length > BLOCK_BYTES_KEPT) this.#dropBlock();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }

  clear(): void {
    this.#text = '';
    this.#chunks = [];
    this.#chunkBytes = 0;
    this.#dropBlock();
  }

  #blockText(): void {
    const text = this.#text;
    if (text === '') return;
    this.#makeRoom(text.length);
    this.#end += this.#block.write(text, this.#end, 'latin1');
    this.#text = '';
  }

  #makeRoom(bytes: number): void {
    if (this.#block.length - this.#end >= bytes) return;
    this.#cut();
    this.#block = Buffer.allocUnsafe(Math.max(bytes, this.#nextBlockBytes));
    this.#begin = this.#end = 0;
    this.#nextBlockBytes = Math.min(BLOCK_BYTES_MAX, this.#nextBlockBytes * 2);
  }

  /** Makes a chunk of what was written to the block since the last one. */
  #cut(): void {
    if (this.#end === this.#begin) return;
    this.#chunks.push(this.#block.subarray(this.#begin, this.#end));
    this.#chunkBytes += this.#end - this.#begin;
    this.#begin = this.#end;
  }

  #dropBlock(): void {
    this.#block = NO_BLOCK;
    this.#begin = this.#end = 0;
  }
}

/** What stands in front of a value of so many bytes. */
function bulkHead(valueBytes: number): string {
  return (HEADS[valueBytes] ??= `$${valueBytes}\r\n`);
}

/** Made when they are first wanted: joining the digits of each would cost as much as the value. */
const HEADS = new Array<string | undefined>(TEXT_VALUE_CHARS_MAX + 1).fill(undefined);

/** Where the next byte goes. */
function writeBulk(block: Buffer, at: number, value: Buffer | string, valueBytes: number): number {
  const valueAt = writeHeader(block, at, valueBytes);
  if (typeof value === 'string') block.write(value, valueAt, valueBytes, 'utf8');
  else value.copy(block, valueAt);
  const end = valueAt + valueBytes;
  block[end] = CR;
  block[end + 1] = LF;
  return end + CRLF.length;
}

/** `$<length>` CR LF; where the next byte goes. */
function writeHeader(block: Buffer, at: number, length: number): number {
  block[at] = DOLLAR;
  let digits = 1;
  for (let rest = length; rest >= 10; rest = Math.trunc(rest / 10)) digits++;
  const end = at + digits;
  for (let rest = length, digitAt = end; digitAt > at; digitAt--) {
    block[digitAt] = ZERO + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
  block[end + 1] = CR;
  block[end + 2] = LF;
  return end + 1 + CRLF.length;
}
