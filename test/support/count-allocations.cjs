// Prints, as JSON, how many bytes of the heap one operation of each hot path allocates. To be run on the built service with
// --expose-gc and a young generation, from its beginning, so large that nothing is collected while it counts: what the heap
// grows by is then what was allocated, whatever the machine.
const { once } = require('node:events');
const { connect } = require('node:net');
const { performance, PerformanceObserver } = require('node:perf_hooks');
const path = require('node:path');

const dist = (name) => require(path.join(__dirname, '../../dist', name));
const { Cache } = dist('core/cache');
const { Grants } = dist('core/grants');
const { NearCache } = dist('core/near-cache');
const { createApp } = dist('doors/http/app');
const { parsePlainHead } = dist('doors/http/fast/plain-head');
const { PlainRequest, PlainResponse } = dist('doors/http/fast/plain-messages');
const { openRespListener } = dist('doors/resp/listener');
const { createSession } = dist('doors/resp/session');
const { openMemory } = dist('engines/memory');
const { systemClock: clock } = dist('lib/clock');
const { openMetrics } = dist('telemetry/metrics');

const KEYS = 1000;
const BATCH = 100;
const PIPELINE = 64;
const WARM_UP = 20_000;
const COUNTED = 20_000;
const ATTEMPTS = 5;

const silent = { debug() {}, info() {}, warn() {}, error() {}, request() {} };
const principal = { id: 'id', name: 'name', grants: new Grants(['read', 'write'], []) };
const access = {
  login: () => undefined,
  verify: () => principal,
  admit: () => ({ expiresAtMs: Infinity, principal: () => principal }),
};
const limits = {
  keyBytesMax: 1024,
  valueBytesMax: 1024 * 1024,
  batchMax: 1000,
  depthMax: 32,
  requestTimeoutMs: 2000,
};
const keyOf = (index) => `key:${String(index % KEYS).padStart(4, '0')}`;

/** Bytes per operation; `run` does so many. The least of some attempts: what happens beside it only adds. */
async function allocatedBy(run) {
  await run(WARM_UP);
  let least = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    globalThis.gc();
    const startMs = performance.now();
    let collections = 0;
    const observer = new PerformanceObserver((list) => {
      collections += list.getEntries().filter(({ startTime }) => startTime > startMs).length;
    });
    observer.observe({ entryTypes: ['gc'] });
    const before = process.memoryUsage().heapUsed;
    await run(COUNTED);
    const bytes = (process.memoryUsage().heapUsed - before) / COUNTED;
    // Node notes a collection in the next turn, and tells of it in the one behind.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    observer.disconnect();
    if (collections === 0) least = Math.min(least, bytes);
  }
  if (least === Infinity) throw new Error('there was a collection in each attempt');
  return Math.round(least);
}

async function main() {
  // As an engine over Redis has it: near hits ask nobody, but without it GET goes another way.
  const relay = { shardCount: 1, placeOf: () => 0, shardOf: () => 0 };
  const engine = { ...openMemory({ bytesMax: 64 * 1024 * 1024, clock }), relay };
  const near = new NearCache({ entries: 10_000, bytes: 64 * 1024 * 1024, ttlMs: 300_000, clock });
  const metrics = openMetrics({ clock, engine, near });
  const cache = new Cache({
    engine,
    near,
    cipher: undefined,
    encryptByDefault: false,
    defaultTtlMs: 0,
    coherence: 'none',
    clock,
  });
  const shared = { cache, access, limits, clock, log: silent, maxInFlight: 1024 };
  for (let index = 0; index < KEYS; index++) {
    const write = { command: 'WRITE', key: keyOf(index), value: 'v'.repeat(100), ack: 0 };
    await cache.execute(principal, write, performance.now() + 2000);
    await cache.execute(principal, read(keyOf(index)), performance.now() + 2000);
  }

  const { fast } = createApp({
    ...shared,
    sessionTokens: undefined,
    encryptionConfigured: false,
    observer: metrics.observerFor('http'),
    telemetry: metrics,
    isDraining: () => false,
    corsOrigins: [],
    hasFastPath: true,
  });
  const respListener = await openRespListener({
    ...shared,
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    maxConnections: 10,
    observer: metrics.observerFor('resp'),
    createSession,
    hasShortWay: true,
  });
  const results = {
    'core READ': await allocatedBy((count) => {
      for (let at = 0; at < count; at++) cache.execute(principal, read(keys[at % KEYS]), Infinity);
    }),
    'HTTP READ': await allocatedBy((count) => ask(fast, requests, count)),
    'HTTP READ of a batch': await allocatedBy((count) => ask(fast, batches, count / BATCH)),
    'RESP GET of a pipeline': await allocatedBy(await pipelineTo(respListener.port)),
  };
  console.log(JSON.stringify(results));
  await respListener.close();
}

function read(key) {
  return { command: 'READ', key, consistency: 'eventual' };
}

const keys = Array.from({ length: KEYS }, (_, index) => keyOf(index));
const requests = keys.map((key) => requestOf(read(key)));
const batches = Array.from({ length: KEYS / BATCH }, (_, at) =>
  requestOf(keys.slice(at * BATCH, (at + 1) * BATCH).map(read)),
);

/** As `FastPath` hands it over. */
function requestOf(command) {
  const short = JSON.stringify(command, ['command', 'key']);
  const text = `POST /cache HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer t\r\nContent-Length: ${short.length}\r\n\r\n${short}`;
  const bytes = Buffer.from(text);
  const plain = parsePlainHead(bytes);
  return { head: plain.head, body: bytes.subarray(plain.bytes) };
}

function ask(fast, all, count) {
  return new Promise((resolve) => {
    let answered = 0;
    const sink = {
      isGone: false,
      answer: () => {
        answered += 1;
        if (answered === count) resolve();
        else if (answered % 10 === 0) next();
      },
    };
    function next() {
      for (let at = 0; at < 10; at++) {
        const { head, body } = all[at % all.length];
        fast(new PlainRequest(head, body), new PlainResponse(sink));
      }
    }
    next();
  });
}

/** Over a socket, one packet of GETs after the other. */
async function pipelineTo(port) {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let wanted = 0;
  let done = () => undefined;
  socket.on('data', (bytes) => {
    wanted -= bytes.length;
    if (wanted === 0) done();
  });
  const say = (text, replyBytes) =>
    new Promise((resolve) => {
      wanted = replyBytes;
      done = resolve;
      socket.write(text, 'latin1');
    });
  await say('*2\r\n$4\r\nAUTH\r\n$1\r\nt\r\n', '+OK\r\n'.length);
  const gets = keys.slice(0, PIPELINE).map((key) => `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
  const text = gets.join('');
  const replyBytes = PIPELINE * (`$100\r\n`.length + 100 + 2);
  return async (count) => {
    for (let at = 0; at < count; at += PIPELINE) await say(text, replyBytes);
  };
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
