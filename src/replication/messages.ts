/**
 * What gateways say to each other over Redis Pub/Sub, and its bytes. Numbers are little endian; `u48` holds every sequence
 * number, `f64` is an IEEE double.
 *
 *    0        4         5      6          14
 *   +--------+---------+------+----------+- - - - -
 *   | "RCRL" | version | type | origin   | the rest
 *   | magic  | u8: 1   | u8   | 8 bytes  |
 *   +--------+---------+------+----------+- - - - -
 *
 *   ENTRIES          1   seq u48, flags u8 (1: an ACK is wanted), entries (`versioned-entry.ts`)
 *   HEARTBEAT        2   number u32, flags u8 (1: caught up, 2: answer with yours at once), horizon f64, epoch f64,
 *                        root digest 8 bytes, vector
 *   ACK              3   seq u48
 *   BARRIER          4   number u48
 *   DIGEST_REQUEST   5   request u32, flags u8 (1: caught up)
 *   DIGEST           6   request u32, flags u8 (1: caught up), horizon f64, vector, digest to the end
 *   ENTRIES_REQUEST  7   request u32, then for each bucket: bucket u16, count u32, so many fingerprints of 8 bytes
 *   ENTRIES_REPLY    8   request u32, done u16, entries
 *
 *   vector: count u16, then for each origin: origin 8 bytes, seq u48, age in seconds u32
 *
 * ENTRIES and HEARTBEAT go to everybody, the others to one gateway's own channel. Who speaks another version is not
 * understood, and what is not in this form as a whole is not looked at.
 */
import { BUCKETS, FINGERPRINT_BYTES } from './bucket-digest';
import type { Vector } from './origins';
import { MessageReader, MessageWriter, ORIGIN_BYTES, vectorSize } from './message-bytes';
import { ENTRY_BYTES_MAX, encodedSize, MalformedMessage, type VersionedEntry } from './versioned-entry';

/** Of one message; a single entry that is larger travels alone. */
export const MESSAGE_BYTES = 128 * 1024;
/** What is longer is no message of ours. */
const MESSAGE_BYTES_MAX = MESSAGE_BYTES + ENTRY_BYTES_MAX;

const MAGIC = Buffer.from('RCRL', 'latin1');
const VERSION = 1;
const HEAD_BYTES = 14;
const ROOT_BYTES = 8;

/** Everything but the entries of a message; what is left for those. */
export const ENTRIES_BYTES_MAX = MESSAGE_BYTES - 64;

const TYPES = {
  entries: 1,
  heartbeat: 2,
  ack: 3,
  barrier: 4,
  digestRequest: 5,
  digest: 6,
  entriesRequest: 7,
  entriesReply: 8,
} as const;

/** What is asked of one bucket: what its owner has beside these. */
export interface KnownBucket {
  readonly bucket: number;
  readonly fingerprints: Buffer;
}

export type Message =
  | {
      readonly type: 'entries';
      readonly seq: number;
      readonly wantsAck: boolean;
      readonly entries: readonly VersionedEntry[];
    }
  | {
      readonly type: 'heartbeat';
      readonly number: number;
      readonly isCaughtUp: boolean;
      readonly wantsAnswer: boolean;
      readonly horizon: number;
      readonly epoch: number;
      /** 16 hex digits. */
      readonly rootDigest: string;
      readonly vector: Vector;
    }
  | { readonly type: 'ack'; readonly seq: number }
  | { readonly type: 'barrier'; readonly number: number }
  | { readonly type: 'digestRequest'; readonly request: number; readonly isCaughtUp: boolean }
  | {
      readonly type: 'digest';
      readonly request: number;
      readonly isCaughtUp: boolean;
      readonly horizon: number;
      readonly vector: Vector;
      readonly digest: Buffer;
    }
  | { readonly type: 'entriesRequest'; readonly request: number; readonly buckets: readonly KnownBucket[] }
  | {
      readonly type: 'entriesReply';
      readonly request: number;
      /** So many of the buckets that were asked for, from the first, have been answered to the end. */
      readonly done: number;
      readonly entries: readonly VersionedEntry[];
    };

export type Received = Message & { readonly origin: string };

export function encodeMessage(origin: string, message: Message): Buffer {
  const writer = new MessageWriter(HEAD_BYTES + bodySize(message));
  writer.bytes(MAGIC);
  writer.uint(VERSION, 1);
  writer.uint(TYPES[message.type], 1);
  writer.hex(origin);
  switch (message.type) {
    case 'entries':
      writer.uint(message.seq, 6);
      writer.uint(message.wantsAck ? 1 : 0, 1);
      writer.entries(message.entries);
      break;
    case 'heartbeat':
      writer.uint(message.number, 4);
      writer.uint((message.isCaughtUp ? 1 : 0) + (message.wantsAnswer ? 2 : 0), 1);
      writer.double(message.horizon);
      writer.double(message.epoch);
      writer.hex(message.rootDigest);
      writer.vector(message.vector);
      break;
    case 'ack':
      writer.uint(message.seq, 6);
      break;
    case 'barrier':
      writer.uint(message.number, 6);
      break;
    case 'digestRequest':
      writer.uint(message.request, 4);
      writer.uint(message.isCaughtUp ? 1 : 0, 1);
      break;
    case 'digest':
      writer.uint(message.request, 4);
      writer.uint(message.isCaughtUp ? 1 : 0, 1);
      writer.double(message.horizon);
      writer.vector(message.vector);
      writer.bytes(message.digest);
      break;
    case 'entriesRequest':
      writer.uint(message.request, 4);
      for (const { bucket, fingerprints } of message.buckets) {
        writer.uint(bucket, 2);
        writer.uint(fingerprints.length / FINGERPRINT_BYTES, 4);
        writer.bytes(fingerprints);
      }
      break;
    case 'entriesReply':
      writer.uint(message.request, 4);
      writer.uint(message.done, 2);
      writer.entries(message.entries);
      break;
  }
  return writer.buffer;
}

/** Whether it looks like ENTRIES of this origin (as 8 bytes): one's own come back, and are not worth reading. */
export function isEntriesOf(origin: Buffer, bytes: Buffer): boolean {
  return (
    bytes.length > HEAD_BYTES &&
    bytes[5] === TYPES.entries &&
    bytes.compare(origin, 0, ORIGIN_BYTES, HEAD_BYTES - ORIGIN_BYTES, HEAD_BYTES) === 0
  );
}

/** @throws MalformedMessage when it is none in the form above */
export function parseMessage(bytes: Buffer): Received {
  if (bytes.length < HEAD_BYTES || bytes.length > MESSAGE_BYTES_MAX) {
    throw new MalformedMessage('of a length that no message has');
  }
  const reader = new MessageReader(bytes);
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw new MalformedMessage('not of a gateway');
  const version = reader.uint(1);
  if (version !== VERSION) throw new MalformedMessage(`of version ${String(version)}`);
  const type = reader.uint(1);
  const origin = reader.hex(ORIGIN_BYTES);
  const message = { origin, ...parseBody(type, reader) };
  reader.end();
  return message;
}

function parseBody(type: number, reader: MessageReader): Message {
  switch (type) {
    case TYPES.entries: {
      const seq = reader.seq();
      return { type: 'entries', seq, wantsAck: (reader.uint(1) & 1) !== 0, entries: reader.entries() };
    }
    case TYPES.heartbeat: {
      const number = reader.uint(4);
      const flags = reader.uint(1);
      return {
        type: 'heartbeat',
        number,
        isCaughtUp: (flags & 1) !== 0,
        wantsAnswer: (flags & 2) !== 0,
        horizon: reader.time(),
        epoch: reader.time(),
        rootDigest: reader.hex(ROOT_BYTES),
        vector: reader.vector(),
      };
    }
    case TYPES.ack:
      return { type: 'ack', seq: reader.seq() };
    case TYPES.barrier:
      return { type: 'barrier', number: reader.uint(6) };
    case TYPES.digestRequest:
      return { type: 'digestRequest', request: reader.uint(4), isCaughtUp: (reader.uint(1) & 1) !== 0 };
    case TYPES.digest: {
      const request = reader.uint(4);
      const isCaughtUp = (reader.uint(1) & 1) !== 0;
      const horizon = reader.time();
      const vector = reader.vector();
      const digest = reader.rest();
      if (digest.length !== BUCKETS * FINGERPRINT_BYTES) throw new MalformedMessage('not with all buckets');
      return { type: 'digest', request, isCaughtUp, horizon, vector, digest };
    }
    case TYPES.entriesRequest: {
      const request = reader.uint(4);
      const buckets: KnownBucket[] = [];
      while (!reader.isAtEnd) {
        if (buckets.length === BUCKETS) throw new MalformedMessage('with more buckets than there are');
        const bucket = reader.uint(2);
        buckets.push({ bucket, fingerprints: reader.bytes(reader.uint(4) * FINGERPRINT_BYTES) });
      }
      return { type: 'entriesRequest', request, buckets };
    }
    case TYPES.entriesReply: {
      const request = reader.uint(4);
      return { type: 'entriesReply', request, done: reader.uint(2), entries: reader.entries() };
    }
    default:
      throw new MalformedMessage(`of type ${String(type)}`);
  }
}

function bodySize(message: Message): number {
  switch (message.type) {
    case 'entries':
      return 7 + entriesSize(message.entries);
    case 'heartbeat':
      return 21 + ROOT_BYTES + vectorSize(message.vector);
    case 'ack':
    case 'barrier':
      return 6;
    case 'digestRequest':
      return 5;
    case 'digest':
      return 13 + vectorSize(message.vector) + message.digest.length;
    case 'entriesRequest':
      return message.buckets.reduce((size, { fingerprints }) => size + 6 + fingerprints.length, 4);
    case 'entriesReply':
      return 6 + entriesSize(message.entries);
  }
}

function entriesSize(entries: readonly VersionedEntry[]): number {
  return entries.reduce((size, entry) => size + encodedSize(entry), 0);
}
