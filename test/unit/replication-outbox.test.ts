import type { Key } from '../../src/core/command';
import type { CacheError } from '../../src/core/errors';
import { MESSAGE_BYTES, parseMessage } from '../../src/replication/messages';
import { Origins } from '../../src/replication/origins';
import { Outbox } from '../../src/replication/outbox';
import type { PublisherState } from '../../src/replication/pubsub-link';
import type { VersionedEntry } from '../../src/replication/versioned-entry';
import { createFakeClock, type FakeClock } from '../support/fake-clock';

const ID = 'ab'.repeat(8);

describe('the outbox', () => {
  let clock: FakeClock;
  let origins: Origins;
  let state: PublisherState;
  let published: { bytes: Buffer; take: () => void; lose: () => void }[];
  let outbox: Outbox;

  beforeEach(() => {
    clock = createFakeClock();
    origins = new Origins();
    state = 'up';
    published = [];
    outbox = new Outbox({
      ...{ id: ID, clock, origins },
      publisher: () => state,
      publish: (bytes) =>
        new Promise((resolve, reject) => {
          published.push({ bytes, take: () => resolve(1), lose: () => reject(new Error('lost')) });
        }),
    });
  });

  function entry(key: string, bytes = 10): VersionedEntry {
    return { key: key as Key, bytes: Buffer.alloc(bytes), time: 1, origin: ID, expiresAtMs: Infinity };
  }
  /** The numbers of those that are through so far. */
  function announce(
    entries: VersionedEntry[],
    deadlineMs = Infinity,
    wantsAck = false,
  ): { through?: number; code?: string } {
    const announced: { through?: number; code?: string } = {};
    outbox.announce(entries, { wantsAck, deadlineMs }).then(
      (seq) => {
        announced.through = seq;
      },
      (error: unknown) => {
        announced.code = (error as CacheError).code;
      },
    );
    return announced;
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const sent = (): { seq: number; keys: string[]; wantsAck: boolean }[] =>
    published.map(({ bytes }) => {
      const message = parseMessage(bytes);
      if (message.type !== 'entries') throw new Error('not entries');
      return { seq: message.seq, keys: message.entries.map(({ key }) => key), wantsAck: message.wantsAck };
    });

  test('one turn is one message, and is through when the bus has taken it', async () => {
    const [first, second] = [announce([entry('a')]), announce([entry('b')], Infinity, true)];
    await turn();
    expect(sent()).toEqual([{ seq: 1, keys: ['a', 'b'], wantsAck: true }]);
    expect(origins.reachedOf(ID)).toBe(1);
    await turn();
    expect([first.through, second.through]).toEqual([undefined, undefined]);
    published[0]?.take();
    await turn();
    expect([first.through, second.through]).toEqual([1, 1]);
  });

  test('what is too much for one message is cut, in order, and an announcement has the number of its last part', async () => {
    const large = announce(['a', 'b', 'c', 'd', 'e'].map((key) => entry(key, 40_000)));
    const huge = announce([entry('f', MESSAGE_BYTES * 2)]);
    const small = announce([entry('g')]);
    await turn();
    expect(sent().map(({ seq, keys }) => [seq, keys.join('')])).toEqual([
      [1, 'abc'],
      [2, 'de'],
      [3, 'f'],
      [4, 'g'],
    ]);
    for (const { take } of published) take();
    await turn();
    expect([large.through, huge.through, small.through]).toEqual([2, 3, 4]);
    expect(published.slice(0, 2).every(({ bytes }) => bytes.length <= MESSAGE_BYTES)).toBe(true);
  });

  test('while the bus is down an announcement is through at once, and its number is used up', async () => {
    state = 'down';
    const announced = announce([entry('a')]);
    await turn();
    await turn();
    expect(announced.through).toBe(1);
    expect(published).toEqual([]);
    state = 'up';
    announce([entry('b')]);
    await turn();
    expect(sent()).toEqual([{ seq: 2, keys: ['b'], wantsAck: false }]);
  });

  test('what was lost with a connection is through with the next heartbeat that is taken, or when the bus is found to be down', async () => {
    const first = announce([entry('a')]);
    await turn();
    state = 'doubtful';
    published[0]?.lose();
    const second = announce([entry('b')]);
    await turn();
    await turn();
    expect([first.through, second.through]).toEqual([undefined, undefined]);
    outbox.taken(1);
    await turn();
    expect([first.through, second.through]).toEqual([1, undefined]);
    outbox.away();
    await turn();
    expect(second.through).toBe(2);
  });

  test('what the bus refuses holds nobody up', async () => {
    const announced = announce([entry('a')]);
    await turn();
    published[0]?.lose();
    await turn();
    expect(announced.through).toBe(1);
  });

  test('nobody waits beyond the deadline, or is told then that others know', async () => {
    const [short, long] = [
      announce([entry('a')], clock.now() + 100),
      announce([entry('b')], clock.now() + 900),
    ];
    await turn();
    clock.advance(100);
    outbox.tick();
    await turn();
    expect([short, long]).toEqual([{ code: 'timeout' }, {}]);
  });

  test('a bus that takes less than is written gets no more than a bounded part of it', async () => {
    for (let at = 0; at < 12; at += 1) announce([entry(`k${at}`, 8 * 1024 * 1024)]);
    await turn();
    expect(published).toHaveLength(7);
    expect(outbox.seq).toBe(12);
    for (const { take } of published) take();
    await turn();
    announce([entry('next')]);
    await turn();
    expect(sent().at(-1)).toMatchObject({ seq: 13, keys: ['next'] });
  });
});
