// One run of load in the Redis protocol: redis-benchmark, on the core of the load.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CONNECTIONS, GRACE_MS, usedMs } from './load.mjs';
import { findCommand, pinned } from './machine.mjs';
import { KEYS, valueOf } from './workload.mjs';

const execute = promisify(execFile);

/** Requests of the first run, which tells how many fill the seconds that are asked for. */
const FIRST_REQUESTS = 50_000;
/** A run that finds the near cache closed for so large a part of it is no run of near hits. */
const MISSED_PART_MAX = 0.01;

/**
 * For `play`: `commands` in one packet from each of the connections, GETs or SETs of keys taken at random. Samples are
 * those of `runLoad`. redis-benchmark ends with 1 at the first reply that is an error.
 */
export function redisBenchmark(commands) {
  return async (run, open, operation) => {
    let perSecond;
    const words = operation === 'SET' ? ['SET', 'key:__rand_int__', valueOf(0)] : ['GET', 'key:__rand_int__'];
    const generate = async (requests) => {
      const args = [
        ...['-p', String(open.port), ...(open.apiKey === undefined ? [] : ['-a', open.apiKey])],
        ...['-c', String(CONNECTIONS), '-P', String(commands), '-n', String(requests), '-r', String(KEYS)],
        ...['--csv', ...words],
      ];
      const { stdout } = await execute(...pinned(run.cores.load, findCommand('redis-benchmark'), args), {
        timeout: 60_000 + GRACE_MS,
      });
      return parseCsv(stdout);
    };

    return async (seconds) => {
      perSecond ??= (await generate(FIRST_REQUESTS)).requestsPerSecond;
      const requests = Math.ceil(perSecond * seconds);
      const hitsBefore = await open.nearHits?.();
      const usedBeforeMs = usedMs(open);
      const result = await generate(requests);
      const serverMs = usedMs(open) - usedBeforeMs;
      if (hitsBefore !== undefined) {
        const missed = requests - ((await open.nearHits()) - hitsBefore);
        if (missed > requests * MISSED_PART_MAX)
          throw new Error(`${missed} of ${requests} were no near hits`);
      }
      ({ requestsPerSecond: perSecond } = result);
      return {
        ...result,
        microsPerRequest: (serverMs * 1000) / requests,
        serverBusy: (serverMs / 1000 / requests) * result.requestsPerSecond,
      };
    };
  };
}

/** The one line below the head: name, requests/s, average, least, p50, p95, p99 and longest time in ms. */
function parseCsv(text) {
  const figures = /^"(?:GET|SET).*?",(.*)$/m
    .exec(text)?.[1]
    ?.split(',')
    .map((cell) => Number(cell.slice(1, -1)));
  if (figures === undefined || figures.some(Number.isNaN)) throw new Error(`redis-benchmark said: ${text}`);
  const [requestsPerSecond, , , p50Ms, , p99Ms] = figures;
  return { requestsPerSecond, p50Ms, p99Ms };
}
