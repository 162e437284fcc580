// Fills a near cache of its own with entries of one kind, as they come from an engine, and prints what each takes beside its
// key and value, in bytes, as JSON: `node --expose-gc near-overhead.mjs text|json|bytes ENTRIES`.
import { createRequire } from 'node:module';
import { VALUE_BYTES } from './workload.mjs';

const require = createRequire(import.meta.url);
const dist = (file) => require(`../../../dist/${file}`);
const { Json } = dist('core/command.js');
const { NearCache } = dist('core/near-cache.js');
const { LEASE_WITHOUT_END } = dist('core/ports.js');
const { decodeValue, encodeValue, valueBytes } = dist('core/value.js');
const { systemClock: clock } = dist('lib/clock.js');

const KEY_BYTES = 20;
/** Each entry makes way for another one so often: V8's Map has grown by then, for keys that have gone. */
const TURNS = 2;
const CHECKED = 1000;

/** Each a value of `VALUE_BYTES` with a number in it. */
const KINDS = {
  text: (number) => `the value of ${number} `.padEnd(VALUE_BYTES, '.'),
  json: (number) => new Json(`{"number":${number},"text":"`.padEnd(VALUE_BYTES - 2, '.') + '"}'),
  bytes: (number) => Buffer.alloc(VALUE_BYTES, 0xff).fill(String(number), 0, 10, 'latin1'),
};

const [kind, entriesText] = process.argv.slice(2);
const entries = Number(entriesText);
/** Keys and values are cut out of this, as out of a packet. */
const packet = Buffer.alloc(1024);

// What is compiled and loaded once is not the entries'.
fill(new NearCache({ entries: 10, bytes: Infinity, ttlMs: 1e9, clock }), 0, 1000);

const before = memory();
const near = new NearCache({ entries, bytes: Infinity, ttlMs: 1e9, clock });
fill(near, 0, entries);
const full = memory();
check(0);
fill(near, entries, TURNS * entries);
const turnedOver = memory();
check(TURNS * entries);
console.log(
  JSON.stringify({
    heap: perEntry(full.heap - before.heap),
    resident: perEntry(full.resident - before.resident),
    turnedOver: perEntry(turnedOver.heap - before.heap),
  }),
);

function fill(into, from, count) {
  for (let number = from; number < from + count; number += 1) {
    const key = keyOf(number);
    const end = encodeValue(key, KINDS[kind](number), undefined).copy(packet, KEY_BYTES) + KEY_BYTES;
    const value = decodeValue(key, packet.subarray(KEY_BYTES, end), undefined);
    into.fill(into.takeTicket(key), value, Infinity, LEASE_WITHOUT_END);
  }
}

function keyOf(number) {
  packet.write(`user:${String(number).padStart(KEY_BYTES - 5, '0')}`, 0, 'latin1');
  return packet.toString('latin1', 0, KEY_BYTES);
}

/** All entries are there, and those that are looked at have their values. */
function check(from) {
  if (near.status().entries !== entries) throw new Error(`${near.status().entries} of ${entries} entries`);
  for (let number = from; number < from + entries; number += Math.ceil(entries / CHECKED)) {
    const key = keyOf(number);
    const value = near.get(key);
    const expected = KINDS[kind](number);
    const isRight =
      value !== undefined &&
      value.constructor === expected.constructor &&
      valueBytes(value) === VALUE_BYTES &&
      encodeValue(key, value, undefined).equals(encodeValue(key, expected, undefined));
    if (!isRight) throw new Error(`a wrong value of ${key}`);
  }
}

function memory() {
  for (let time = 0; time < 3; time += 1) globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

function perEntry(bytes) {
  return bytes / entries - KEY_BYTES - VALUE_BYTES;
}
