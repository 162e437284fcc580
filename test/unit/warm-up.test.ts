/** The near cache after a restart: asked for anew, never taken from the snapshot (R12). */
import type { CacheService } from '../../src/core/cache';
import type { Command, Key, Reply } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { NearCache } from '../../src/core/near-cache';
import { LEASE_WITHOUT_END } from '../../src/core/ports';
import { openWarmUp, savedKeys } from '../../src/core/warm-up';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';

const clock = createFakeClock();
const keysOf = (count: number): Key[] => Array.from({ length: count }, (_, at) => `k${at}` as Key);
const found: Reply = { command: 'READ', status: 'SUCCESS', value: 'v', source: 'master' };

/** A core of which each READ is answered when the test says so. */
function heldCore() {
  const asked: Command[] = [];
  const waiting: ((reply: Reply) => void)[] = [];
  const cache: Pick<CacheService, 'execute'> = {
    execute: (_principal, command) => {
      asked.push(command);
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
  const answerAll = (reply: Reply = found): void => waiting.splice(0).forEach((answer) => answer(reply));
  return { cache, asked, waiting, answerAll };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
};

it('reads all keys as any caller does, in their order, at most 16 at the same time', async () => {
  const { cache, asked, waiting, answerAll } = heldCore();
  const log = createRecordingLog();
  const warmUp = openWarmUp({ cache, keys: keysOf(40), clock, log });
  const sizes: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    await turns();
    sizes.push(waiting.length);
    answerAll();
  }
  await warmUp.done;
  expect(sizes).toEqual([16, 16, 8]);
  expect(asked).toEqual(keysOf(40).map((key) => ({ command: 'READ', key, consistency: 'eventual' })));
  expect(log.lines).toMatchObject([{ level: 'info', fields: { keys: 40, read: 40, found: 40 } }]);
});

it('stops when it is closed, and asks for nothing more', async () => {
  const { cache, asked, answerAll } = heldCore();
  const warmUp = openWarmUp({ cache, keys: keysOf(100), clock, log: createRecordingLog() });
  warmUp.close();
  answerAll();
  await warmUp.done;
  expect(asked).toHaveLength(16);
});

it('waits while a shard is away, and asks for the same keys again', async () => {
  const { cache, asked, waiting, answerAll } = heldCore();
  const warmUp = openWarmUp({ cache, keys: keysOf(3), clock, log: createRecordingLog() });
  answerAll({ command: 'READ', status: 'ERROR', error: new CacheError('unavailable', 'away') });
  while (waiting.length === 0) await turns();
  answerAll();
  await warmUp.done;
  expect(asked.map(({ key }) => key)).toEqual(['k0', 'k1', 'k2', 'k0', 'k1', 'k2']);
});

it('rests as long as the reads took', async () => {
  let nowMs = 0;
  const slow: Pick<CacheService, 'execute'> = {
    execute: () => {
      nowMs += 30;
      return found;
    },
  };
  const began = performance.now();
  const own = { now: () => nowMs, wallMs: () => 0 };
  await openWarmUp({ cache: slow, keys: keysOf(2), clock: own, log: createRecordingLog() }).done;
  expect(performance.now() - began).toBeGreaterThan(55);
});

describe('what is saved of a near cache', () => {
  const ownClock = createFakeClock();
  const near = new NearCache({ entries: 5000, bytes: 1e9, ttlMs: 60_000, clock: ownClock });
  const fill = (key: Key): void =>
    near.fill(near.takeTicket(key), `secret of ${key}`, Infinity, LEASE_WITHOUT_END);
  const saved = (): { key: string }[] => [...savedKeys(near, ownClock).pages()].flat();

  it('is the keys that a READ would find, those used last come last, and no value', () => {
    fill('old' as Key);
    ownClock.advance(60_000);
    keysOf(2500).forEach(fill);
    near.get('k7' as Key);
    near.forget('k8' as Key);
    const keys = saved();
    expect(keys.map(({ key }) => key)).toEqual([
      ...keysOf(2500).filter((key) => key !== 'k7' && key !== 'k8'),
      'k7',
    ]);
    expect(JSON.stringify(keys)).not.toContain('secret');
  });

  it('comes with a turn of the event loop for each thousand, and survives what happens in it', () => {
    const keys: string[] = [];
    let pages = 0;
    for (const page of savedKeys(near, ownClock).pages()) {
      pages += 1;
      // The entry at which the walk stands is used, and others go.
      near.get('k1500' as Key);
      near.forget(`k${pages}` as Key);
      expect(page.length).toBeLessThanOrEqual(1000);
      keys.push(...page.map(({ key }) => key));
    }
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThan(2400);
    expect(pages).toBeGreaterThan(4);
  });

  it('is as much while a node is away, although nothing is served that was read there', () => {
    near.forgetAll();
    near.fill(near.takeTicket('k' as Key), 'secret', Infinity, { endsMs: ownClock.now() + 1 });
    ownClock.advance(1);
    expect(near.holds('k' as Key)).toBe(false);
    expect(saved().map(({ key }) => key)).toEqual(['k']);
  });

  it('is nothing where all is void', () => {
    near.forgetAll();
    expect(saved()).toEqual([]);
  });
});
