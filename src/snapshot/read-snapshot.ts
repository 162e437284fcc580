/**
 * Reads a snapshot, a block at a time. Nothing in it is believed before its checksum was found right, and no length in
 * it makes this process take more memory than the file has bytes.
 */
import { promises as fs } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { SavedEntry } from '../core/ports';
import {
  BadSnapshot,
  BLOCK_BYTES_MAX,
  BLOCK_HEAD_BYTES,
  BLOCK_RECORDS_MAX,
  CHECKSUM_BYTES,
  encodeTrailer,
  HEADER_BYTES,
  headerChecksum,
  parseHeader,
  parseRecords,
  TRAILER_BYTES,
  type SnapshotHeader,
} from './format';

/** Of a long block that are summed up in one go. */
const SLICE_BYTES = 1024 * 1024;

export interface SnapshotReader {
  readonly header: SnapshotHeader;
  readonly bytes: number;
  /**
   * The records of each block, in the order of the file; from its beginning each time that it is called.
   * @throws BadSnapshot, and what the file system says
   */
  blocks(): AsyncGenerator<readonly SavedEntry[], void>;
  close(): Promise<void>;
}

/** Opens the file and reads its header. @throws BadSnapshot, and what the file system says: `ENOENT` where there is none */
export async function openSnapshot(file: string): Promise<SnapshotReader> {
  // Before it is opened: a pipe would let the opening wait for whoever writes to it.
  if (!(await fs.stat(file)).isFile()) throw new BadSnapshot('it is no file');
  const handle = await fs.open(file, 'r');
  try {
    const { size } = await handle.stat();
    if (size < HEADER_BYTES + TRAILER_BYTES)
      throw new BadSnapshot(`it has ${size} bytes, and none is so short`);
    const header = await readAt(handle, 0, HEADER_BYTES);
    return {
      header: parseHeader(header),
      bytes: size,
      blocks: () => readBlocks(handle, size, headerChecksum(header)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* readBlocks(
  handle: fs.FileHandle,
  size: number,
  checksumBefore: number,
): AsyncGenerator<readonly SavedEntry[], void> {
  let checksum = checksumBefore;
  let blocks = 0;
  let records = 0;
  for (let at = HEADER_BYTES; ;) {
    // No block is shorter than a trailer, so there are always so many bytes where one or the other begins.
    if (size - at < TRAILER_BYTES) throw new BadSnapshot(`it ends at byte ${size}, before its trailer`);
    const head = await readAt(handle, at, TRAILER_BYTES);
    const payloadBytes = head.readUInt32LE(0);
    if (payloadBytes === 0) {
      if (!head.equals(encodeTrailer(blocks, records, checksum)))
        throw new BadSnapshot('its trailer is wrong');
      if (at + TRAILER_BYTES !== size) throw new BadSnapshot('there is something behind its trailer');
      return;
    }
    const blockRecords = head.readUInt32LE(4);
    const end = at + BLOCK_HEAD_BYTES + payloadBytes + CHECKSUM_BYTES;
    if (end > size) throw new BadSnapshot(`the block at byte ${at} reaches beyond the end`);
    if (blockRecords > BLOCK_RECORDS_MAX || (payloadBytes > BLOCK_BYTES_MAX && blockRecords !== 1)) {
      throw new BadSnapshot(`the block at byte ${at} is larger than a block can be`);
    }
    const block = Buffer.allocUnsafeSlow(end - at);
    for (let from = 0; from < block.length; from += SLICE_BYTES) {
      const slice = block.subarray(from, from + SLICE_BYTES);
      await fill(handle, slice, at + from);
      checksum = crc32(slice.subarray(0, Math.max(0, block.length - CHECKSUM_BYTES - from)), checksum);
    }
    if (block.readUInt32LE(block.length - CHECKSUM_BYTES) !== checksum) {
      throw new BadSnapshot(`the checksum of the block at byte ${at} is wrong`);
    }
    yield parseRecords(block.subarray(BLOCK_HEAD_BYTES, block.length - CHECKSUM_BYTES), blockRecords);
    blocks += 1;
    records += blockRecords;
    at = end;
  }
}

async function readAt(handle: fs.FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  await fill(handle, buffer, at);
  return buffer;
}

async function fill(handle: fs.FileHandle, buffer: Buffer, at: number): Promise<void> {
  for (let filled = 0; filled < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at + filled);
    if (bytesRead === 0) throw new BadSnapshot('it became shorter while it was read');
    filled += bytesRead;
  }
}
