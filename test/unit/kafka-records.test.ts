/** What stands in a topic, byte for byte: batches as a broker gives them, and the entries and heartbeats in their records. */
import { gzipSync, gunzipSync } from 'node:zlib';
import { keyFromText } from '../../src/core/key';
import { refusalOf } from '../../src/kafka/protocol';
import { readFetchAnswer, readRecordBatches } from '../../src/kafka/record-batches';
import { messageOfEntry, messageOfHeartbeat, readMessage } from '../../src/replication/kafka-records';
import { timeOf } from '../../src/replication/version';

const zigzag = (value: number): number[] => {
  let rest = value < 0 ? -value * 2 - 1 : value * 2;
  const bytes: number[] = [];
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
};
const sized = (bytes: Buffer | undefined): Buffer =>
  bytes === undefined ? Buffer.from(zigzag(-1)) : Buffer.concat([Buffer.from(zigzag(bytes.length)), bytes]);

function record(offsetDelta: number, key: string, value: string | undefined, timeDelta = 0): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, ...zigzag(timeDelta), ...zigzag(offsetDelta)]),
    sized(Buffer.from(key)),
    sized(value === undefined ? undefined : Buffer.from(value)),
    Buffer.from(zigzag(1)),
    sized(Buffer.from('v')),
    sized(Buffer.from([7])),
  ]);
  return sized(body);
}

function batch(firstOffset: number, lastDelta: number, attributes: number, ...records: Buffer[]): Buffer {
  let body = Buffer.concat(records);
  if ((attributes & 7) === 1) body = gzipSync(body);
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(firstOffset), 0);
  head.writeInt32BE(49 + body.length, 8);
  head.writeInt8(2, 16);
  head.writeInt16BE(attributes, 21);
  head.writeInt32BE(lastDelta, 23);
  head.writeBigInt64BE(1_000_000_000_000n, 27);
  head.writeBigInt64BE(2_000_000_000_000n, 35);
  head.writeInt32BE(records.length, 57);
  return Buffer.concat([head, body]);
}

const gunzip = (_attributes: number, bytes: Buffer): Promise<Buffer> => Promise.resolve(gunzipSync(bytes));
const read = (bytes: Buffer, from = 0) => readRecordBatches(bytes, from, gunzip);

describe('record batches', () => {
  it('records have their offsets, times, keys, values and headers', async () => {
    const bytes = Buffer.concat([
      batch(5, 1, 0, record(0, 'a', 'A', 3), record(1, 'b', undefined, 2 ** 40)),
      batch(9, 0, 8, record(0, '', '')),
    ]);
    const { records, nextOffset } = await read(bytes, 5);
    expect(records.map(({ offset, appendedMs }) => [offset, appendedMs])).toEqual([
      [5, 1_000_000_000_003],
      [6, 1_000_000_000_000 + 2 ** 40],
      [9, 2_000_000_000_000],
    ]);
    expect(records.map(({ key, value }) => [key.toString(), value?.toString()])).toEqual([
      ['a', 'A'],
      ['b', undefined],
      ['', ''],
    ]);
    expect(records[0]!.headers['v']).toEqual(Buffer.from([7]));
    expect(nextOffset).toBe(10);
  });

  it('a batch that compaction has emptied, in part or wholly, moves the reader on', async () => {
    expect(await read(batch(3, 6, 0), 3)).toEqual({ records: [], nextOffset: 10 });
    const { records, nextOffset } = await read(batch(3, 6, 0, record(1, 'old', 'x'), record(2, 'k', 'v')), 5);
    expect(records.map(({ offset }) => offset)).toEqual([5]);
    expect(nextOffset).toBe(10);
  });

  it('a batch that is cut off anywhere is left for the next answer', async () => {
    const whole = batch(0, 0, 0, record(0, 'a', 'A'));
    const bytes = Buffer.concat([whole, batch(1, 0, 0, record(0, 'b', 'B'))]);
    for (let length = whole.length; length < bytes.length; length += 1) {
      const { records, nextOffset } = await read(bytes.subarray(0, length));
      expect([records.length, nextOffset]).toEqual([1, 1]);
    }
  });

  it('compressed records are read, and what controls transactions is passed over', async () => {
    const bytes = Buffer.concat([
      batch(0, 0, 1, record(0, 'a', 'A')),
      batch(1, 0, 0x20, record(0, 'control', 'x')),
    ]);
    const { records, nextOffset } = await read(bytes);
    expect(records.map(({ key }) => key.toString())).toEqual(['a']);
    expect(nextOffset).toBe(2);
  });

  it('a record whose lengths are wrong is an error, not a record', async () => {
    const bytes = batch(0, 0, 0, record(0, 'a', 'A'));
    for (let at = 61; at < bytes.length; at += 1) {
      const broken = Buffer.from(bytes);
      broken[at] = 0xff;
      const outcome = await read(broken).catch((error: unknown) => error);
      expect(outcome instanceof Error || 'records' in (outcome as object)).toBe(true);
    }
    await expect(read(batch(0, 0, 0, Buffer.from([200, 1])))).rejects.toThrow('ends too late');
  });

  it('an answer gives its batches and the high watermark, or the refusal', () => {
    const answer = (code: number): Buffer => {
      const head = Buffer.alloc(8 + 2 + 3 + 4 + 4 + 2 + 16 + 4 + 16 + 4);
      head.writeInt32BE(1, 4);
      head.writeInt16BE(3, 8);
      head.write('top', 10);
      head.writeInt16BE(code, 21);
      head.writeBigInt64BE(42n, 23);
      head.writeInt32BE(1, 39);
      head.writeInt32BE(2, 59);
      return Buffer.concat([head, Buffer.from('ab')]);
    };
    expect(readFetchAnswer(answer(0))).toEqual({ batches: Buffer.from('ab'), highWatermark: 42 });
    expect.assertions(2);
    try {
      readFetchAnswer(answer(1));
    } catch (cause) {
      expect(refusalOf(cause)).toBe(1);
    }
  });
});

describe('entries and heartbeats', () => {
  const entry = {
    key: keyFromText('schlüssel'),
    bytes: Buffer.from([0, 255]),
    time: timeOf(Date.UTC(2031, 1, 1)) + 17,
    origin: '00ff00ff00ff00ff',
    expiresAtMs: 1_900_000_000_000.5,
  };

  it('an entry comes back as it was, also a tombstone and one without an end', () => {
    for (const each of [entry, { ...entry, bytes: undefined }, { ...entry, expiresAtMs: Infinity }]) {
      expect(readMessage(messageOfEntry(each))).toEqual(each);
    }
    expect(messageOfEntry(entry).value).toBe(entry.bytes);
  });

  it('a heartbeat comes back as it was, and has the key that no entry has', () => {
    const beat = { origin: entry.origin, told: 2 ** 50 };
    expect(messageOfHeartbeat(beat).key.length).toBe(0);
    expect(readMessage(messageOfHeartbeat(beat))).toEqual(beat);
  });

  it('what is of another form is nothing', () => {
    const message = messageOfEntry(entry);
    const version = message.headers['v']!;
    const changed = (change: (bytes: Buffer) => void) => {
      const v = Buffer.from(version);
      change(v);
      return readMessage({ ...message, headers: { v } });
    };
    expect(readMessage({ ...message, headers: {} })).toBeUndefined();
    expect(readMessage({ ...message, headers: { v: version.subarray(1) } })).toBeUndefined();
    expect(changed((v) => v.writeUInt8(2, 0))).toBeUndefined();
    expect(changed((v) => v.writeDoubleLE(NaN, 1))).toBeUndefined();
    expect(changed((v) => v.writeDoubleLE(-1, 1))).toBeUndefined();
    expect(changed((v) => v.writeDoubleLE(NaN, 17))).toBeUndefined();
    expect(readMessage({ key: Buffer.alloc(0), value: undefined, headers: {} })).toBeUndefined();
    expect(readMessage({ key: Buffer.alloc(0), value: Buffer.alloc(3), headers: {} })).toBeUndefined();
  });
});
