// Fills the memory engine, saves a snapshot of it, and prints what that cost as JSON: `node save-snapshot.mjs ENTRIES FILE`.
// A pause is the time between two turns of an event loop that has nothing else to do.
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { VALUE_BYTES } from './workload.mjs';

const require = createRequire(import.meta.url);
const dist = (file) => require(`../../../dist/${file}`);
const { openMemory } = dist('engines/memory.js');
const { systemClock: clock } = dist('lib/clock.js');
const { createSnapshots } = dist('snapshot/snapshots.js');

const IDLE_MS = 2000;
const ignore = () => undefined;

const [entries, file] = [Number(process.argv[2]), process.argv[3]];
const engine = openMemory({ bytesMax: Infinity, clock });
for (let at = 0; at < entries; at += 1) {
  const ttlMs = at % 2 === 0 ? 0 : 3_600_000;
  await engine.write(`key:${at}`, Buffer.alloc(VALUE_BYTES, at), { ttlMs, ack: 0, deadlineMs: Infinity });
}
const log = { debug: ignore, info: ignore, warn: console.error, error: console.error, request: ignore };
const snapshots = createSnapshots({ file, intervalMs: 1e9, clock, log });
snapshots.begin('entries', engine.content, () => true);

await pause(IDLE_MS);
const idle = await watched(() => pause(IDLE_MS));
const bytesBefore = process.memoryUsage.rss();
const saving = await watched(() => snapshots.save());
console.log(
  JSON.stringify({
    idlePauseMs: idle.pauseMs,
    pauseMs: saving.pauseMs,
    memoryRatio: saving.bytes / bytesBefore,
    seconds: saving.result.durationMs / 1000,
  }),
);
process.exit();

/** The longest pause, and the most memory, while `act` is under way. */
async function watched(act) {
  let pauseMs = 0;
  let bytes = 0;
  let isOver = false;
  let lastMs = performance.now();
  const turn = () => {
    const nowMs = performance.now();
    pauseMs = Math.max(pauseMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(turn);
  };
  const looking = setInterval(() => (bytes = Math.max(bytes, process.memoryUsage.rss())), 10);
  turn();
  const result = await act();
  isOver = true;
  clearInterval(looking);
  return { result, pauseMs, bytes };
}
