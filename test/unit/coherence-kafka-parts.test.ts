import {
  encodeAnnouncement,
  parseAnnouncement,
  type Announcement,
  type Changes,
} from '../../src/coherence/announcement';
import { Doubts } from '../../src/coherence/doubts';
import { LeaseChain } from '../../src/coherence/lease-chain';
import { Outbox, TICK_MS, type AnnouncementWaiter } from '../../src/coherence/outbox';
import { Peers } from '../../src/coherence/peers';
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { createFakeClock } from '../support/fake-clock';

const K = 'k' as Key;
const keysOf = (...texts: string[]): readonly Key[] => texts as Key[];
const SHARD = '0123456789ab';
const LINEAGE = 'f'.repeat(40);
const changesOf = (keys: Changes['keys'], offset = 100, lineage = LINEAGE): Changes => ({
  shard: SHARD,
  keys,
  lineage,
  offset,
});
const withoutOffset = (keys: Changes['keys']): Changes => ({
  shard: SHARD,
  keys,
  lineage: undefined,
  offset: Infinity,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an announcement', () => {
  const announcement: Announcement = {
    origin: '00112233445566ff',
    sentMs: 12_345.678,
    isLast: false,
    changes: [
      changesOf(keysOf('k', '\xff\x00é', 'x'.repeat(70_000))),
      withoutOffset('everything'),
      changesOf([], 2 ** 53 - 1),
    ],
  };

  it('is read as it was written', () => {
    expect(parseAnnouncement(encodeAnnouncement(announcement))).toEqual(announcement);
    const last = { ...announcement, isLast: true, changes: [] };
    expect(parseAnnouncement(encodeAnnouncement(last))).toEqual(last);
  });

  it('that is torn anywhere but between two changes is not understood', () => {
    const small = { ...announcement, changes: [changesOf(keysOf('k', 'key'))] };
    const bytes = encodeAnnouncement(small);
    for (let length = 0; length < bytes.length; length += 1) {
      const parsed = parseAnnouncement(bytes.subarray(0, length));
      expect(length === 21 ? parsed?.changes : parsed).toEqual(length === 21 ? [] : undefined);
    }
  });

  it('of another version, or of something else, is not understood', () => {
    const bytes = encodeAnnouncement(announcement);
    bytes[3] = 2;
    expect(parseAnnouncement(bytes)).toBeUndefined();
    expect(parseAnnouncement(Buffer.from('something else, and long enough'))).toBeUndefined();
  });

  it.each([NaN, -1, -Infinity, 0.5, 1e300])('with the offset %d is not understood', (offset) => {
    const changes = [changesOf([K], offset)];
    const bytes = encodeAnnouncement({ origin: '0123456789abcdef', sentMs: 1, isLast: false, changes });
    expect(parseAnnouncement(bytes)).toBeUndefined();
  });
});

describe('the outbox', () => {
  const createOutbox = (isTaken: () => boolean | Promise<boolean> = () => true) => {
    const clock = createFakeClock();
    const sent: (readonly Changes[])[] = [];
    const send = async (changes: readonly Changes[]): Promise<void> => {
      sent.push(changes);
      if (!(await isTaken())) throw new Error('not taken');
    };
    return { clock, sent, outbox: new Outbox({ clock, send }) };
  };
  const createWaiter = (deadlineMs: number): AnnouncementWaiter & { readonly heard: string[] } => {
    const heard: string[] = [];
    return {
      heard,
      deadlineMs,
      settle: () => heard.push('settled'),
      fail: ({ code, message }) => heard.push(`${code}: ${message}`),
    };
  };

  it('sends the changes of a turn in one record, each key once, with the highest offset', async () => {
    const { clock, sent, outbox } = createOutbox();
    const waiters = [100, 120, 110].map((offset, n) => {
      const waiter = createWaiter(clock.now() + 1000);
      outbox.add(changesOf([K, `k${n}` as Key], offset), waiter);
      return waiter;
    });
    outbox.add(changesOf([K], 7, 'another'));
    outbox.add(changesOf([K], Infinity));
    await turn();
    await turn();
    expect(sent).toEqual([
      [changesOf(['k', 'k0', 'k1', 'k2'] as Key[], 120), changesOf([K], 7, 'another'), withoutOffset([K])],
    ]);
    expect(waiters.map(({ heard }) => heard)).toEqual([['settled'], ['settled'], ['settled']]);
  });

  it('settles nobody before the record is taken, and sends the next one behind it', async () => {
    let take: (isTaken: boolean) => void = () => undefined;
    const { clock, sent, outbox } = createOutbox(() => new Promise((resolve) => (take = resolve)));
    const first = createWaiter(clock.now() + 1000);
    const second = createWaiter(clock.now() + 1000);
    outbox.add(changesOf([K]), first);
    await turn();
    outbox.add(changesOf([K], 200), second);
    await turn();
    await turn();
    expect(first.heard).toEqual([]);
    expect(sent).toHaveLength(1);
    take(true);
    await turn();
    expect([first.heard, second.heard]).toEqual([['settled'], []]);
    expect(sent).toEqual([[changesOf([K])], [changesOf([K], 200)]]);
  });

  it('fails who waits too long as what may stand, and announces the change all the same', async () => {
    let isTaken = false;
    const { clock, sent, outbox } = createOutbox(() => isTaken);
    const waiter = createWaiter(clock.now() + 300);
    outbox.add(changesOf([K]), waiter);
    await turn();
    await turn();
    clock.advance(300 - TICK_MS - 1);
    outbox.tick();
    await turn();
    expect(waiter.heard).toEqual([]);
    clock.advance(2);
    outbox.tick();
    await turn();
    expect(waiter.heard).toEqual([expect.stringMatching(/^unavailable: .*may stand/)]);
    isTaken = true;
    outbox.tick();
    await turn();
    expect(sent.at(-1)).toEqual([changesOf([K])]);
    expect(outbox.isEmpty).toBe(true);
    expect(waiter.heard).toHaveLength(1);
  });

  it('is open for one second from when the last record left that was taken', async () => {
    let isTaken = false;
    const { clock, outbox } = createOutbox(() => isTaken);
    await outbox.flush();
    expect(outbox.isOpen).toBe(false);
    isTaken = true;
    outbox.tick();
    await outbox.flush();
    expect(outbox.isOpen).toBe(true);
    isTaken = false;
    clock.advance(999);
    outbox.tick();
    await outbox.flush();
    expect(outbox.isOpen).toBe(true);
    clock.advance(1);
    expect(outbox.isOpen).toBe(false);
  });

  it('sends an empty record where nothing was sent for a while', async () => {
    const { clock, sent, outbox } = createOutbox();
    outbox.tick();
    await turn();
    clock.advance(199);
    outbox.tick();
    await turn();
    expect(sent).toEqual([[]]);
    clock.advance(1);
    outbox.tick();
    await turn();
    expect(sent).toEqual([[], []]);
  });

  it('announces whole shards where too many keys wait', async () => {
    let isTaken = false;
    const { clock, sent, outbox } = createOutbox(() => isTaken);
    const waiter = createWaiter(clock.now() + 1000);
    outbox.add(changesOf([K]), waiter);
    await turn();
    await turn();
    for (let n = 0; n < 10_000; n += 1) outbox.add(changesOf(keysOf(`${n}`.padEnd(1000)), n));
    isTaken = true;
    outbox.tick();
    for (let n = 0; n < 50; n += 1) await turn();
    const all = sent.flat().filter(({ keys }) => keys === 'everything');
    expect(all).toContainEqual(expect.objectContaining({ shard: SHARD, keys: 'everything' }));
    const kept = sent.map((changes) => encodeAnnouncement({ origin: '', sentMs: 0, isLast: false, changes }));
    expect(Math.max(...kept.map(({ length }) => length))).toBeLessThan(1_000_000);
    expect(sent.flat().reduce((sum, { keys }) => sum + keys.length, 0)).toBeLessThan(9000);
    expect(waiter.heard).toEqual(['settled']);
  });

  it('that is closed ends those who wait, and keeps and sends nothing', async () => {
    const { clock, sent, outbox } = createOutbox(() => false);
    const waiters = [createWaiter(clock.now() + 1000), createWaiter(clock.now() + 1000)];
    outbox.add(changesOf([K]), waiters[0]);
    await turn();
    outbox.close();
    outbox.add(changesOf([K]), waiters[1]);
    outbox.tick();
    await turn();
    await turn();
    expect(waiters.map(({ heard }) => heard.length)).toEqual([1, 1]);
    expect([sent.length, outbox.isEmpty, await outbox.flush()]).toEqual([1, true, false]);
  });

  it('announces the shard in place of keys that Kafka finds too many for one record', async () => {
    const clock = createFakeClock();
    const sent: (readonly Changes[])[] = [];
    const send = (changes: readonly Changes[]): Promise<void> => {
      sent.push(changes);
      const isTooLarge = changes.some(({ keys }) => keys !== 'everything' && keys.length > 1);
      return isTooLarge ? Promise.reject(new CacheError('too_large', 'too large')) : Promise.resolve();
    };
    const outbox = new Outbox({ clock, send });
    const waiter = createWaiter(clock.now() + 1000);
    outbox.add(changesOf(['k', 'k1'] as Key[]), waiter);
    for (let n = 0; n < 4; n += 1) {
      await turn();
      outbox.tick();
    }
    await turn();
    expect(sent).toHaveLength(2);
    expect(sent[1]).toEqual([{ ...changesOf([K]), keys: 'everything' }]);
    expect(waiter.heard).toEqual(['settled']);
  });

  it('announces the shard in place of keys that fill a record by themselves', async () => {
    const { sent, outbox } = createOutbox();
    outbox.add(changesOf(Array.from({ length: 400 }, (_, n) => `${n}`.padEnd(1000) as Key)));
    await turn();
    expect(sent).toEqual([[changesOf('everything')]]);
  });
});

describe('the leases of a chain', () => {
  const data = undefined as never;

  const createChain = () => {
    const clock = createFakeClock();
    const chain = new LeaseChain(clock);
    const feed = chain.createFeed();
    feed.connected(data);
    return { clock, chain, feed };
  };

  it('end one second after the record left that has come back', () => {
    const { clock, chain, feed } = createChain();
    const sentMs = clock.now();
    clock.advance(30);
    chain.extend(sentMs);
    feed.confirm(clock.now());
    expect(feed.lease?.endsMs).toBe(sentMs + 1000);
    clock.advance(200);
    chain.extend(sentMs + 200);
    expect(feed.lease?.endsMs).toBe(sentMs + 1200);
    chain.extend(sentMs);
    expect(feed.lease?.endsMs).toBe(sentMs + 1200);
  });

  it('begin when the first record has come back, not before', () => {
    const { clock, chain, feed } = createChain();
    feed.confirm(clock.now());
    expect(feed.lease).toBeUndefined();
    clock.advance(50);
    chain.extend(clock.now() - 10);
    // What was announced before that was not heard, so the node must have it.
    feed.confirm(clock.now() - 1);
    expect(feed.lease).toBeUndefined();
    feed.confirm(clock.now());
    expect(feed.lease).toBeDefined();
  });

  it('begin anew behind a gap only when the node has all that was acked before it', () => {
    const { clock, chain, feed } = createChain();
    chain.extend(clock.now());
    feed.confirm(clock.now());
    const before = feed.lease;
    clock.advance(100);
    chain.gap();
    expect(before?.endsMs).toBe(-Infinity);
    feed.confirm(clock.now() - 1);
    expect(feed.lease).toBeUndefined();
    feed.confirm(clock.now());
    expect(feed.lease?.endsMs).toBeGreaterThan(clock.now());
    chain.extend(clock.now());
    expect(before?.endsMs).toBe(-Infinity);
  });

  it('end with the data connection', () => {
    const { clock, chain, feed } = createChain();
    chain.extend(clock.now());
    feed.confirm(clock.now());
    const { lease } = feed;
    feed.lost();
    expect(lease?.endsMs).toBe(-Infinity);
    feed.confirm(clock.now());
    expect(feed.lease).toBeUndefined();
    feed.connected(data);
    feed.confirm(clock.now());
    expect(feed.lease).toBeDefined();
  });

  it('of one node end without those of the others', () => {
    const { clock, chain, feed } = createChain();
    const other = chain.createFeed();
    other.connected(data);
    chain.extend(clock.now());
    feed.confirm(clock.now());
    other.confirm(clock.now());
    feed.close();
    chain.extend(clock.now() + 1);
    expect(feed.lease).toBeUndefined();
    expect(other.lease?.endsMs).toBe(clock.now() + 1001);
  });
});

describe('a peer', () => {
  const beats = (peers: Peers, count: number, fromMs = 0): string[] =>
    Array.from({ length: count }, (_, n) => peers.beat(fromMs + n * 200)).flat();

  it('that goes without a word is missed after three seconds of records of our own', () => {
    const peers = new Peers();
    peers.heard('a');
    expect(beats(peers, 15)).toEqual([]);
    expect(beats(peers, 1, 3000)).toEqual(['a']);
    expect(beats(peers, 30, 3200)).toEqual([]);
  });

  it('that says goodbye, or is heard again, is not missed', () => {
    const peers = new Peers();
    peers.heard('a');
    peers.heard('b');
    peers.left('a');
    expect(beats(peers, 10)).toEqual([]);
    peers.heard('b');
    expect(beats(peers, 15, 2000)).toEqual([]);
    expect(peers.size).toBe(1);
  });

  it('is not missed because many records leave, nor because none did for long', () => {
    const peers = new Peers();
    peers.heard('a');
    for (let n = 0; n < 1000; n += 1) expect(peers.beat(n)).toEqual([]);
    expect(peers.beat(100_000)).toEqual([]);
  });
});

describe('what is in doubt', () => {
  it('is announced again with growing pauses, for two minutes', () => {
    const clock = createFakeClock();
    const doubts = new Doubts(clock);
    doubts.add({ shard: SHARD, keys: [K] });
    const startedMs = clock.now();
    const told: number[] = [];
    for (let n = 0; n < 1000 && !doubts.isEmpty; n += 1) {
      clock.advance(500);
      for (const doubt of doubts.takeDue()) {
        expect(doubt).toEqual({ shard: SHARD, keys: [K] });
        told.push((clock.now() - startedMs) / 1000);
      }
    }
    expect(told).toEqual([1, 3, 7, 15, 31, 63, 127]);
  });

  it('is the whole shard where it is too many keys', () => {
    const clock = createFakeClock();
    const doubts = new Doubts(clock, 2);
    doubts.add({ shard: SHARD, keys: ['a', 'b'] as Key[] });
    doubts.add({ shard: SHARD, keys: ['c'] as Key[] });
    clock.advance(1000);
    expect(doubts.takeDue()).toEqual([{ shard: SHARD, keys: 'everything' }]);
  });

  it('is the whole shard each second where too many keys come all the time', () => {
    const clock = createFakeClock();
    const doubts = new Doubts(clock, 2);
    let told = 0;
    for (let n = 0; n < 100; n += 1) {
      doubts.add({ shard: SHARD, keys: [1, 2, 3].map((each) => `${n} ${each}` as Key) });
      clock.advance(100);
      told += doubts.takeDue().filter(({ keys }) => keys === 'everything').length;
    }
    expect(told).toBeGreaterThanOrEqual(8);
  });
});
