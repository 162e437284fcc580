/** The built program with two workers over a real Redis: one service to all who look at it, also while a worker dies. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { bearer, GrpcClient } from '../support/grpc-client';
import { type Caller, openCaller, openCallerOfEach } from '../support/caller';
import { makeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { startGateway, type Gateway, type GatewayOptions } from '../support/gateway';
import { parseExposition } from '../support/prometheus-text';
import { startRedis, type RedisProcess } from '../support/redis';
import { RespClient } from '../support/resp-client';
import { runClient } from '../unit/auth-support';

const READ = { command: 'READ', key: 'k' };
/** What the process above the workers says; all other lines are theirs. */
const OF_SUPERVISOR = new Set(['all workers serve', 'a worker has ended', 'a worker could not start']);

let redis: RedisProcess;
let gateway: Gateway;
let folder: string;
/** Where the gateway listens, as it said at first: the tests keep only so many of its lines. */
let began: Listening;

const settings = (more: GatewayOptions['env'] = {}): GatewayOptions => ({
  env: { WORKERS: '2', REDIS_NODES: `main=${redis.url}`, ...more },
});

/** Resolves when all its workers serve. */
async function startWorkers(more?: GatewayOptions['env'], options: GatewayOptions = {}): Promise<Gateway> {
  const started = await startGateway({ ...options, ...settings(more) });
  await eventually(() => started.lines.some((line) => line.includes('all workers serve')), 10_000);
  // Lines of different processes come when each of them has gathered some.
  await eventually(() => listening(started).length === 2);
  return started;
}

function pidsOf({ pid }: Gateway): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Ended, and not yet asked for.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

interface Listening {
  readonly worker: number;
  readonly port: number;
  readonly resp_port: number;
  readonly grpc_port: number;
}

/** What each worker says of where it listens, those that were replaced included; the first one first. */
function listening({ lines }: Gateway): [Listening, ...Listening[]] {
  const said = lines.filter((line) => line.includes('"msg":"listening"'));
  return said.map((line) => JSON.parse(line) as Listening) as [Listening, ...Listening[]];
}

function connectTo(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}

/** What comes of a connection to the Redis door. */
function fateOf(socket: Socket): Promise<'answered' | 'closed' | 'nothing'> {
  return new Promise((resolve) => {
    const late = setTimeout(() => end('nothing'), 10_000);
    function end(fate: 'answered' | 'closed' | 'nothing'): void {
      clearTimeout(late);
      socket.destroy();
      resolve(fate);
    }
    socket.once('data', () => end('answered'));
    socket.once('error', () => end('closed')).once('end', () => end('closed'));
    socket.write('PING\r\n');
  });
}

/** What a start that must fail says. */
async function failureOf(more: GatewayOptions['env']): Promise<string> {
  return startGateway(settings(more)).then(
    () => 'it started',
    (failure: unknown) => String(failure),
  );
}

/** Asks without a pause until it is ended, told that its connection is, or failed; gives what was not answered 200. */
function load(callers: readonly Caller[]): { answered(): number; end(): Promise<unknown[]> } {
  let isOver = false;
  let answered = 0;
  const failures: unknown[] = [];
  const asking = callers.map(async (caller) => {
    for (let isLast = false; !isOver && !isLast;) {
      const outcome = await caller.command(READ).then(
        ({ status, headers }) => {
          isLast = headers.connection === 'close';
          return status;
        },
        (error: unknown) => error,
      );
      if (outcome === 200) answered += 1;
      else {
        failures.push(outcome);
        isLast = true;
      }
    }
  });
  return {
    answered: () => answered,
    end: async () => {
      isOver = true;
      await Promise.all(asking);
      return failures;
    },
  };
}

beforeAll(async () => {
  folder = await makeFolder();
  redis = await startRedis();
  gateway = await startWorkers({
    ...{ RESP_PORT: '0', GRPC_PORT: '0', CLIENTS_FILE: path.join(folder, 'clients.json') },
    SNAPSHOT_FILE: path.join(folder, 'snapshot'),
  });
  [began] = listening(gateway);
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

it('port 0 is the same port for all of them, at each door', () => {
  const [one, two] = listening(gateway).sort((a, b) => a.worker - b.worker);
  expect([one.worker, two!.worker]).toEqual([1, 2]);
  for (const door of ['port', 'resp_port', 'grpc_port'] as const) expect(one[door]).toBe(two![door]);
});

it('connections are spread over them, at the Redis door too, and half-open ones are answered', async () => {
  const { resp_port: port } = began;
  const clients = [];
  for (let number = 0; number < 20; number++) {
    const client = await RespClient.connect({ port });
    await client.send('AUTH', gateway.apiKey);
    clients.push(client);
  }
  for (const client of clients) {
    const [, count] = /connected_clients:(\d+)/.exec((await client.send('INFO', 'clients')) as string)!;
    // Ten, but for a worker that was asked once more while the other one had its hands full.
    expect(Number(count)).toBeGreaterThan(5);
    expect(Number(count)).toBeLessThan(15);
  }
  const [client] = clients as [RespClient];
  const replies = client.pipeline(['SET', 'half', 'open'], ['GET', 'half']);
  client.socket.end();
  expect(await replies).toEqual(['OK', 'open']);
  for (const each of clients) each.socket.destroy();
});

it('gRPC is served by all of them', async () => {
  const { grpc_port: port } = began;
  const fields = bearer(await gateway.login());
  const ca = readFileSync(gateway.certFile);
  const [one, two] = [new GrpcClient({ port, ca }), new GrpcClient({ port, ca })];
  const set = await one.call('Set', { key: 'g', value: { text: 'v' } }, fields);
  expect(set.reply).toEqual({ status: 'SUCCESS' });
  await eventually(async () => (await two.call('Get', { key: 'g' }, fields)).reply?.value?.text === 'v');
  one.close();
  two.close();
});

it('what one of them writes, the other one shows: at once in a session, and soon from its near cache', async () => {
  const [one, two] = (await openCallerOfEach(gateway, 2)) as [Caller, Caller];
  await one.command({ command: 'WRITE', key: 'k', value: 'old' });
  const detail = async (caller: Caller) => (await caller.command(READ)).headers['cache-status'];
  await eventually(async () => (await detail(one)) === 'ringcache; hit; detail=near');
  await eventually(async () => (await detail(two)) === 'ringcache; hit; detail=near');

  const written = await two.command(
    { command: 'WRITE', key: 'k', value: 'new' },
    { 'ringcache-session': '' },
  );
  const session = String(written.headers['ringcache-session']);
  const read = await one.command(READ, { 'ringcache-session': session });
  expect(read.json()).toMatchObject({ value: 'new' });
  await eventually(async () => (await one.command(READ)).json().value === 'new');
  await eventually(async () => (await detail(one)) === 'ringcache; hit; detail=near');
  expect((await one.command(READ)).json()).toMatchObject({ value: 'new' });
});

it('metrics and status are of both, whoever is asked', async () => {
  const [one, two] = (await openCallerOfEach(gateway, 2)) as [Caller, Caller];
  const reads = { command: 'READ', outcome: 'SUCCESS', door: 'http' };
  const counted = async (caller: Caller) =>
    parseExposition((await caller.get('/metrics')).body.toString()).sum('ringcache_requests_total', reads);
  const before = await counted(one);
  await Promise.all([one, two].map((caller) => caller.command(READ)));
  await two.command(READ);
  for (const caller of [one, two]) await eventually(async () => (await counted(caller)) === before + 3);
  await eventually(async () => {
    const { value } = parseExposition((await two.get('/metrics')).body.toString());
    return value('ringcache_workers') === 2;
  });
  const { near, requests, workers } = await eventually(async () => {
    const status = (await one.get('/status')).json();
    return status.workers.answered === 2 && status;
  });
  expect(workers.configured).toBe(2);
  expect([near.entries_max, requests.in_flight_max]).toEqual([200_000, 2 * 3 * 1024]);
});

it('whoever has guessed at one of them has to wait at the other one, and is forgiven by both', async () => {
  const [one, two] = (await openCallerOfEach(gateway, 2)) as [Caller, Caller];
  const login = async (caller: Caller, apiKey: string) =>
    (await caller.post('/login', { api_key: apiKey })).status;
  const guess = async (count: number) => {
    for (let failed = 0; failed < count; failed++) {
      await eventually(async () => (await login(one, `wrong-key-of-nobody-${failed}-0123456789`)) === 401);
    }
  };
  /** Wrong keys at the first one; where the second one lets the right one in meanwhile all begins anew. */
  const guesses = async () => {
    await guess(6);
    return (await login(two, gateway.apiKey)) === 429;
  };
  await eventually(guesses, 15_000);
  await eventually(async () => (await login(two, gateway.apiKey)) === 200, 10_000);
  // Were its six failures still counted, each of these would wait for twice as long as the one before.
  await guess(5);
  await eventually(async () => (await login(one, gateway.apiKey)) === 200);
});

it('a client that is revoked is refused by both', async () => {
  const clientsFile = path.join(folder, 'clients.json');
  const added = await runClient(clientsFile, ['add', 'web', '--scope', 'read']);
  const apiKey = added.lines.at(-1) ?? '';
  const token = await eventually(async () => {
    const reply = await gateway.post('/login', { api_key: apiKey });
    return reply.status === 200 ? (reply.json().access_token as string) : undefined;
  });
  const callers = await openCallerOfEach(gateway, 2, token);
  for (const caller of callers) {
    await eventually(async () => (await caller.command(READ)).status === 200);
  }
  expect((await runClient(clientsFile, ['revoke', 'web'])).exitCode).toBe(0);
  for (const caller of callers) {
    await eventually(async () => (await caller.command(READ)).status === 401);
  }
});

it('a snapshot is saved once, whoever is asked', async () => {
  const [, two] = (await openCallerOfEach(gateway, 2)) as [Caller, Caller];
  expect((await two.post('/snapshot', {})).json()).toMatchObject({ status: 'SUCCESS' });
  expect((await stat(path.join(folder, 'snapshot'))).isFile()).toBe(true);
  const lines = await eventually(() => {
    const saved = gateway.lines.filter((line) => line.includes('snapshot saved'));
    return saved.length > 0 && saved;
  });
  expect(new Set(lines.map((line) => (JSON.parse(line) as { worker: number }).worker))).toEqual(new Set([1]));
});

it('a worker that is killed is replaced; those who are connected to the other one notice nothing', async () => {
  const [one, two] = (await openCallerOfEach(gateway, 2)) as [Caller, Caller];
  const pids = pidsOf(gateway);
  const deleted = async () =>
    parseExposition((await two.get('/metrics')).body.toString()).sum('ringcache_requests_total', {
      command: 'DELETE',
    });
  const before = await deleted();
  // Counted by the one that goes, and by nobody else.
  for (let count = 0; count < 3; count++) await one.command({ command: 'DELETE', key: 'k' });
  await eventually(async () => (await deleted()) === before + 3);

  const working = load([two]);
  process.kill(pids[0]!, 'SIGKILL');
  // New connections go to whoever is there.
  await eventually(async () => (await openCaller(gateway)).worker === 2);
  await eventually(() => gateway.lines.some((line) => line.includes('a worker has ended')));
  await eventually(async () => (await openCaller(gateway)).worker === 1, 10_000);
  const answered = working.answered();
  await eventually(() => working.answered() > answered);
  expect(await working.end()).toEqual([]);

  expect(pidsOf(gateway).length).toBe(2);
  await eventually(async () => (await two.get('/status')).json().workers.answered === 2);
  // A sum that fell would be read as one that began anew.
  expect(await deleted()).toBe(before + 3);
});

it('a worker for which there is no descriptor is started when there is one; the other one serves', async () => {
  const callers = await openCallerOfEach(gateway, 2);
  const [pid] = pidsOf(gateway) as [number];
  const failed = () => gateway.lines.filter((line) => line.includes('a worker could not start')).length;
  const before = failed();
  const limit = (soft: string): void =>
    void execFileSync('prlimit', ['--pid', String(gateway.pid), `--nofile=${soft}:`]);
  const [, usual] = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/limits`, 'latin1'))!;
  const loads = callers.map((caller) => load([caller]));
  // Its standard channels have these.
  limit('3');
  process.kill(pid, 'SIGKILL');
  await eventually(() => failed() > before + 1);
  expect(gateway.lines.findLast((line) => line.includes('a worker could not start'))).toContain('EMFILE');
  limit(usual!);
  await eventually(() => pidsOf(gateway).length === 2, 10_000);
  await openCallerOfEach(gateway, 2);
  const failures = await Promise.all(loads.map((each) => each.end()));
  // The last request to the one that was killed.
  expect(failures.map(({ length }) => length).sort()).toEqual([0, 1]);
});

it('a connection that is being handed to a worker that has died is closed; the others are answered', async () => {
  await openCallerOfEach(gateway, 2);
  const { resp_port: port } = began;
  // 1. Connections wait, 2. a worker dies, 3. the supervisor looks: at what came first, first.
  gateway.kill('SIGSTOP');
  await eventually(() => /^State:\s+T/m.test(readFileSync(`/proc/${gateway.pid}/status`, 'latin1')));
  const clients = await Promise.all([0, 1, 2, 3].map(() => connectTo(port)));
  const [pid] = pidsOf(gateway) as [number];
  process.kill(pid, 'SIGKILL');
  await eventually(() => !isAlive(pid));
  gateway.kill('SIGCONT');
  const fates = await Promise.all(clients.map(fateOf));
  expect(fates.sort()).toEqual(['answered', 'answered', 'answered', 'closed']);
  await eventually(
    async () => (await gateway.get('/status', await gateway.bearer())).json().workers.answered === 2,
  );
});

it('all of them can die, at once or while another one starts, and have the same ports again', async () => {
  const ports = ({ port, resp_port, grpc_port }: Listening) => [port, resp_port, grpc_port];
  const serveAgain = async () => {
    await openCallerOfEach(gateway, 2);
    expect(ports(listening(gateway).at(-1)!)).toEqual(ports(began));
    return true;
  };
  for (const pid of pidsOf(gateway)) process.kill(pid, 'SIGKILL');
  await eventually(serveAgain, 15_000);

  const [one, two] = pidsOf(gateway) as [number, number];
  process.kill(one, 'SIGKILL');
  await eventually(() => pidsOf(gateway).some((pid) => pid !== one && pid !== two));
  process.kill(two, 'SIGKILL');
  await eventually(serveAgain, 15_000);
}, 40_000);

async function expectWholeLines(of: Gateway): Promise<void> {
  const callers = await Promise.all(Array.from({ length: 8 }, () => openCaller(of)));
  const working = load(callers);
  await eventually(() => working.answered() > 3000, 15_000);
  await working.end();
  await eventually(() => of.lines.filter((line) => line.includes('"msg":"request"')).length > 3000);
  const workers = new Set<unknown>();
  for (const line of of.lines) {
    const { worker, msg } = JSON.parse(line) as { worker?: number; msg: string };
    if (!OF_SUPERVISOR.has(msg)) workers.add(worker);
  }
  expect(workers).toEqual(new Set([1, 2]));
}

it('every line of the log is a whole one, and says whose it is', () => expectWholeLines(gateway), 20_000);

it('… in a file too, to which workers write by themselves, to the last line', async () => {
  const logFile = path.join(await makeFolder(), 'log');
  const logging = await startWorkers({}, { logFile });
  await expectWholeLines(logging);
  const answered = logging.lines.length;
  for (let asked = 0; asked < 20; asked++) await logging.get('/readyz');
  expect(await logging.stop()).toBe(0);
  expect(logging.lines.length).toBeGreaterThanOrEqual(answered + 20);
});

it('SIGTERM to all of them at once, under load: all that was taken is answered, and the exit code is 0', async () => {
  const stopping = await startWorkers();
  const callers = await Promise.all(Array.from({ length: 6 }, () => openCaller(stopping)));
  const pids = pidsOf(stopping);
  const working = load(callers);
  await eventually(() => working.answered() > 100);
  const exited = stopping.stop();
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  await eventually(async () => (await callers[0]!.get('/readyz')).status === 503);
  // Each answer of now is the last one of its connection.
  const failures = await working.end();
  expect(failures).toEqual([]);
  expect(await exited).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
}, 20_000);

it('workers that start end as well: at SIGTERM, and all of them by themselves when their supervisor is gone', async () => {
  const orphaned = await startWorkers();
  /** Kills one; gives the one that takes its place, which has only just begun to start. */
  const startAnother = async () => {
    const before = pidsOf(orphaned);
    process.kill(before[0]!, 'SIGKILL');
    return eventually(() => pidsOf(orphaned).find((pid) => !before.includes(pid)));
  };
  const told = await startAnother();
  process.kill(told, 'SIGTERM');
  await eventually(() => !isAlive(told), 10_000);
  await eventually(() => pidsOf(orphaned).length === 2);

  await startAnother();
  const pids = pidsOf(orphaned);
  orphaned.kill('SIGKILL');
  await eventually(() => pids.every((pid) => !isAlive(pid)), 10_000);
});

it('a start that fails says once why, and ends', async () => {
  const taken = await failureOf({ PORT: String(gateway.port) });
  expect(taken).toContain(`Cannot listen on 127.0.0.1:${gateway.port}. (EADDRINUSE)`);
  const missing = await failureOf({ TLS_CERT_FILE: 'none.pem' });
  expect(missing.match(/Cannot read none.pem. \(ENOENT\)/g)).toHaveLength(1);
  const faults = await failureOf({ REDIS_NODES: '', JWT_SECRET: 'short' });
  expect(faults).toMatch(/WORKERS: must be 1 where ENGINE is memory/);
  expect(faults).toMatch(/JWT_SECRET/);
}, 20_000);
