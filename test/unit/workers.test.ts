/** The supervisor over processes that the tests play, and what it makes of what workers tell. */
import type { ThrottleNews } from '../../src/auth/login-throttle';
import type { SnapshotResult } from '../../src/core/ports';
import { type Report, wholeReport } from '../../src/core/whole-report';
import { LoginThrottle } from '../../src/auth/login-throttle';
import { CombinedMetrics, type MetricSamples } from '../../src/telemetry/combined-metrics';
import { WholeLines } from '../../src/workers/cluster';
import type { Ports, ToSupervisor, ToWorker } from '../../src/workers/messages';
import { Supervisor } from '../../src/workers/supervisor';
import type { WorkerEvents } from '../../src/workers/worker-process';
import { eventually } from '../support/eventually';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import { parseExposition } from '../support/prometheus-text';

const PORTS: Ports = { port: 8000, respPort: undefined, grpcPort: undefined };

/** A worker as its supervisor sees it. */
interface Played {
  readonly heard: readonly ToWorker[];
  readonly say: (message: ToSupervisor) => void;
  readonly end: (exitCode?: number) => void;
  wasKilled: boolean;
}

function counter(name: string, value: number): MetricSamples {
  return [{ name, help: 'h', type: 'counter', aggregator: 'sum', values: [{ labels: {}, value }] }];
}

function rig(count: number) {
  const clock = createFakeClock();
  const recording = createRecordingLog();
  const log = { ...recording, lines: () => undefined };
  const forked: Played[] = [];
  const stop = new AbortController();
  const supervisor = new Supervisor({
    count,
    environment: { WORKERS: String(count) },
    stopMs: 50,
    ownMetrics: () => Promise.resolve([]),
    clock,
    log,
    fork: (events: WorkerEvents) => {
      const heard: ToWorker[] = [];
      const played: Played = {
        heard,
        say: events.onMessage,
        end: (exitCode = 0) => events.onEnd({ exitCode, signal: null }),
        wasKilled: false,
      };
      forked.push(played);
      return {
        pid: forked.length,
        send: (message) => heard.push(message),
        kill: () => {
          played.wasKilled = true;
          played.end(137);
        },
      };
    },
  });
  const served: Ports[] = [];
  const ended = supervisor.run(stop.signal, (ports) => served.push(ports));
  ended.catch(() => undefined);
  const at = (index: number): Played => forked[index]!;
  /** All of them serve. */
  const serve = async (): Promise<void> => {
    at(0).say({ kind: 'serving', ports: PORTS });
    await eventually(() => forked.length === count);
    for (const each of forked.slice(1)) each.say({ kind: 'serving', ports: PORTS });
    await eventually(() => served.length === 1);
  };
  const stopAll = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  return { clock, recording, forked, at, served, stop, ended, serve, stopAll, supervisor };
}

describe('a start', () => {
  it('begins with one worker; the others follow when it serves, and all have the settings and their numbers', async () => {
    const { forked, at, serve, stopAll } = rig(3);
    expect(forked).toHaveLength(1);
    await serve();
    const begun = [0, 1, 2].map((index) => at(index).heard[0]);
    expect(begun).toEqual(
      [1, 2, 3].map((number) => ({
        kind: 'begin',
        number,
        environment: { WORKERS: '3' },
        ports: undefined,
      })),
    );
    await stopAll();
  });

  it.each([
    ['what the worker says', 'Cannot read none.pem. (ENOENT)', 'Cannot read none.pem. (ENOENT)'],
    ['that it has ended', undefined, 'Worker 1 ended while it started.'],
  ])('that fails tells %s, and is not tried again', async (_, reason, message) => {
    const { at, ended, forked, served } = rig(2);
    if (reason !== undefined) at(0).say({ kind: 'failed', reason });
    at(0).end(1);
    await expect(ended).rejects.toThrow(message);
    expect([forked.length, served.length]).toEqual([1, 0]);
  });

  it('that fails at a later worker stops those that serve', async () => {
    const { at, ended, forked } = rig(2);
    at(0).say({ kind: 'serving', ports: PORTS });
    await eventually(() => forked.length === 2);
    at(1).say({ kind: 'failed', reason: 'no' });
    at(1).end(1);
    await eventually(() => at(0).heard.some(({ kind }) => kind === 'stop'));
    at(0).end(0);
    await expect(ended).rejects.toThrow('no');
  });

  it('that is stopped meanwhile starts no more', async () => {
    const { at, ended, forked, stop, served } = rig(2);
    stop.abort();
    await eventually(() => at(0).heard.some(({ kind }) => kind === 'stop'));
    at(0).say({ kind: 'serving', ports: PORTS });
    at(0).end(0);
    await ended;
    expect([forked.length, served.length]).toEqual([1, 0]);
  });
});

describe('a worker that ends', () => {
  it('is replaced after a pause that doubles, and is short again after a minute of service', async () => {
    const { at, clock, recording, forked, serve, stopAll } = rig(2);
    await serve();
    const pauses = (): unknown[] =>
      recording.lines.map(({ fields }) => (fields as { restart_after_ms: number }).restart_after_ms);
    at(1).end(1);
    await eventually(() => forked.length === 3);
    at(2).end(1);
    await eventually(() => forked.length === 4);
    at(3).say({ kind: 'serving', ports: PORTS });
    clock.advance(60_000);
    at(3).end(1);
    expect(pauses()).toEqual([100, 200, 100]);
    await stopAll();
  });

  it('leaves its ports to the others; where none is left, the next one asks for them by number', async () => {
    const { at, forked, serve, stopAll } = rig(2);
    await serve();
    at(1).end(1);
    await eventually(() => forked.length === 3);
    expect(at(2).heard[0]).toMatchObject({ number: 2, ports: undefined });
    at(2).end(1);
    at(0).end(1);
    await eventually(() => forked.length === 5);
    expect(forked.slice(3).map(({ heard }) => heard[0])).toEqual([
      expect.objectContaining({ ports: PORTS }),
      expect.objectContaining({ ports: PORTS }),
    ]);
    await stopAll();
  });

  it('goes again when it has other ports than all had, since the rest died while it started', async () => {
    const { at, forked, serve, stopAll } = rig(2);
    await serve();
    at(1).end(1);
    await eventually(() => forked.length === 3);
    at(0).end(1);
    at(2).say({ kind: 'serving', ports: { ...PORTS, port: 9000 } });
    expect(at(2).wasKilled).toBe(true);
    await eventually(() =>
      forked.some(({ heard }, index) => index > 2 && heard[0]?.kind === 'begin' && heard[0].number === 2),
    );
    expect(forked.at(-1)?.heard[0]).toMatchObject({ ports: PORTS });
    await stopAll();
  });
});

it('a stop is told to all; who does not end is killed', async () => {
  const { at, ended, serve, stop } = rig(2);
  await serve();
  stop.abort();
  await eventually(() => at(1).heard.some(({ kind }) => kind === 'stop'));
  at(0).end(0);
  await ended;
  expect([at(0).wasKilled, at(1).wasKilled]).toEqual([false, true]);
});

it('failed logins are told to all others, and to nobody else', async () => {
  const { at, serve, stopAll } = rig(3);
  await serve();
  const news: ToSupervisor = {
    kind: 'news',
    news: { kind: 'failure', network: '10.0.0.1', clientId: undefined },
  };
  at(1).say(news);
  const told = [0, 1, 2].map((index) => at(index).heard.filter(({ kind }) => kind === 'news').length);
  expect(told).toEqual([1, 0, 1]);
  await stopAll();
});

/** Answers each question of the supervisor. */
function answer({ heard, say }: Played, value: unknown): void {
  const question = heard.findLast((message) => message.kind === 'question');
  if (question?.kind !== 'question') throw new Error('nothing was asked');
  say({ kind: 'answer', id: question.id, value });
}

it('whoever asks for metrics hears those of all that answer in time', async () => {
  const { at, serve, stopAll } = rig(2);
  await serve();
  at(0).say({ kind: 'question', id: 7, about: 'metrics' });
  await eventually(() => at(1).heard.some(({ kind }) => kind === 'question'));
  answer(at(0), counter('c_total', 3));
  const reply = await eventually(() => at(0).heard.find(({ kind }) => kind === 'answer'));
  const { value } = parseExposition((reply as { value: string }).value);
  expect([value('c_total'), value('ringcache_workers')]).toEqual([3, 1]);
  await stopAll();
});

it('what a worker told stays in the sums when it dies before the others have answered', async () => {
  const { at, forked, serve, stopAll } = rig(2);
  await serve();
  const ask = (id: number): void => at(0).say({ kind: 'question', id, about: 'metrics' });
  const isAsked = (index: number, times: number): Promise<boolean> =>
    eventually(() => at(index).heard.filter(({ kind }) => kind === 'question').length === times);
  const sum = async (id: number): Promise<number> => {
    const reply = await eventually(() =>
      at(0).heard.find((each) => each.kind === 'answer' && each.id === id),
    );
    return parseExposition((reply as { value: string }).value).value('c_total');
  };
  ask(1);
  await isAsked(1, 1);
  answer(at(1), counter('c_total', 150));
  // Its end is heard in another turn than its last words.
  await new Promise(setImmediate);
  at(1).end(1);
  answer(at(0), counter('c_total', 10));
  expect(await sum(1)).toBe(160);

  await eventually(() => forked.length === 3);
  at(2).say({ kind: 'serving', ports: PORTS });
  ask(2);
  await isAsked(2, 1);
  answer(at(2), counter('c_total', 5));
  answer(at(0), counter('c_total', 10));
  expect(await sum(2)).toBe(165);
  await stopAll();
});

it('the first worker saves for all, and its refusal reaches who asked', async () => {
  const { at, serve, stopAll } = rig(2);
  await serve();
  at(1).say({ kind: 'question', id: 1, about: 'snapshot' });
  const saved: SnapshotResult = { entries: 1, bytes: 2, durationMs: 3 };
  await eventually(() => at(0).heard.some(({ kind }) => kind === 'question'));
  answer(at(0), saved);
  await eventually(() => at(1).heard.some(({ kind }) => kind === 'answer'));
  expect(at(1).heard.at(-1)).toEqual({ kind: 'answer', id: 1, value: saved });
  at(0).end(1);
  at(1).say({ kind: 'question', id: 2, about: 'snapshot' });
  await eventually(() => at(1).heard.some(({ kind }) => kind === 'refusal'));
  await stopAll();
});

it('counters do not fall when a worker is gone or silent; gauges are of those who answer', async () => {
  const gauge = (value: number): MetricSamples => [
    { name: 'g', help: 'h', type: 'gauge', aggregator: 'sum', values: [{ labels: {}, value }] },
  ];
  const all = new CombinedMetrics();
  const look = async (...workers: [number, number][]): Promise<[number, number]> => {
    for (const [worker, count] of workers) all.tell(worker, [...counter('c_total', count), ...gauge(count)]);
    const { value } = parseExposition(await all.exposition(new Set(workers.map(([worker]) => worker)), []));
    return [value('c_total'), value('g')];
  };
  expect(await look([1, 10], [2, 20])).toEqual([30, 30]);
  expect(await look([1, 11])).toEqual([31, 11]);
  all.retire(2);
  expect(await look([1, 12])).toEqual([32, 12]);
  expect(await look([1, 12], [2, 1])).toEqual([33, 13]);
  all.retire(2);
  all.retire(1);
  expect(await look([1, 1])).toEqual([34, 1]);
});

it('a report of all sums what is counted, and shows the worst of what is a state', () => {
  const report = (more: {
    ready: boolean;
    lagBytes: number;
    healthy: boolean;
    uptimeMs: number;
  }): Report => ({
    status: {
      ...{ engine: 'ring', ready: more.ready, coherence: 'tracking' },
      shards: [
        {
          name: 'a',
          nodes: [
            {
              ...{ address: 'h:1', role: 'replica', healthy: more.healthy, linkUp: undefined },
              ...{ lagBytes: more.lagBytes, inFlight: 2, announces: true },
            },
          ],
        },
      ],
      near: {
        ...{ enabled: true, entries: 1, bytes: 2, entriesMax: 3, bytesMax: 4, ttlSeconds: 5 },
        ...{ hits: 6, misses: 7, evictions: 8 },
      },
    },
    figures: {
      uptimeMs: more.uptimeMs,
      requests: { total: 1, failed: 2, inFlight: 3, inFlightMax: 4 },
      latency: { boundsMs: [1, 2], counts: [1, 2, 3] },
      eventLoopDelayMs: { p50: more.uptimeMs, p99: 2, max: 3 },
    },
  });
  const whole = wholeReport(
    [
      report({ ready: true, lagBytes: 5, healthy: true, uptimeMs: 10 }),
      report({ ready: false, lagBytes: 9, healthy: false, uptimeMs: 20 }),
    ],
    3,
  );
  expect(whole).toEqual({
    workers: { configured: 3, answered: 2 },
    status: {
      ...{ engine: 'ring', ready: false, coherence: 'tracking' },
      shards: [
        {
          name: 'a',
          nodes: [
            {
              ...{ address: 'h:1', role: 'replica', healthy: false, linkUp: undefined },
              ...{ lagBytes: 9, inFlight: 4, announces: true },
            },
          ],
        },
      ],
      near: {
        ...{ enabled: true, entries: 2, bytes: 4, entriesMax: 6, bytesMax: 8, ttlSeconds: 5 },
        ...{ hits: 12, misses: 14, evictions: 16 },
      },
    },
    figures: {
      uptimeMs: 10,
      requests: { total: 2, failed: 4, inFlight: 6, inFlightMax: 8 },
      latency: { boundsMs: [1, 2], counts: [2, 4, 6] },
      eventLoopDelayMs: { p50: 20, p99: 2, max: 3 },
    },
  });
  expect(wholeReport([], 2)).toBeUndefined();
});

it('only whole lines are handed on, however they are cut', () => {
  const texts: string[] = [];
  const lines = new WholeLines((whole) => texts.push(whole.toString()));
  const bytes = Buffer.from('{"a":"é"}\n{"b":1}\n{"half');
  for (const byte of bytes) lines.add(Buffer.from([byte]));
  expect(texts).toEqual(['{"a":"é"}\n', '{"b":1}\n']);
});

describe('the login throttle of several workers', () => {
  const clock = createFakeClock();
  /** Two of them, which hear each other after `deliver`. */
  function two() {
    const heard: ((news: ThrottleNews) => void)[] = [];
    const underWay: (() => void)[] = [];
    const throttles = [1, 2].map(
      (number) =>
        new LoginThrottle(clock, {
          number,
          tell: (news) =>
            underWay.push(() => {
              heard.forEach((listener, at) => {
                if (at !== number - 1) listener(news);
              });
            }),
          listen: (listener) => heard.push(listener),
        }),
    );
    const guess = (at: number): boolean => {
      try {
        throttles[at]!.checkAddress('10.0.0.1', undefined);
      } catch {
        return false;
      }
      throttles[at]!.recordFailure('10.0.0.1', undefined);
      return true;
    };
    const deliver = (): void => {
      for (const news of underWay.splice(0)) news();
    };
    return { throttles, guess, deliver };
  }

  it('a guesser who asks both at once has one try more than at one, in all', () => {
    const { guess, deliver } = two();
    let tries = 0;
    for (let round = 0; round < 100; round++) {
      tries += Number(guess(0)) + Number(guess(1));
      deliver();
      clock.advance(9);
    }
    expect(tries).toBeGreaterThanOrEqual(5);
    expect(tries).toBeLessThanOrEqual(7);
  });

  it('waits end one after the other, so that each costs one guess', () => {
    const { guess, deliver } = two();
    const tries: number[] = [];
    for (let ms = 0; ms < 40_000; ms += 10) {
      const made = Number(guess(0)) + Number(guess(1));
      deliver();
      if (made > 0) tries.push(made);
      clock.advance(10);
    }
    // 5 free ones, by twos, then a wait of 1, 2, 4, 8 and 16 s.
    expect(tries.slice(0, 3)).toEqual([2, 2, 2]);
    expect(new Set(tries.slice(3))).toEqual(new Set([1]));
  });

  it('who is forgiven at one is forgiven at both', () => {
    const { throttles, guess, deliver } = two();
    while (guess(0)) {
      deliver();
      clock.advance(100);
    }
    expect(guess(1)).toBe(false);
    throttles[0]!.forgive('10.0.0.1');
    deliver();
    expect(guess(1)).toBe(true);
  });
});
