// Who runs against whom in the Redis protocol, in the clear: the service, twemproxy, and Redis with nothing before it.
import { login, nearHitsReader } from './checks.mjs';
import { startService } from './contenders.mjs';
import { findCommand } from './machine.mjs';
import { freePort } from './processes.mjs';
import { startRedis } from './redis.mjs';
import { askResp, commandBytes } from './resp-exchange.mjs';
import { KEYS, valueOf } from './workload.mjs';

/** Of keys that are looked at before and after a measurement. */
const SAMPLE = 25;
/** Twice as many rounds as any replica, or announcement, needed so far. */
const ATTEMPTS = 40;

/** As redis-benchmark spells `key:__rand_int__`. */
function respKeyOf(index) {
  return `key:${String(index).padStart(12, '0')}`;
}

/** The service over one Redis; `near` false turns its near cache off. */
export function respDoor({ near }) {
  return {
    name: 'ringcache',
    needs: ['redis-server', 'redis-benchmark'],
    async open(run) {
      const redis = await startRedis(run, 0);
      const port = await freePort();
      const { server, endpoint, apiKey } = await startService(run, {
        REDIS_NODES: redis.setting,
        RESP_PORT: String(port),
        ...(near ? {} : { NEAR_ENTRIES: '0' }),
      });
      const [token] = await login(endpoint, [apiKey]);
      const nearHits = nearHitsReader(endpoint, token);
      const open = respEndpoint(port, apiKey, [server.pid, ...redis.pids]);
      await open.fill();
      if (near) await untilNear(open, nearHits);
      return { ...open, nearHits: near ? nearHits : undefined };
    },
  };
}

/** Debian's nutcracker over one Redis, both as they come. */
export function twemproxy() {
  return {
    name: 'twemproxy → Redis',
    needs: ['nutcracker', 'redis-server', 'redis-benchmark'],
    async open(run) {
      const redis = await startRedis(run, 0);
      const [port, statsPort] = [await freePort(), await freePort()];
      const server = run.processes.start(run.cores.server, findCommand('nutcracker'), [
        ...['-c', run.processes.file(`nutcracker-${port}.yml`, twemproxyConfig(port, redis.masterPort))],
        ...['-s', String(statsPort), '-a', '127.0.0.1'],
      ]);
      const open = respEndpoint(port, undefined, [server.pid, ...redis.pids]);
      await server.started(async () => {
        await open.fill();
        return true;
      });
      return open;
    },
  };
}

export function redisItself() {
  return {
    name: 'Redis itself',
    needs: ['redis-server', 'redis-benchmark'],
    async open(run) {
      const redis = await startRedis(run, 0);
      const open = respEndpoint(redis.masterPort, undefined, redis.pids);
      await open.fill();
      return open;
    },
  };
}

function respEndpoint(port, apiKey, pids) {
  const askAll = async (commands) => {
    const auth = apiKey === undefined ? [] : [commandBytes('AUTH', apiKey)];
    return (await askResp(port, [...auth, ...commands])).slice(auth.length);
  };
  const numbers = Array.from({ length: KEYS }, (_, index) => index);
  const sample = numbers.filter((number) => number % (KEYS / SAMPLE) === 0);
  const get = (some) => askAll(some.map((index) => commandBytes('GET', respKeyOf(index))));
  return {
    port,
    apiKey,
    pids,
    readAll: () => get(numbers),
    fill: () => askAll(numbers.map((index) => commandBytes('SET', respKeyOf(index), valueOf(index)))),
    /** Whether replies are right: those to GETs of what was filled in, and to a SET and a GET behind it. */
    async check(operation) {
      if (operation === 'SET') {
        await askAll(sample.map((index) => commandBytes('SET', respKeyOf(index), valueOf(index))));
      }
      (await get(sample)).forEach((value, at) => {
        if (value !== valueOf(sample[at])) throw new Error(`a wrong answer: ${value}`);
      });
    },
  };
}

/** Until every key is answered by the near cache. */
async function untilNear(open, nearHits) {
  for (let attemptsLeft = ATTEMPTS; attemptsLeft > 0; attemptsLeft--) {
    const before = await nearHits();
    await open.readAll();
    if ((await nearHits()) - before >= KEYS) return;
  }
  throw new Error('the near cache does not fill');
}

function twemproxyConfig(port, redisPort) {
  return `bench:
  listen: 127.0.0.1:${port}
  hash: md5
  distribution: ketama
  redis: true
  preconnect: true
  servers:
   - 127.0.0.1:${redisPort}:1 main
`;
}
