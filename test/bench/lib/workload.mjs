// What all contenders are asked, so that their figures compare: 1,000 keys, a value of 100 bytes each, every value
// its own, so that an answer to another question is seen.

export const KEYS = 1000;
export const VALUE_BYTES = 100;
export const BATCH = 100;

/** All of one length, so that all replies of a kind are: `load.mjs` holds the bytes received to that. */
export function keyOf(index) {
  return `key:${String(index).padStart(4, '0')}`;
}

export function valueOf(index) {
  return valueOfKey(keyOf(index));
}

export function valueOfKey(key) {
  return `the value of ${key} `.padEnd(VALUE_BYTES, '.');
}

/** The command of `POST /cache`. */
export function commandOf(operation, index) {
  return operation === 'WRITE'
    ? { command: 'WRITE', key: keyOf(index), value: valueOf(index) }
    : { command: 'READ', key: keyOf(index) };
}

/** The indexes of the keys that request number `number` of an operation asks for. */
export function keysOf(operation, number) {
  return operation === 'BATCH' ? Array.from({ length: BATCH }, (_, at) => number * BATCH + at) : [number];
}

/** How many different requests an operation has; `READ`, `WRITE`, or `BATCH`, an array of READs. */
export function requestCount(operation) {
  return operation === 'BATCH' ? KEYS / BATCH : KEYS;
}
