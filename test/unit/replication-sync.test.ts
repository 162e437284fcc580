import type { Key } from '../../src/core/command';
import { bucketOf, hashKey } from '../../src/replication/bucket-digest';
import { GroupClock } from '../../src/replication/group-clock';
import { encodeMessage, parseMessage, type Message } from '../../src/replication/messages';
import { Origins } from '../../src/replication/origins';
import { Puller, PullFailed } from '../../src/replication/pull';
import { ReplicaStore } from '../../src/replication/replica-store';
import { SyncAnswers } from '../../src/replication/sync-answers';
import { HybridClock, msOf } from '../../src/replication/version';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';

const A = 'aa'.repeat(8);
const B = 'bb'.repeat(8);

describe('a pull', () => {
  const clock = createFakeClock();

  function openSide(id: string, isCaughtUp: boolean) {
    const groupClock = new GroupClock(clock);
    const groupNowMs = (): number => groupClock.nowMs();
    const versions = new HybridClock(groupNowMs);
    const store = new ReplicaStore({ groupNowMs, bytesMax: 2 ** 30 });
    const origins = new Origins();
    const log = createRecordingLog();
    const side = { id, groupClock, versions, store, origins, log, clock, isCaughtUp: () => isCaughtUp };
    const put = (key: string, value: string | undefined, time = versions.tick(), origin = id): void => {
      const bytes = value === undefined ? undefined : Buffer.from(value);
      store.apply({ key: key as Key, bytes, time, origin, expiresAtMs: Infinity });
    };
    return { ...side, put, read: (key: string) => store.peek(key as Key)?.bytes?.toString() };
  }
  type Side = ReturnType<typeof openSide>;

  let here: Side;
  let there: Side;
  let puller: Puller;
  let answers: SyncAnswers;
  let answered: Message[];
  let staleTimes: number;
  /** What is on its way, as bytes. */
  let deliver: (message: Message) => number;

  beforeEach(() => {
    here = openSide(A, false);
    there = openSide(B, true);
    answered = [];
    staleTimes = 0;
    answers = new SyncAnswers({
      ...there,
      send: (message) => {
        const received = parseMessage(encodeMessage(B, message));
        answered.push(received);
        if (received.type === 'digest' || received.type === 'entriesReply') puller.answered(B, received);
        return Promise.resolve(1);
      },
    });
    deliver = (message) => {
      const received = parseMessage(encodeMessage(A, message));
      if (received.type === 'digestRequest' || received.type === 'entriesRequest') answers.asked(A, received);
      return 1;
    };
    puller = new Puller({
      ...here,
      onStale: () => {
        staleTimes += 1;
      },
      onApplied: () => undefined,
      onRefused: () => undefined,
      send: (message) => Promise.resolve(deliver(message)),
    });
  });

  test('brings what is missing and what is newer, deletions too, and leaves what is newer here', async () => {
    here.put('deleted', 'old');
    here.put('old here', 'old');
    there.put('old there', 'old');
    there.versions.observe(here.versions.tick());
    there.put('deleted', undefined);
    there.put('old here', 'new');
    there.put('only there', 'v');
    here.versions.observe(there.versions.tick());
    here.put('old there', 'new');
    await puller.pull(B);
    expect(['deleted', 'old here', 'old there', 'only there'].map((key) => here.read(key))).toEqual([
      undefined,
      'new',
      'new',
      'v',
    ]);
  });

  test('is cut into answers of bounded size, and ends', async () => {
    for (let at = 0; at < 20_000; at += 1) there.put(`k${at}`, 'x'.repeat(1000));
    const { entries, applied } = await puller.pull(B);
    expect([entries, applied, here.store.size]).toEqual([20_000, 20_000, 20_000]);
    expect(here.store.rootDigest()).toBe(there.store.rootDigest());
    const sizes = answered.map((message) => encodeMessage(B, message).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024 + 64);
  });

  test('ends also where everything that comes is refused as older, though a bucket takes many answers', async () => {
    const bucket = bucketOf(hashKey('k0' as Key));
    const keys = Array.from({ length: 40_000 }, (_, at) => `k${at}`)
      .filter((key) => bucketOf(hashKey(key as Key)) === bucket)
      .slice(0, 5);
    for (const key of keys) there.put(key, 'x'.repeat(60_000));
    here.versions.observe(there.versions.tick());
    for (const key of keys) here.put(key, 'newer');
    const { entries, applied } = await puller.pull(B);
    expect([entries, applied]).toEqual([5, 0]);
  });

  test('merges the vector of the moment of the digest, at the end and not before', async () => {
    there.put('k', 'v');
    there.origins.received(B, 1, clock.now());
    const seen: number[] = [];
    const straight = deliver;
    deliver = (message) => {
      seen.push(here.origins.reachedOf(B));
      if (message.type === 'entriesRequest') there.origins.received(B, 2, clock.now());
      return straight(message);
    };
    await puller.pull(B);
    expect(seen).toEqual([0, 0]);
    expect(here.origins.reachedOf(B)).toBe(1);
  });

  test('drops what may have been deleted while this gateway was away, and takes all that is there, however old', async () => {
    const [old, shared] = [here.versions.tick(), here.versions.tick()];
    here.put('deleted meanwhile', 'v', old);
    here.put('still there', 'v', shared);
    there.put('still there', 'v', shared, A);
    there.versions.observe(here.versions.tick());
    there.store.horizon = there.versions.tick();
    here.versions.observe(there.store.horizon);
    here.put('written last', 'v');
    here.store.contact = msOf(old) - 1;
    here.store.horizon = shared;
    await puller.pull(B);
    expect(staleTimes).toBe(1);
    expect(['deleted meanwhile', 'still there', 'written last'].map((key) => here.read(key))).toEqual([
      undefined,
      'v',
      'v',
    ]);
    expect(here.store.horizon).toBe(there.store.horizon);
    await puller.pull(B);
    expect(staleTimes).toBe(1);
  });

  test('fails at once when the peer has gone or the bus is lost', async () => {
    deliver = () => 0;
    await expect(puller.pull(B)).rejects.toThrow(/has gone/);
    deliver = () => 1;
    const pulling = puller.pull(B);
    puller.abort();
    await expect(pulling).rejects.toThrow(PullFailed);
  });

  test('a gateway that is not ready answers only those that are not either', async () => {
    let isAnswered = false;
    const silent = new SyncAnswers({
      ...here,
      send: () => {
        isAnswered = true;
        return Promise.resolve(1);
      },
    });
    silent.asked(B, { type: 'digestRequest', request: 1, isCaughtUp: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    silent.asked(B, { type: 'digestRequest', request: 1, isCaughtUp: false });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(true);
  });
});
