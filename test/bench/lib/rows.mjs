// The rows of the benchmark: what is measured, against what, and what is to be reached.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bareNode, notInstalled, ringcache, startService, webdisStack } from './contenders.mjs';
import { grownTo } from './flatness.mjs';
import { startRedis } from './redis.mjs';
import { measureJoin, measureVisibility, p99, replicated } from './replicated.mjs';
import { redisItself, respDoor, twemproxy } from './resp-contenders.mjs';
import { redisBenchmark } from './resp-load.mjs';
import { compare, median, play } from './rounds.mjs';
import { playWorkers, workerGoals } from './workers.mjs';
import { BATCH } from './workload.mjs';

const NEAR_OVERHEAD_BYTES = 150;
const NEAR_OVERHEAD = fileURLToPath(new URL('near-overhead.mjs', import.meta.url));
const GROWTH_RATIO = 1.2;
const WORKERS = 2;
const START_SECONDS = 1.0;
const READS_PER_SECOND = 500_000;
const ENTRIES = 1_000_000;
const ENTRIES_QUICK = 50_000;
const JOIN_SECONDS = 30;
const JOIN_P99_RATIO = 2;
const WRITES = 3000;
const WRITES_QUICK = 300;
const VISIBLE_MS = 10;
const SAVE_PAUSE_MS = 20;
const SAVE_MEMORY_RATIO = 2;
const OVERHEAD_TIMEOUT_MS = 180_000;
const SAVE_TIMEOUT_MS = 120_000;
const SAVE_SNAPSHOT = fileURLToPath(new URL('save-snapshot.mjs', import.meta.url));
const execFileAsync = promisify(execFile);

/**
 * Each row's `measure(run, pace)` gives what `report.mjs` shows: `contenders`, and `goals`, each a figure with what
 * it must be; `goal` undefined: for information. `needs`: programs without which there is nothing to measure; where only a
 * part needs one, that part says so itself.
 */
export const ROWS = {
  P1: {
    title: 'POST /cache READ, near hit',
    async measure(run, pace) {
      const contenders = await play(run, 'READ', [ringcache({}), bareNode(), webdisStack()], pace);
      return { contenders, goals: [ratio(contenders, 0, 1, 0.8), ratio(contenders, 0, 2, 1.1)] };
    },
  },
  P2: {
    title: 'POST /cache without a near cache, Redis on the same core',
    async measure(run, pace) {
      const parts = [];
      for (const operation of ['READ', 'WRITE']) {
        const contenders = await play(
          run,
          operation,
          [
            ringcache({ name: 'ringcache, 1 Redis', replicas: 0, near: false }),
            webdisStack(),
            ringcache({ name: 'ringcache, 1 + 3 Redis', replicas: 3, near: false }),
          ],
          pace,
        );
        const goals = [ratio(contenders, 0, 1, 0.9), ratio(contenders, 2, 1, undefined)];
        parts.push(labelled(operation, { contenders, goals }));
      }
      return joined(parts);
    },
  },
  P3: {
    title: `batches of ${BATCH} READs, near hits`,
    async measure(run, pace) {
      const contenders = await play(run, 'BATCH', [ringcache({}), bareNode()], pace);
      return { contenders, goals: [readsPerSecond(contenders[0]), ratio(contenders, 0, 1, undefined)] };
    },
  },
  P4: {
    title: 'RESP GET, near hit',
    async measure(run, pace) {
      const parts = [];
      for (const [pipeline, goal] of [
        [1, 1.2],
        [16, 2],
        [64, 4],
      ]) {
        parts.push(await playResp(run, 'GET', pipeline, true, goal, pace));
      }
      return joined(parts);
    },
  },
  P5: {
    title: 'RESP GET and SET through to Redis, near cache off',
    async measure(run, pace) {
      const parts = [];
      for (const operation of ['GET', 'SET']) {
        parts.push(await playResp(run, operation, 16, false, 0.5, pace));
      }
      return joined(parts);
    },
  },
  P6: {
    title: 'what an entry of the near cache takes beside its key and value',
    async measure(run, { isQuick }) {
      const entries = isQuick ? ENTRIES_QUICK : ENTRIES;
      const goals = [];
      for (const kind of ['text', 'json', 'bytes']) {
        run.progress(kind);
        const { heap, turnedOver, resident } = await nearOverhead(kind, entries);
        const label = `${entries.toLocaleString('en')} entries of 100 bytes, ${kind}`;
        goals.push(
          atMost(label, heap, 'bytes', NEAR_OVERHEAD_BYTES),
          atMost(`${label}: when each had made way for another`, turnedOver, 'bytes', undefined),
          atMost(`${label}: resident`, resident, 'bytes', undefined),
        );
      }
      return { contenders: [], goals };
    },
  },
  P7: {
    title: 'POST /cache READ as keys, shards and clients become more',
    async measure(run, pace) {
      const manyKeys = pace.isQuick ? ENTRIES_QUICK : ENTRIES;
      const many = `${manyKeys.toLocaleString('en')} keys`;
      const parts = [];
      for (const sizes of [
        [
          { name: '1,000 keys', keys: 1000 },
          { name: many, keys: manyKeys },
          { name: `${many}, 1,000 of them asked`, keys: manyKeys, asked: 1000 },
        ],
        [
          { name: '1 shard', shards: 1 },
          { name: '64 shards', shards: 64 },
        ],
        [
          { name: '1 client', clients: 1 },
          { name: '1,000 clients', clients: 1000 },
        ],
      ]) {
        const contenders = await play(run, 'READ', sizes.map(grownTo), pace);
        const goals = [growth(contenders, 1, 0, GROWTH_RATIO)];
        if (contenders.length > 2) goals.push(growth(contenders, 2, 0, undefined));
        parts.push({ contenders, goals });
      }
      return joined(parts);
    },
  },
  P8: {
    title: 'start of the built service until readyz answers 200',
    async measure(run, { rounds }) {
      const goals = [await startTime(run, 'memory engine', rounds, undefined)];
      const label = 'ring engine, 1 + 3 Redis';
      const skipped = notInstalled(['redis-server']);
      if (skipped !== undefined) goals.push({ label, skipped });
      else goals.push(await startTime(run, label, rounds, (await startRedis(run, 3)).setting));
      return { contenders: [], goals };
    },
  },
  P9: {
    title: 'encrypted values against plain ones',
    async measure(run, pace) {
      const parts = [];
      for (const [label, operation, near, goal] of [
        ['READ, decrypted each time', 'READ', false, 0.8],
        ['WRITE', 'WRITE', false, 0.8],
        ['READ, near hit', 'READ', true, undefined],
      ]) {
        const contenders = await play(
          run,
          operation,
          [
            ringcache({ name: 'encrypted', replicas: 0, near, encrypted: true }),
            ringcache({ name: 'plain', replicas: 0, near }),
          ],
          pace,
        );
        parts.push(labelled(label, { contenders, goals: [ratio(contenders, 0, 1, goal)] }));
      }
      return joined(parts);
    },
  },
  P10: {
    title: `POST /cache READ, near hit, ${WORKERS} workers`,
    async measure(run, pace) {
      const contenders = await playWorkers(run, WORKERS, pace);
      return { contenders, goals: workerGoals(contenders, WORKERS) };
    },
  },
  R1: {
    title: 'POST /cache READ, the replicated engine against a ring',
    async measure(run, pace) {
      const players = [
        replicated({}),
        ringcache({ name: 'ring', replicas: 0 }),
        replicated({ name: 'replicated, no near cache', near: false }),
      ];
      const contenders = await play(run, 'READ', players, pace);
      return { contenders, goals: [ratio(contenders, 0, 1, 0.95), ratio(contenders, 2, 1, undefined)] };
    },
  },
  R2: {
    title: 'a fourth gateway joins three of the replicated engine',
    needs: ['redis-server'],
    async measure(run, { isQuick }) {
      const entries = isQuick ? ENTRIES_QUICK : ENTRIES;
      const { seconds, p99BeforeMs, p99MeanwhileMs } = await measureJoin(run, entries);
      const label = `${entries.toLocaleString('en')} entries`;
      const goals = [
        atMost(`${label}: ready after`, seconds, 's', JOIN_SECONDS),
        atMost(
          `${label}: p99 of the others meanwhile / before`,
          p99MeanwhileMs / p99BeforeMs,
          '×',
          JOIN_P99_RATIO,
        ),
        atMost(`${label}: p99 of the others before`, p99BeforeMs, 'ms', undefined),
        atMost(`${label}: p99 of the others meanwhile`, p99MeanwhileMs, 'ms', undefined),
      ];
      return { contenders: [], goals };
    },
  },
  R3: {
    title:
      'from the ack of a WRITE to the answer that shows it on two other gateways of the replicated engine',
    needs: ['redis-server'],
    async measure(run, { isQuick }) {
      const sinceAckMs = await measureVisibility(run, isQuick ? WRITES_QUICK : WRITES);
      const goals = [
        atMost('visible, p99', p99(sinceAckMs), 'ms', VISIBLE_MS),
        atMost('visible, median', median(sinceAckMs), 'ms', undefined),
      ];
      return { contenders: [], goals };
    },
  },
  R4: {
    title: 'a snapshot of the memory engine is saved: what others wait for it, and its memory',
    async measure(run, { isQuick, rounds }) {
      const entries = isQuick ? ENTRIES_QUICK : ENTRIES;
      const label = `${entries.toLocaleString('en')} entries`;
      const saved = [];
      for (let round = 1; round <= rounds; round++) {
        run.progress(`save ${round} of ${rounds}`);
        saved.push(await saveSnapshot(run, entries));
      }
      const middle = (name) => median(saved.map((each) => each[name]));
      const goals = [
        atMost(`${label}: longest pause of the event loop`, middle('pauseMs'), 'ms', SAVE_PAUSE_MS),
        atMost(`${label}: longest pause where nothing is saved`, middle('idlePauseMs'), 'ms', undefined),
        atMost(`${label}: memory meanwhile / before`, middle('memoryRatio'), '×', SAVE_MEMORY_RATIO),
        atMost(`${label}: saved in`, middle('seconds'), 's', undefined),
      ];
      return { contenders: [], goals };
    },
  },
};

/** In a process of its own, where nothing else takes memory. */
async function nearOverhead(kind, entries) {
  const words = ['--expose-gc', NEAR_OVERHEAD, kind, String(entries)];
  const { stdout } = await execFileAsync(process.execPath, words, { timeout: OVERHEAD_TIMEOUT_MS });
  return JSON.parse(stdout);
}

/** In a process of its own, which does nothing else. */
async function saveSnapshot({ processes }, entries) {
  const file = path.join(processes.folder, 'snapshot');
  const { stdout } = await execFileAsync(process.execPath, [SAVE_SNAPSHOT, String(entries), file], {
    timeout: SAVE_TIMEOUT_MS,
  });
  return JSON.parse(stdout);
}

function atMost(label, value, unit, goal) {
  return {
    label,
    unit,
    value,
    goal,
    lessIsBetter: true,
    met: goal === undefined ? undefined : value <= goal,
  };
}

/** The service against twemproxy, which the goal is for, and Redis itself, for orientation. */
async function playResp(run, operation, pipeline, near, goal, pace) {
  const players = [respDoor({ near }), twemproxy(), redisItself()];
  const contenders = await play(run, operation, players, pace, redisBenchmark(pipeline));
  const goals = [ratio(contenders, 0, 1, goal), ratio(contenders, 0, 2, undefined)];
  return labelled(`${operation}, pipeline ${pipeline}`, { contenders, goals });
}

function ratio(contenders, subjectAt, baseAt, goal) {
  const { label, skipped, byRate, value } = compare(contenders[subjectAt], contenders[baseAt]);
  if (skipped !== undefined) return { label, skipped };
  return { label, unit: '×', value, goal, byRate, met: goal === undefined ? undefined : value >= goal };
}

/** How many times as much a request costs. */
function growth(contenders, largeAt, smallAt, goal) {
  const { label, skipped, value } = compare(contenders[largeAt], contenders[smallAt]);
  return skipped === undefined ? atMost(label, 1 / value, '×', goal) : { label, skipped };
}

function readsPerSecond({ name, samples }) {
  const value = median(
    samples.map(({ microsPerRequest, requestsPerSecond }) =>
      Number.isNaN(microsPerRequest) ? requestsPerSecond * BATCH : (1e6 / microsPerRequest) * BATCH,
    ),
  );
  return {
    label: `${name}, per core`,
    unit: 'READs/s',
    value,
    goal: READS_PER_SECOND,
    met: value >= READS_PER_SECOND,
  };
}

/** Not pinned: this is how an operator starts it. */
async function startTime(run, label, rounds, nodes) {
  const seconds = [];
  for (let round = 1; round <= rounds; round++) {
    run.progress(`${label}: start ${round} of ${rounds}`);
    const startedMs = performance.now();
    const { server } = await startService(
      run,
      nodes === undefined ? { ENGINE: 'memory' } : { REDIS_NODES: nodes },
      { isPinned: false },
    );
    seconds.push((performance.now() - startedMs) / 1000);
    await server.stop();
  }
  return atMost(label, median(seconds), 's', START_SECONDS);
}

function labelled(label, { contenders, goals }) {
  return {
    contenders: contenders.map((contender) => ({ ...contender, name: `${label}: ${contender.name}` })),
    goals: goals.map((goal) => ({ ...goal, label: `${label}: ${goal.label}` })),
  };
}

function joined(parts) {
  return { contenders: parts.flatMap((part) => part.contenders), goals: parts.flatMap((part) => part.goals) };
}
