// One run of load on one contender: wrk where it is installed, else our own generator, on the core of the load.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findCommand, pinned, processorMs } from './machine.mjs';

const execute = promisify(execFile);

export const CONNECTIONS = 50;
/** Beyond the seconds of the run: for handshakes at its beginning and the last replies at its end. */
export const GRACE_MS = 10_000;
/** All replies of a kind are of one size, but the last ones of a run are cut off. */
const SIZE_TOLERANCE = 0.03;

/** Which generator this machine has. */
export function generatorName() {
  return findCommand('wrk') === undefined ? 'Node (test/bench/lib/generator.mjs)' : 'wrk';
}

/** For `play`: requests over HTTPS. What it gives runs the load for so many seconds and gives what `runLoad` gives. */
export async function prepareHttps(run, open, operation, replyBytes) {
  const file = writeRequests(run, `requests-${open.endpoint.port}`, open.requests(operation));
  return (seconds) => runLoad(run, open, file, replyBytes, seconds);
}

/** Writes requests to a file in the form that both generators read. */
function writeRequests(run, name, requests) {
  const parts = requests.flatMap((request) => [`${request.length}\n`, request, '\n']);
  return run.processes.file(name, Buffer.concat(parts.map((part) => Buffer.from(part))));
}

/**
 * Asks for `seconds` and gives requests per second, the servers' processor time per request in µs (NaN where the
 * system does not tell), the part of the run in which they were at work, and latencies.
 * @throws Error when a reply failed, or the replies were not of `replyBytes` each: a fast wrong answer is no result
 */
async function runLoad(run, contender, requestsFile, replyBytes, seconds) {
  const usedBeforeMs = usedMs(contender);
  const result = await generate(run, contender.endpoint.port, requestsFile, seconds);
  const serverMs = usedMs(contender) - usedBeforeMs;

  const { requests, bytes, failures, elapsedMs } = result;
  if (failures > 0 || requests === 0) throw new Error(`${failures} of ${requests} requests failed`);
  if (Math.abs(bytes / requests / replyBytes - 1) > SIZE_TOLERANCE) {
    throw new Error(`wrong answers: ${Math.round(bytes / requests)} bytes each, not ${replyBytes}`);
  }
  return {
    requestsPerSecond: (requests / elapsedMs) * 1000,
    microsPerRequest: (serverMs * 1000) / requests,
    serverBusy: serverMs / elapsedMs,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
  };
}

/** Processor time that a contender's servers have used. */
export function usedMs({ pids }) {
  return pids.reduce((sum, pid) => sum + processorMs(pid), 0);
}

async function generate(run, port, requestsFile, seconds) {
  const wrk = findCommand('wrk');
  const [command, args] =
    wrk === undefined
      ? [
          process.execPath,
          [
            fileURLToPath(new URL('generator.mjs', import.meta.url)),
            ...[port, seconds, CONNECTIONS, requestsFile, run.certFile].map(String),
          ],
        ]
      : [
          wrk,
          [
            ...['-t', '1', '-c', String(CONNECTIONS), '-d', `${seconds}s`, '--timeout', '2s'],
            ...['-s', fileURLToPath(new URL('wrk.lua', import.meta.url)), `https://127.0.0.1:${port}`],
            ...['--', requestsFile],
          ],
        ];
  const { stdout } = await execute(...pinned(run.cores.load, command, args), {
    timeout: seconds * 1000 + GRACE_MS,
  });
  const line = stdout.split('\n').find((text) => text.startsWith('{"requests"'));
  if (line === undefined) throw new Error(`the load generator said: ${stdout}`);
  return JSON.parse(line);
}
