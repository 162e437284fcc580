/** The parts that messages between gateways are made of (`messages.ts`), as bytes. Numbers are little endian. */
import type { Vector } from './origins';
import { MalformedMessage, readEntries, writeEntry, type VersionedEntry } from './versioned-entry';

export const ORIGIN_BYTES = 8;
const REACHED_BYTES = ORIGIN_BYTES + 6 + 4;
const AGE_SECONDS_MAX = 0xffffffff;

export function vectorSize(vector: Vector): number {
  return 2 + vector.length * REACHED_BYTES;
}

/** Writes one part of a message behind the other, into a buffer of the right size. */
export class MessageWriter {
  readonly buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  uint(value: number, bytes: number): void {
    this.#at = this.buffer.writeUIntLE(value, this.#at, bytes);
  }

  double(value: number): void {
    this.#at = this.buffer.writeDoubleLE(value, this.#at);
  }

  hex(text: string): void {
    this.#at += this.buffer.write(text, this.#at, 'hex');
  }

  bytes(bytes: Buffer): void {
    this.#at += bytes.copy(this.buffer, this.#at);
  }

  vector(vector: Vector): void {
    this.uint(vector.length, 2);
    for (const { origin, seq, ageMs } of vector) {
      this.hex(origin);
      this.uint(seq, 6);
      this.uint(Math.min(AGE_SECONDS_MAX, Math.max(0, Math.floor(ageMs / 1000))), 4);
    }
  }

  entries(entries: readonly VersionedEntry[]): void {
    for (const entry of entries) this.#at = writeEntry(entry, this.buffer, this.#at);
  }
}

/** Reads one part of a message behind the other. Each call: @throws MalformedMessage when it is not there as a whole */
export class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new MalformedMessage('torn');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  uint(bytes: number): number {
    return this.bytes(bytes).readUIntLE(0, bytes);
  }

  /** Messages are numbered from 1. */
  seq(): number {
    const seq = this.uint(6);
    if (seq === 0) throw new MalformedMessage('without a number');
    return seq;
  }

  time(): number {
    const time = this.bytes(8).readDoubleLE(0);
    if (!Number.isSafeInteger(time) || time < 0) throw new MalformedMessage('with a time that is none');
    return time;
  }

  hex(bytes: number): string {
    return this.bytes(bytes).toString('hex');
  }

  vector(): Vector {
    const count = this.uint(2);
    return Array.from({ length: count }, () => ({
      origin: this.hex(ORIGIN_BYTES),
      seq: this.uint(6),
      ageMs: this.uint(4) * 1000,
    }));
  }

  entries(): readonly VersionedEntry[] {
    const entries = readEntries(this.#bytes, this.#at);
    this.#at = this.#bytes.length;
    return entries;
  }

  rest(): Buffer {
    return this.bytes(this.#bytes.length - this.#at);
  }

  end(): void {
    if (!this.isAtEnd) throw new MalformedMessage('with something behind its end');
  }
}
