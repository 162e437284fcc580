/**
 * What stands in the topic, of which Kafka keeps the last record of each key.
 *
 * An entry: the record's key is the key, its value the bytes as stored (none for a tombstone, so that compaction ends the
 * key), and its header `v` tells the version. Numbers are little endian.
 *
 *      0      1          9          17              25
 *     +------+----------+----------+---------------+
 *     | 1    | time f64 | origin   | expires at f64|
 *     +------+----------+----------+---------------+
 *
 * A heartbeat: its key is empty, as no key is that is kept. Its value:
 *
 *      0      1          9             17
 *     +------+----------+-------------+
 *     | 1    | origin   | told u64    |     `told`: all changes of this number and below are in the topic
 *     +------+----------+-------------+
 */
import { keyFromBytes } from '../core/key';
import type { KafkaMessage } from '../kafka/client';
import type { VersionedEntry } from './versioned-entry';

const FORMAT = 1;
const VERSION_BYTES = 25;
const HEARTBEAT_BYTES = 17;
const NO_BYTES = Buffer.alloc(0);

export interface Heartbeat {
  readonly origin: string;
  /** The last of its changes that is in the topic with all before it. */
  readonly told: number;
}

export function messageOfEntry(entry: VersionedEntry): KafkaMessage {
  const version = Buffer.alloc(VERSION_BYTES);
  version.writeUInt8(FORMAT, 0);
  version.writeDoubleLE(entry.time, 1);
  version.write(entry.origin, 9, 'hex');
  version.writeDoubleLE(entry.expiresAtMs, 17);
  return { key: Buffer.from(entry.key, 'latin1'), value: entry.bytes, headers: { v: version } };
}

export function messageOfHeartbeat({ origin, told }: Heartbeat): KafkaMessage {
  const value = Buffer.alloc(HEARTBEAT_BYTES);
  value.writeUInt8(FORMAT, 0);
  value.write(origin, 1, 'hex');
  value.writeBigUInt64LE(BigInt(told), 9);
  return { key: NO_BYTES, value, headers: {} };
}

/** undefined: somebody else wrote it, or a later version of this program. Its bytes are a view of the record's. */
export function readMessage({ key, value, headers }: KafkaMessage): VersionedEntry | Heartbeat | undefined {
  if (key.length === 0) return value === undefined ? undefined : readHeartbeat(value);
  const version = headers['v'];
  if (version?.length !== VERSION_BYTES || version[0] !== FORMAT) return undefined;
  const time = version.readDoubleLE(1);
  const expiresAtMs = version.readDoubleLE(17);
  if (!Number.isSafeInteger(time) || time <= 0 || !(expiresAtMs >= 0)) return undefined;
  return { key: keyFromBytes(key), bytes: value, time, origin: version.toString('hex', 9, 17), expiresAtMs };
}

function readHeartbeat(value: Buffer): Heartbeat | undefined {
  if (value.length !== HEARTBEAT_BYTES || value[0] !== FORMAT) return undefined;
  return { origin: value.toString('hex', 1, 9), told: Number(value.readBigUInt64LE(9)) };
}
