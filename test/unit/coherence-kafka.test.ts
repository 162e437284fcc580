/** Gateways that announce changes on one topic, over a topic in this process and a clock that the tests move. */
import type { Changes } from '../../src/coherence/announcement';
import { KafkaCoherence } from '../../src/coherence/kafka';
import type { ShardAnnouncer } from '../../src/coherence/shard-announcer';
import type { Key } from '../../src/core/command';
import type { Lease } from '../../src/core/ports';
import type { TopicReader } from '../../src/kafka/client';
import { AnnouncementTopic, type TopicLink } from '../support/announcement-topic';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';

const K = 'k' as Key;
const SHARD = '0123456789ab';
const clock = createFakeClock();

beforeAll(() =>
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] }),
);
afterAll(() => jest.useRealTimers());

interface Gateway {
  readonly coherence: KafkaCoherence;
  readonly link: TopicLink;
  readonly announcer: ShardAnnouncer;
  readonly forgotten: Key[];
  readonly heard: Changes[];
  /** Of its node, once that is known to have all that was acked until now. */
  lease(): Lease | undefined;
  isOpen(lease: Lease | undefined): boolean;
  /** How a change of K at offset 100 ended: `settled`, an error's message, or nothing yet. */
  announce(): { readonly ends: readonly string[] };
}

async function openGateway(topic: AnnouncementTopic): Promise<Gateway> {
  const link = topic.createLink();
  const forgotten: Key[] = [];
  const heard: Changes[] = [];
  const coherence = new KafkaCoherence({
    clock,
    log: createRecordingLog(),
    onAnnounced: (key) => forgotten.push(key),
    openTopic: link.open,
  });
  const announcer = coherence.join(SHARD, (changes) => heard.push(changes));
  const feed = coherence.createFeed();
  feed.connected(undefined as never);
  await coherence.open();
  await turns();
  return {
    coherence,
    link,
    announcer,
    forgotten,
    heard,
    lease: () => {
      feed.confirm(clock.now());
      return feed.lease;
    },
    isOpen: (lease) => lease !== undefined && clock.now() < lease.endsMs,
    announce: () => {
      const ends: string[] = [];
      const waiter = {
        deadlineMs: clock.now() + 600,
        settle: () => ends.push('settled'),
        fail: ({ message }: Error) => ends.push(message),
      };
      announcer.announce({ keys: [K], lineage: 'a', offset: 100 }, waiter);
      return { ends };
    },
  };
}

async function turns(): Promise<void> {
  for (let n = 0; n < 6; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50);
    jest.advanceTimersByTime(50);
    await turns();
  }
}

let topic: AnnouncementTopic;
let a: Gateway;
let b: Gateway;

beforeEach(async () => {
  topic = new AnnouncementTopic();
  a = await openGateway(topic);
  b = await openGateway(topic);
});
afterEach(async () => {
  const closing = Promise.all([a.coherence.close(), b.coherence.close()]);
  await pass(1000);
  await closing;
});

it('a change is forgotten and marked elsewhere before its caller hears of it, and not here', async () => {
  const { ends } = a.announce();
  expect(ends).toEqual([]);
  await turns();
  expect(ends).toEqual(['settled']);
  expect(b.forgotten).toEqual([K]);
  expect(b.heard).toEqual([{ shard: SHARD, keys: [K], lineage: 'a', offset: 100 }]);
  expect(a.forgotten).toEqual([]);
});

it('F23: near hits end within one second of the last record that came back, and go on when it is there again', async () => {
  const lease = b.lease();
  await pass(500);
  expect(b.isOpen(lease)).toBe(true);
  topic.isAway = true;
  await pass(1000);
  expect(b.isOpen(lease)).toBe(false);
  topic.isAway = false;
  await pass(250);
  // Nothing was missed, so it is the same one.
  expect(b.isOpen(lease)).toBe(true);
});

it('near hits end within one second where nothing is heard any more, though records are taken', async () => {
  const lease = b.lease();
  b.link.hold();
  await pass(1000);
  expect(b.isOpen(lease)).toBe(false);
  expect(b.announcer.isOpen).toBe(true);
  a.announce();
  await turns();
  expect(b.forgotten).toEqual([]);
  b.link.release();
  expect(b.forgotten).toEqual([K]);
  await pass(250);
  expect(b.isOpen(lease)).toBe(true);
});

it('what was missed ends every lease, and a new one waits until the node has what was acked before', async () => {
  const lease = b.lease();
  b.link.hold();
  a.announce();
  await turns();
  b.link.miss();
  b.link.release();
  await pass(250);
  expect(b.isOpen(lease)).toBe(false);
  expect(b.isOpen(b.lease())).toBe(true);
});

it('a change that cannot be announced fails as what may stand, and is announced when that can be', async () => {
  topic.isAway = true;
  const { ends } = a.announce();
  await pass(500);
  expect(ends).toEqual([]);
  await pass(100);
  expect(ends).toEqual([expect.stringMatching(/may stand/i)]);
  topic.isAway = false;
  await pass(250);
  expect(b.forgotten).toEqual([K]);
});

it('nothing may be changed where nothing was announced for one second', async () => {
  a.link.isCut = true;
  await pass(700);
  expect(a.announcer.isOpen).toBe(true);
  await pass(300);
  expect(a.announcer.isOpen).toBe(false);
  expect(b.announcer.isOpen).toBe(true);
  a.link.isCut = false;
  await pass(250);
  expect(a.announcer.isOpen).toBe(true);
});

it('a record that nobody confirms is no announcement', async () => {
  topic.isMute = true;
  const { ends } = a.announce();
  await pass(600);
  expect(ends).toEqual([expect.stringMatching(/may stand/i)]);
  await pass(400);
  expect(a.announcer.isOpen).toBe(false);
});

it('a gateway that goes without a word ends all leases, since it may have changed what it did not announce', async () => {
  await pass(500);
  const lease = b.lease();
  a.link.isCut = true;
  await pass(2500);
  expect(b.isOpen(lease)).toBe(true);
  await pass(1000);
  expect(b.isOpen(lease)).toBe(false);
  expect(b.isOpen(b.lease())).toBe(true);
});

it('a gateway that closes announces what is left, says goodbye, and ends no lease', async () => {
  const { ends } = a.announce();
  await a.coherence.close();
  expect(ends).toEqual(['settled']);
  await turns();
  expect(b.forgotten).toEqual([K]);
  const lease = b.lease();
  await pass(5000);
  expect(b.isOpen(lease)).toBe(true);
});

it('what may yet be changed is announced again and again, here too', async () => {
  a.announcer.doubt([K]);
  await turns();
  expect([a.forgotten.length, b.forgotten.length]).toEqual([0, 1]);
  await pass(1100);
  expect([a.forgotten.length, b.forgotten.length]).toEqual([1, 2]);
  await pass(130_000);
  expect([a.forgotten.length, b.forgotten.length]).toEqual([7, 8]);
  expect(b.heard.at(-1)).toEqual({ shard: SHARD, keys: [K], lineage: undefined, offset: Infinity });
});

it('a record that is not understood may have told of anything', async () => {
  const lease = b.lease();
  topic.append(Buffer.from('rca\x02 of a later version'));
  await turns();
  expect(b.isOpen(lease)).toBe(false);
});

it('everything on a shard is told to that shard', async () => {
  a.announcer.announce(
    { keys: 'everything', lineage: 'a', offset: 7 },
    { deadlineMs: clock.now() + 600, settle: () => undefined, fail: () => undefined },
  );
  await turns();
  expect(b.heard).toEqual([{ shard: SHARD, keys: 'everything', lineage: 'a', offset: 7 }]);
});

it('a gap ends all leases, though reading goes on at the same offset', () => {
  const lease = b.lease();
  expect(b.isOpen(lease)).toBe(true);
  b.link.miss();
  expect(b.isOpen(lease)).toBe(false);
});

it.each([1e9, NaN])(
  'a record that says it left at %d in the name of this gateway lengthens no lease',
  async (sentMs) => {
    const records: Buffer[] = [];
    const reader: TopicReader = {
      onConnected: () => undefined,
      onRecords: (more) => records.push(...more.map(({ value = Buffer.alloc(0) }) => value)),
      onGap: () => undefined,
      onLost: () => undefined,
    };
    topic.subscribe(reader);
    b.announce();
    await turns();
    const forged = Buffer.from(records[0] ?? '');
    forged.writeDoubleLE(sentMs, 13);
    topic.append(forged);
    await turns();
    expect(b.isOpen(b.lease())).toBe(true);
    topic.isAway = true;
    await pass(1000);
    expect(b.isOpen(b.lease())).toBe(false);
    topic.isAway = false;
    await pass(400);
    expect(b.isOpen(b.lease())).toBe(true);
  },
);
