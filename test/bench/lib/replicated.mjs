// Gateways with ENGINE=replicated on one bus: as a contender, and what only a group of them can show.
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { checkPosts, fill, isReadRight, JSON_TYPE, login, postRequests, untilRight } from './checks.mjs';
import { startService } from './contenders.mjs';
import { startRedis } from './redis.mjs';
import { valueOfKey } from './workload.mjs';

/** Commands in one request. */
const FILL_BATCH = 250;
const FILL_ATTEMPTS = 5;
/** Questions a second to each gateway while another joins. */
const PROBE_RATE = 100;
/** How long the others are watched before somebody joins. */
const WATCH_SECONDS = 10;
const JOIN_SECONDS_MAX = 120;
const VISIBLE_MS_MAX = 2000;

/**
 * One gateway and its bus; a second gateway is there too, so that there is somebody to talk to, and counts for nothing. The
 * near cache stands in front of this engine as of all others; `near` false: the engine answers.
 */
export function replicated({ name = 'replicated', near = true }) {
  return {
    name,
    needs: ['redis-server'],
    async open(run) {
      const group = await openGroup(run, 2, near ? {} : { NEAR_ENTRIES: '0' });
      const [gateway] = group.gateways;
      const { endpoint, headers } = gateway;
      const requests = (operation) => postRequests(operation, headers);
      await fill(endpoint, requests('WRITE'));
      await untilRight(endpoint, requests('READ'), isReadRight());
      const cameFrom = near
        ? ({ head }) => head.includes('detail=near')
        : ({ head }) => head.includes('detail=master');
      return {
        endpoint,
        pids: [gateway.server.pid, ...group.bus.pids],
        requests,
        check: (operation) => checkPosts(endpoint, requests, operation, cameFrom),
      };
    },
  };
}

/**
 * How long it takes from the start of a fourth gateway until it is ready, where three hold `entries`, and what p99 of
 * READs and WRITEs on those three was before and is meanwhile. None is pinned; the fourth is nice, for it would have
 * a machine of its own.
 */
export async function measureJoin(run, entries) {
  const group = await openGroup(run, 3, {}, { isPinned: false });
  await fillMany(run, group.gateways[0], entries);
  run.progress('waiting until all three have them');
  for (const gateway of group.gateways) await untilThere(gateway, keyOf(entries - 1));
  const probes = await Promise.all(group.gateways.map((gateway) => openProbe(gateway, entries)));
  run.progress('watching the three');
  const before = await whileProbing(probes, () => pause(WATCH_SECONDS * 1000));
  run.progress('a fourth joins');
  const startedMs = performance.now();
  let seconds;
  const meanwhile = await whileProbing(probes, async () => {
    const fourth = await group.join({ niceness: 19, withinMs: JOIN_SECONDS_MAX * 1000 });
    seconds = (performance.now() - startedMs) / 1000;
    await untilThere(fourth, keyOf(entries - 1), 0);
    await untilThere(fourth, keyOf(0), 0);
  });
  for (const probe of probes) probe.close();
  return { seconds, p99BeforeMs: p99(before), p99MeanwhileMs: p99(meanwhile) };
}

/** Milliseconds from the ack of a WRITE on one gateway to the answer of the first READ on each of two others that shows it. */
export async function measureVisibility(run, writes) {
  const group = await openGroup(run, 3, {}, { isPinned: false });
  const [writer, ...readers] = await Promise.all(group.gateways.map((gateway) => openCaller(gateway)));
  const sinceAckMs = [];
  for (let number = 0; number < writes; number++) {
    if (number % 100 === 0) run.progress(`write ${number} of ${writes}`);
    const value = `value ${number}`;
    await writer.command({ command: 'WRITE', key: 'seen', value });
    const ackedMs = performance.now();
    sinceAckMs.push(
      ...(await Promise.all(
        readers.map(async (reader) => {
          while (performance.now() - ackedMs < VISIBLE_MS_MAX) {
            if ((await reader.command({ command: 'READ', key: 'seen' })).value === value)
              return performance.now() - ackedMs;
          }
          throw new Error(`a write was not seen within ${VISIBLE_MS_MAX} ms`);
        }),
      )),
    );
    // What the readers have in hand is over, and the next write finds everybody at rest.
    await pause(2);
  }
  for (const caller of [writer, ...readers]) caller.close();
  return sinceAckMs.slice(Math.floor(sinceAckMs.length / 10));
}

export function p99(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? NaN;
}

async function openGroup(run, count, settings, options) {
  const bus = await startRedis(run, 0);
  const shared = {
    ...{ ENGINE: 'replicated', REPLICATION_BUS: 'redis' },
    ...{ REPLICATION_URL: `redis://127.0.0.1:${bus.masterPort}`, ...settings },
  };
  const gateways = [];
  const join = async (more) => {
    const { server, endpoint, apiKey } = await startService(run, shared, { ...options, ...more });
    const [token] = await login(endpoint, [apiKey]);
    const gateway = { server, endpoint, headers: { ...JSON_TYPE, Authorization: `Bearer ${token}` } };
    gateways.push(gateway);
    return gateway;
  };
  for (let number = 0; number < count; number++) await join();
  return { bus, gateways, join };
}

function keyOf(index) {
  return `entry:${String(index).padStart(7, '0')}`;
}

async function fillMany(run, gateway, entries) {
  const caller = await openCaller(gateway);
  for (let first = 0; first < entries; first += FILL_BATCH) {
    if (first % 100_000 === 0) run.progress(`${first} of ${entries} entries`);
    const batch = Array.from({ length: Math.min(FILL_BATCH, entries - first) }, (_, at) => ({
      ...{ command: 'WRITE', key: keyOf(first + at) },
      value: valueOfKey(keyOf(first + at)),
    }));
    await untilStored(caller, batch);
  }
  caller.close();
}

/** Who writes as fast as this meets the service's deadline now and then, where the machine is busy. */
async function untilStored(caller, commands) {
  for (let attempt = 1; ; attempt++) {
    const replies = await caller.command(commands);
    const refused = [replies].flat().find(({ status }) => status !== 'SUCCESS');
    if (refused === undefined) return;
    if (attempt === FILL_ATTEMPTS) throw new Error(`an entry was not stored: ${refused.message}`);
  }
}

async function untilThere(gateway, key, withinMs = 60_000) {
  const caller = await openCaller(gateway);
  const deadlineMs = performance.now() + withinMs;
  while ((await caller.command({ command: 'READ', key })).status !== 'SUCCESS') {
    if (performance.now() > deadlineMs) throw new Error(`${key} is not there`);
    await pause(50);
  }
  caller.close();
}

/** Asks at a steady pace while `work` is at work; milliseconds of each answer. */
async function whileProbing(probes, work) {
  let isOver = false;
  const latencies = [];
  const asking = probes.map(async (probe) => {
    let dueMs = performance.now();
    while (!isOver) {
      dueMs += 1000 / PROBE_RATE;
      // By the time at which it was to be asked: who is held up does not get away with asking less.
      const askedMs = dueMs;
      await pause(Math.max(0, dueMs - performance.now()));
      await probe.ask();
      latencies.push(performance.now() - askedMs);
    }
  });
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
  return latencies;
}

/** Four READs, then a WRITE. */
async function openProbe(gateway, entries) {
  const caller = await openCaller(gateway);
  let asked = 0;
  return {
    async ask() {
      asked += 1;
      const key = keyOf((asked * 7919) % entries);
      const reply = await caller.command(
        asked % 5 === 0 ? { command: 'WRITE', key, value: `new ${asked}` } : { command: 'READ', key },
      );
      if (reply.status !== 'SUCCESS') throw new Error(`a wrong answer: ${JSON.stringify(reply)}`);
    },
    close: caller.close,
  };
}

/** One kept-alive connection. */
async function openCaller({ endpoint, headers }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: endpoint.ca });
  return {
    async command(command) {
      const body = JSON.stringify(command);
      const outgoing = request({
        ...{ agent, host: '127.0.0.1', servername: 'localhost', port: endpoint.port },
        ...{ method: 'POST', path: '/cache' },
        headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
        signal: AbortSignal.timeout(10_000),
      });
      outgoing.end(body);
      const [incoming] = await once(outgoing, 'response');
      const parts = await incoming.toArray();
      return JSON.parse(Buffer.concat(parts).toString());
    },
    close: () => agent.destroy(),
  };
}
