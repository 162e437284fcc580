/**
 * The records in what a broker answers to a FETCH. Read here, and not by kafkajs, for two reasons: an emptied batch of a
 * compacted topic must move the reader on, and a million records are to be read in seconds.
 *
 *     batch  = first offset:int64 length:int32 leader epoch:int32 magic:int8 crc:int32 attributes:int16
 *              last offset's distance:int32 first time:int64 last time:int64 producer:int64 its epoch:int16
 *              first sequence:int32 count:int32 record*          (compressed, where the attributes say so)
 *     record = length attributes:int8 time's distance offset's distance key value header*
 *
 * and around the batches, in version 4 of the request, for the one partition that was asked for:
 *
 *     answer = throttled:int32 1:int32 topic:string 1:int32 partition:int32 error:int16 high watermark:int64
 *              last stable offset:int64 aborted:int32 (producer:int64 offset:int64)* size:int32 batch*
 *
 * Numbers without a size are zigzag varints; key, value and a header's value are a length, -1 for none, and bytes. The last
 * batch may be cut off anywhere. Source: Kafka's implementation notes, "Message Format", magic 2.
 */
import { BrokerRefusal } from './protocol';

const HEAD_BYTES = 61;
/** Before what a batch's length counts. */
const LENGTH_END = 12;
/** As far as this all formats are alike. */
const MAGIC_END = 17;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const CONTROL = 0x20;

export interface KafkaMessage {
  readonly key: Buffer;
  /** undefined: a tombstone, which ends the key in a compacted topic. */
  readonly value: Buffer | undefined;
  readonly headers: Readonly<Record<string, Buffer>>;
}

/** Its buffers are views of a larger block: whoever keeps one, copies it. */
export interface KafkaRecord extends KafkaMessage {
  readonly offset: number;
  /** When the broker took it, on the broker's wall clock; when it was sent, where the topic keeps that instead. */
  readonly appendedMs: number;
}

export interface RecordPage {
  readonly records: readonly KafkaRecord[];
  /** What to fetch next. */
  readonly nextOffset: number;
}

/** The batches in an answer to a FETCH. @throws BrokerRefusal */
export function readFetchAnswer(body: Buffer): { batches: Buffer; highWatermark: number } {
  const topicAt = 8;
  const partitionAt = topicAt + 2 + body.readInt16BE(topicAt) + 4;
  const code = body.readInt16BE(partitionAt + 4);
  if (code !== 0) throw new BrokerRefusal(code);
  const highWatermark = Number(body.readBigInt64BE(partitionAt + 6));
  const abortedAt = partitionAt + 22;
  const sizeAt = abortedAt + 4 + 16 * Math.max(0, body.readInt32BE(abortedAt));
  const start = sizeAt + 4;
  return { batches: body.subarray(start, start + Math.max(0, body.readInt32BE(sizeAt))), highWatermark };
}

/**
 * All records from `fromOffset` on; their buffers are views of `bytes`. What others control transactions with is left out.
 * @throws Error where it is no batch of that format
 */
export async function readRecordBatches(
  bytes: Buffer,
  fromOffset: number,
  decompress: (attributes: number, bytes: Buffer) => Promise<Buffer>,
): Promise<RecordPage> {
  const records: KafkaRecord[] = [];
  let nextOffset = fromOffset;
  for (let at = 0; at + MAGIC_END <= bytes.length;) {
    if (bytes.readInt8(at + 16) !== 2) throw new Error('a record batch is of an old format');
    const end = at + LENGTH_END + bytes.readInt32BE(at + 8);
    if (end < at + HEAD_BYTES) throw new Error('a record batch has an impossible length');
    if (end > bytes.length) break;
    const firstOffset = Number(bytes.readBigInt64BE(at));
    const attributes = bytes.readInt16BE(at + 21);
    if ((attributes & CONTROL) === 0) {
      const body = bytes.subarray(at + HEAD_BYTES, end);
      const isCompressed = (attributes & COMPRESSION_MASK) !== 0;
      readRecords(isCompressed ? await decompress(attributes, body) : body, {
        count: bytes.readInt32BE(at + 57),
        firstOffset,
        fromOffset,
        firstMs: Number(bytes.readBigInt64BE(at + 27)),
        appendedMs: attributes & LOG_APPEND_TIME ? Number(bytes.readBigInt64BE(at + 35)) : undefined,
        into: records,
      });
    }
    nextOffset = Math.max(nextOffset, firstOffset + bytes.readInt32BE(at + 23) + 1);
    at = end;
  }
  return { records, nextOffset };
}

interface BatchContext {
  readonly count: number;
  readonly firstOffset: number;
  readonly fromOffset: number;
  readonly firstMs: number;
  /** Of all records of the batch; undefined: each has the time that it was sent with. */
  readonly appendedMs: number | undefined;
  readonly into: KafkaRecord[];
}

function readRecords(bytes: Buffer, batch: BatchContext): void {
  const reader = new Reader(bytes);
  for (let index = 0; index < batch.count; index += 1) {
    const length = reader.varint();
    const end = reader.at + length;
    if (end > bytes.length) throw new Error('a record ends too late');
    reader.at += 1;
    const sentMs = batch.firstMs + reader.varint();
    const offset = batch.firstOffset + reader.varint();
    const key = reader.bytes() ?? EMPTY;
    const value = reader.bytes();
    const headers = Object.create(null) as Record<string, Buffer>;
    for (let left = reader.varint(); left > 0; left -= 1) {
      const name = reader.bytes()?.toString('latin1') ?? '';
      headers[name] = reader.bytes() ?? EMPTY;
    }
    if (reader.at > end) throw new Error('a record is longer than it says');
    reader.at = end;
    if (offset < batch.fromOffset) continue;
    batch.into.push({ offset, appendedMs: batch.appendedMs ?? sentMs, key, value, headers });
  }
}

const EMPTY = Buffer.alloc(0);

class Reader {
  at = 0;
  constructor(readonly buffer: Buffer) {}

  /** Zigzag; by multiplication, since a time's distance may have more than 32 bits. */
  varint(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.buffer[this.at];
      if (byte === undefined || unit > 2 ** 49) throw new Error('a record ends too early');
      this.at += 1;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Buffer | undefined {
    const length = this.varint();
    if (length < 0) return undefined;
    const start = this.at;
    this.at += length;
    if (this.at > this.buffer.length) throw new Error('a record ends too early');
    return this.buffer.subarray(start, this.at);
  }
}
