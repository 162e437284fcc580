import type { Key } from '../../src/core/command';
import { encodeMessage, isEntriesOf, parseMessage, type Message } from '../../src/replication/messages';
import { MalformedMessage, type VersionedEntry } from '../../src/replication/versioned-entry';

const ORIGIN = '0123456789abcdef';
const OTHER = 'fedcba9876543210';
const entry: VersionedEntry = {
  key: 'k\xff' as Key,
  bytes: Buffer.from('value'),
  time: 2 ** 49 + 1,
  origin: OTHER,
  expiresAtMs: Infinity,
};
const vector = [
  { origin: ORIGIN, seq: 2 ** 40, ageMs: 0 },
  { origin: OTHER, seq: 1, ageMs: 3600_000 },
];
const samples: readonly Message[] = [
  { type: 'entries', seq: 2 ** 47, wantsAck: true, entries: [entry, { ...entry, bytes: undefined }] },
  { type: 'entries', seq: 1, wantsAck: false, entries: [] },
  {
    ...{ type: 'heartbeat', number: 2 ** 32 - 1, isCaughtUp: true, wantsAnswer: false, horizon: 2 ** 50 },
    ...{ epoch: 30_000_000, rootDigest: '00ff00ff00ff00ff', vector },
  },
  {
    ...{ type: 'heartbeat', number: 1, isCaughtUp: false, wantsAnswer: true, horizon: 0 },
    ...{ epoch: 0, rootDigest: '0000000000000000', vector: [] },
  },
  { type: 'ack', seq: 7 },
  { type: 'barrier', number: 2 ** 32 },
  { type: 'digestRequest', request: 3, isCaughtUp: true },
  { type: 'digest', request: 3, isCaughtUp: false, horizon: 5, vector, digest: Buffer.alloc(32_768, 7) },
  {
    type: 'entriesRequest',
    request: 4,
    buckets: [
      { bucket: 4095, fingerprints: Buffer.alloc(24, 1) },
      { bucket: 0, fingerprints: Buffer.alloc(0) },
    ],
  },
  { type: 'entriesReply', request: 4, done: 2, entries: [entry] },
];

describe('messages between gateways', () => {
  test.each(samples)('$type is read as it was written', (message) => {
    expect(parseMessage(encodeMessage(ORIGIN, message))).toEqual({ origin: ORIGIN, ...message });
  });

  test.each(samples.filter(({ type }) => type !== 'digest'))(
    'a torn $type is refused, wherever it is torn',
    (message) => {
      const bytes = encodeMessage(ORIGIN, message);
      for (let length = 0; length < bytes.length; length += 1) {
        const torn = bytes.subarray(0, length);
        // Lists that end with the message may end between two of their parts.
        try {
          expect(parseMessage(torn).type).toBe(message.type);
          expect(['entries', 'entriesReply', 'entriesRequest']).toContain(message.type);
        } catch (failure) {
          expect(failure).toBeInstanceOf(MalformedMessage);
        }
      }
    },
  );

  test('what has something behind its end, another version, another type or no number is refused', () => {
    const bytes = encodeMessage(ORIGIN, { type: 'ack', seq: 7 });
    const altered = (at: number, byte: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[at] = byte;
      return copy;
    };
    expect(() => parseMessage(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(MalformedMessage);
    expect(() => parseMessage(altered(0, 0))).toThrow(/not of a gateway/);
    expect(() => parseMessage(altered(4, 2))).toThrow(/version 2/);
    expect(() => parseMessage(altered(5, 99))).toThrow(/type 99/);
    expect(() => parseMessage(altered(14, 0))).toThrow(/without a number/);
  });

  test('a question for more buckets than there are is refused, and a digest that has not all of them', () => {
    const bucket = { bucket: 0, fingerprints: Buffer.alloc(0) };
    const asking = (count: number): Buffer =>
      encodeMessage(ORIGIN, { type: 'entriesRequest', request: 1, buckets: Array(count).fill(bucket) });
    expect(parseMessage(asking(4096)).type).toBe('entriesRequest');
    expect(() => parseMessage(asking(4097))).toThrow(MalformedMessage);
    for (const length of [0, 32_760, 32_776]) {
      const digest = Buffer.alloc(length);
      const message = { type: 'digest', request: 1, isCaughtUp: true, horizon: 0, vector, digest } as const;
      expect(() => parseMessage(encodeMessage(ORIGIN, message))).toThrow(MalformedMessage);
    }
  });

  test('bytes of a stranger are refused, or are a message, and nothing else happens', () => {
    for (let seed = 1; seed < 3000; seed += 1) {
      const sample = samples[seed % samples.length];
      if (sample === undefined) continue;
      const bytes = encodeMessage(ORIGIN, sample).subarray(0, 400);
      bytes[(seed * 7919) % bytes.length] = (seed * 31) % 256;
      try {
        parseMessage(bytes);
      } catch (failure) {
        expect(failure).toBeInstanceOf(MalformedMessage);
      }
    }
  });

  test('ENTRIES of an origin are told without being read', () => {
    const [entries, , heartbeat] = samples.map((message) => encodeMessage(ORIGIN, message));
    const id = Buffer.from(ORIGIN, 'hex');
    expect(entries && isEntriesOf(id, entries)).toBe(true);
    expect(heartbeat && isEntriesOf(id, heartbeat)).toBe(false);
    expect(entries && isEntriesOf(Buffer.from(OTHER, 'hex'), entries)).toBe(false);
  });
});
