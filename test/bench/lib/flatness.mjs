// The service as it grows: how much a READ costs with so many keys, shards and clients. What a run asks is spread over all of
// them, and is never more than `ASKED_MAX` different requests.
import { createRequire } from 'node:module';
import { checkSample, JSON_TYPE, login } from './checks.mjs';
import { startService } from './contenders.mjs';
import { ask, requestBytes } from './exchange.mjs';
import { startRedis } from './redis.mjs';
import { valueOfKey } from './workload.mjs';

const require = createRequire(import.meta.url);
const { createApiKey, hashSecret } = require('../../../dist/auth/api-key.js');
const { createClientsFile } = require('../../../dist/auth/clients-file.js');

const ASKED_MAX = 100_000;
/** Commands in a request while it is filled, and requests at a time. */
const BATCH = 500;
const BATCHES_AT_A_TIME = 20;
/** Shares no factor with any number of keys here, so that keys are asked for in an order that memory does not know. */
const STRIDE = 618_033;
const GIB = String(2 ** 30);

/**
 * A contender of `play`. `shards` 0: the memory engine, and all keys are in the near cache; else so many Redis servers, whose
 * processor time is not counted, and no near cache. `asked`: how many of the keys the load asks for.
 */
export function grownTo({ name, keys = 1000, asked = Math.min(keys, ASKED_MAX), shards = 0, clients = 1 }) {
  return {
    name,
    needs: shards === 0 ? [] : ['redis-server'],
    async open(run) {
      const redis = [];
      // Their time is not counted, so they do not take turns with the gateway either.
      const elsewhere = { ...run, cores: { ...run.cores, server: run.cores.load } };
      for (let count = 0; count < shards; count += 1) redis.push(await startRedis(elsewhere, 0));
      const { text, apiKeys } = clientsFile(clients);
      const file = `clients-${name.replaceAll(/\W+/g, '-')}.json`;
      const { server, endpoint } = await startService(run, {
        CLIENTS_FILE: run.processes.file(file, text),
        NEAR_TTL_SECONDS: '3600',
        ...(shards === 0
          ? { ENGINE: 'memory', MEMORY_BYTES: GIB, NEAR_BYTES: GIB, NEAR_ENTRIES: String(keys) }
          : { REDIS_NODES: nodesSetting(redis), NEAR_ENTRIES: '0' }),
      });
      const tokens = await login(endpoint, apiKeys);
      const headersOf = (number) => ({
        ...JSON_TYPE,
        Authorization: `Bearer ${tokens[number % tokens.length]}`,
      });
      await fill(endpoint, headersOf(0), keys, run.progress, name);

      const indexOf = (number) => (number * STRIDE) % keys;
      const requests = Array.from({ length: Math.max(asked, clients) }, (_, number) =>
        requestBytes(
          'POST',
          '/cache',
          headersOf(number),
          JSON.stringify({ command: 'READ', key: keyOf(indexOf(number % asked)) }),
        ),
      );
      const source = shards === 0 ? 'detail=near' : 'detail=master';
      return {
        endpoint,
        pids: [server.pid],
        requests: () => requests,
        check: () =>
          checkSample(
            endpoint,
            requests,
            ({ json, head }, number) =>
              json.value === valueOfKey(keyOf(indexOf(number % asked))) && head.includes(source),
          ),
      };
    },
  };
}

function keyOf(index) {
  return `key:${String(index).padStart(7, '0')}`;
}

function nodesSetting(redis) {
  return redis.map(({ masterPort }, at) => `s${at}=redis://127.0.0.1:${masterPort}`).join(';');
}

/** A clients file with so many clients, and their keys. */
function clientsFile(count) {
  const file = createClientsFile();
  const apiKeys = Array.from({ length: count }, createApiKey);
  const clients = apiKeys.map(({ clientId, secret }, at) => ({
    id: clientId,
    name: `client-${String(at).padStart(4, '0')}`,
    hash: hashSecret(secret, file.hash_key).toString('hex'),
    scopes: ['read', 'write'],
    prefixes: [],
    created: new Date().toISOString(),
    expires: null,
  }));
  return { text: JSON.stringify({ ...file, clients }), apiKeys: apiKeys.map(({ text }) => text) };
}

/** Writes all values and reads them again, which fills the near cache where there is one. */
async function fill(endpoint, headers, keys, progress, name) {
  const batch = (from, commandOf) =>
    requestBytes(
      'POST',
      '/cache',
      headers,
      JSON.stringify(Array.from({ length: Math.min(BATCH, keys - from) }, (_, at) => commandOf(from + at))),
    );
  for (let begin = 0; begin < keys; begin += BATCH * BATCHES_AT_A_TIME) {
    const starts = Array.from({ length: BATCHES_AT_A_TIME }, (_, at) => begin + at * BATCH);
    const batches = starts.filter((from) => from < keys);
    progress(`${name}: filling, ${begin.toLocaleString('en')} of ${keys.toLocaleString('en')}`);
    await ask(
      endpoint,
      batches.map((from) =>
        batch(from, (index) => ({ command: 'WRITE', key: keyOf(index), value: valueOfKey(keyOf(index)) })),
      ),
    );
    const replies = await ask(
      endpoint,
      batches.map((from) => batch(from, (index) => ({ command: 'READ', key: keyOf(index) }))),
    );
    const values = replies.flatMap(({ body }) => JSON.parse(body).map(({ value }) => value));
    const wrongAt = values.findIndex((value, at) => value !== valueOfKey(keyOf(begin + at)));
    if (wrongAt >= 0) throw new Error(`${keyOf(begin + wrongAt)} cannot be read back`);
  }
}
