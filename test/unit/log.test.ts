import { pbkdf2 } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogLevel, openLog } from '../../src/telemetry/log';

const UNKNOWN = {
  client: undefined,
  address: undefined,
  command: undefined,
  commands: undefined,
  source: undefined,
  status: undefined,
  cause: undefined,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'ringcache-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a log of this level has written by the time it is closed. */
function written(level: LogLevel, use: (log: ReturnType<typeof openLog>) => void): Record<string, unknown>[] {
  const file = path.join(folder, 'log');
  const fd = openSync(file, 'w');
  const log = openLog(level, fd);
  use(log);
  log.close();
  const text = readFileSync(file, 'utf8');
  closeSync(fd);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('closing writes what was logged to the last line, in order', () => {
  const lines = written('info', (log) => {
    for (let n = 0; n < 5000; n += 1) log.info({ n, filler: 'x'.repeat(100) }, 'line');
  });
  expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 5000 }, (_, n) => n));
});

it('closing leaves no line to the threads that write, which the end of the process does not wait for', () => {
  // Each of them has work for longer than this test takes.
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  for (let n = 0; n < threads; n += 1) pbkdf2('', '', 100_000, 64, 'sha512', () => undefined);
  expect(written('info', (log) => log.info({}, 'the last words'))).toHaveLength(1);
});

it('a line has its level, time, message and fields, and no host or process', () => {
  const [line] = written('info', (log) => log.warn({ node: 'a' }, 'lost'));
  expect(line).toEqual({ level: 40, time: expect.any(Number), node: 'a', msg: 'lost' });
});

it('what is below the level is not written', () => {
  const lines = written('warn', (log) => {
    log.debug({}, 'debug');
    log.info({}, 'info');
    log.warn({}, 'warn');
    log.error({}, 'error');
  });
  expect(lines.map(({ msg }) => msg)).toEqual(['warn', 'error']);
});

it('a request’s line has what it is told, as pino writes it, and leaves out what is not known', () => {
  const bare = {
    route: 'POST /cache',
    outcome: 'SUCCESS',
    durationMs: 1.23456,
    workMs: 1,
    isFault: false,
  } as const;
  const lines = written('info', (log) => {
    log.request({ ...UNKNOWN, ...bare, requestId: 'r-1' });
    log.request({
      ...bare,
      requestId: 'r-2',
      client: 'a "client"',
      address: 'fe80::1%"zone"',
      command: 'BATCH',
      commands: 3,
      source: 'near',
      status: 200,
      cause: 'line\nbreak "quoted"',
    });
  });
  const common = {
    level: 30,
    time: expect.any(Number),
    route: 'POST /cache',
    outcome: 'SUCCESS',
    msg: 'request',
  };
  expect(lines).toEqual([
    { ...common, request_id: 'r-1', duration_ms: 1.235 },
    {
      ...common,
      request_id: 'r-2',
      duration_ms: 1.235,
      client: 'a "client"',
      address: 'fe80::1%"zone"',
      command: 'BATCH',
      commands: 3,
      source: 'near',
      status: 200,
      cause: 'line\nbreak "quoted"',
    },
  ]);
});

it('requests are not told of above the level info', () => {
  const line = {
    requestId: 'r',
    route: 'r',
    outcome: 'SUCCESS',
    durationMs: 1,
    workMs: 1,
    isFault: false,
  } as const;
  expect(written('warn', (log) => log.request({ ...UNKNOWN, ...line }))).toEqual([]);
});
