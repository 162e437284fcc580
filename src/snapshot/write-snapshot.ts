/**
 * Writes a snapshot so that whoever looks at its path finds the last one or the new one, each of them whole: beside it,
 * synced, renamed, and the folder synced too. A file beside it that a dead process left is removed first.
 *
 * It is written as it is made, a block at a time, so nothing but that block is held, and a block bounds what is done in
 * one turn of the event loop.
 */
import { promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { SavedEntry, SnapshotResult } from '../core/ports';
import {
  BLOCK_BYTES_MAX,
  BLOCK_HEAD_BYTES,
  BLOCK_RECORDS_MAX,
  CHECKSUM_BYTES,
  encodeHeader,
  encodeTrailer,
  headerChecksum,
  recordBytes,
  recordHeadBytes,
  writeRecordHead,
  type SnapshotHeader,
} from './format';

/** Of a long value that are summed up, and written, in one go. */
const SLICE_BYTES = 1024 * 1024;

/** Only its owner may read what others stored. */
const MODE = 0o600;

/**
 * Puts a snapshot of the content in place of `file`. What fails leaves the file as it was, and nothing beside it.
 * @throws what the file system says, or the reason of `signal`
 */
export async function writeSnapshot(
  file: string,
  header: SnapshotHeader,
  pages: Iterable<readonly SavedEntry[]>,
  signal: AbortSignal,
): Promise<Pick<SnapshotResult, 'entries' | 'bytes'>> {
  const beside = `${file}.tmp`;
  await fs.rm(beside, { force: true });
  const handle = await fs.open(beside, 'wx', MODE);
  try {
    const { ino } = await handle.stat();
    const writer = new BlockWriter(handle);
    try {
      await writer.begin(header);
      for (const page of pages) {
        signal.throwIfAborted();
        await writer.addAll(page);
      }
      await writer.end();
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal.throwIfAborted();
    // Two processes with one setting remove each other's: what lies there now is not whole yet.
    if ((await fs.lstat(beside)).ino !== ino) throw new Error('another process saves to the same file');
    await fs.rename(beside, file);
    await syncFolder(dirname(file));
    return { entries: writer.records, bytes: writer.bytes };
  } catch (error) {
    await fs.rm(beside, { force: true });
    throw error;
  }
}

/** Until then a power cut may undo the renaming. */
async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

class BlockWriter {
  /** In the file, but for `end`'s. */
  records = 0;
  bytes = 0;
  readonly #handle: fs.FileHandle;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX + CHECKSUM_BYTES);
  #blocks = 0;
  #checksum = 0;
  /** Of the block that is being made. */
  #end = BLOCK_HEAD_BYTES;
  #blockRecords = 0;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  async begin(header: SnapshotHeader): Promise<void> {
    const bytes = encodeHeader(header);
    this.#checksum = headerChecksum(bytes);
    await this.#write(bytes);
  }

  async addAll(page: readonly SavedEntry[]): Promise<void> {
    const blocksBefore = this.#blocks;
    for (const entry of page) {
      const bytes = recordBytes(entry);
      if (this.#end - BLOCK_HEAD_BYTES + bytes > BLOCK_BYTES_MAX) await this.#flush();
      if (bytes > BLOCK_BYTES_MAX) await this.#addLong(entry, bytes);
      else this.#add(entry);
      if (this.#blockRecords === BLOCK_RECORDS_MAX) await this.#flush();
    }
    // Pages may be long in coming and short, and others want to be served too.
    if (this.#blocks === blocksBefore) await nextTurn();
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#write(encodeTrailer(this.#blocks, this.records, this.#checksum));
  }

  #add(entry: SavedEntry): void {
    this.#end = writeRecordHead(entry, this.#block, this.#end);
    this.#end += entry.bytes?.copy(this.#block, this.#end) ?? 0;
    this.#blockRecords += 1;
  }

  async #flush(): Promise<void> {
    if (this.#blockRecords === 0) return;
    writeBlockHead(this.#block, this.#end - BLOCK_HEAD_BYTES, this.#blockRecords);
    this.#checksum = crc32(this.#block.subarray(0, this.#end), this.#checksum);
    this.#end = this.#block.writeUInt32LE(this.#checksum, this.#end);
    this.#count(this.#blockRecords);
    await this.#write(this.#block.subarray(0, this.#end));
    this.#end = BLOCK_HEAD_BYTES;
    this.#blockRecords = 0;
  }

  /** A block of its own, straight from where the value lies. */
  async #addLong(entry: SavedEntry, bytes: number): Promise<void> {
    const head = Buffer.allocUnsafe(BLOCK_HEAD_BYTES + recordHeadBytes(entry));
    writeBlockHead(head, bytes, 1);
    writeRecordHead(entry, head, BLOCK_HEAD_BYTES);
    for (const part of [head, entry.bytes ?? Buffer.alloc(0)]) {
      for (let at = 0; at < part.length; at += SLICE_BYTES) {
        const slice = part.subarray(at, at + SLICE_BYTES);
        this.#checksum = crc32(slice, this.#checksum);
        await this.#write(slice);
      }
    }
    const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES);
    checksum.writeUInt32LE(this.#checksum);
    this.#count(1);
    await this.#write(checksum);
  }

  #count(records: number): void {
    this.#blocks += 1;
    this.records += records;
  }

  /** A disk that is nearly full takes a part, and says so at the next. */
  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += (await this.#handle.write(bytes, at, bytes.length - at)).bytesWritten;
    }
    this.bytes += bytes.length;
  }
}

function writeBlockHead(into: Buffer, payloadBytes: number, records: number): void {
  into.writeUInt32LE(payloadBytes, 0);
  into.writeUInt32LE(records, 4);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
