/** C2 from the header `Ringcache-Session` on. */
import type { Response } from 'supertest';
import { createSessionTokens } from '../../src/auth/session-tokens';
import type { CacheService } from '../../src/core/cache';
import type { Command, Reply } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { Session, type Position } from '../../src/core/session';
import { aroundCache } from '../support/around-cache';
import { eventually } from '../support/eventually';
import { type HttpDoor, type HttpDoorOptions, JWT_SECRET, openHttpDoor, request } from '../support/http-door';
import { type ShardProcesses, startShard } from '../support/redis';
import { openTestRing } from '../support/ring';

const HEADER = 'Ringcache-Session';
const START_MS = 30_000;
const tokens = createSessionTokens({ secret: JWT_SECRET, previousSecret: undefined });

/** `session`: the header's value; undefined: none. */
async function post(door: HttpDoor, body: unknown, session?: string): Promise<Response> {
  const sent = request(door)
    .post('/cache')
    .set('Authorization', `Bearer ${door.token}`)
    .set('Content-Type', 'application/json');
  if (session !== undefined) void sent.set(HEADER, session);
  return sent.send(typeof body === 'string' ? body : JSON.stringify(body));
}
const write = (key: string, value: string) => ({ command: 'WRITE', key, value });
const read = (key: string, fields: object = {}) => ({ command: 'READ', key, ...fields });

const open: HttpDoor[] = [];
async function openDoor(options: HttpDoorOptions = {}): Promise<HttpDoor> {
  const door = await openHttpDoor(options);
  open.push(door);
  return door;
}
const closeDoors = () => Promise.all(open.splice(0).map((door) => door.close()));

/** Tells which commands reach the core, and changes what comes back. */
function openWatchedDoor(change: (command: Command, reply: Reply) => Reply = (_, reply) => reply) {
  const seen: Command[] = [];
  const around = (cache: CacheService): CacheService => {
    const execute: CacheService['execute'] = async (principal, command, deadlineMs) => {
      seen.push(command);
      return change(command, await cache.execute(principal, command, deadlineMs));
    };
    return aroundCache(cache, {
      execute,
      executeBatch: (principal, commands, deadlineMs) =>
        Promise.all(commands.map(async (command) => execute(principal, command, deadlineMs))),
    });
  };
  return openDoor({ around }).then((door) => ({ door, seen }));
}

const position = (shard: number, offset: number): Position => ({
  shard: shard.toString().padStart(12, '0'),
  lineage: '0123456789abcdef',
  offset,
});
const old = new Session([position(1, 100)], false);

describe('the header', () => {
  afterEach(closeDoors);

  it('that is absent stays absent', async () => {
    const door = await openDoor();
    for (const body of [write('k', 'v'), read('k'), [write('k', 'v')], '{']) {
      expect((await post(door, body)).headers).not.toHaveProperty(HEADER.toLowerCase());
    }
  });

  it('that is empty comes back as a session', async () => {
    const door = await openDoor();
    for (const body of [write('k', 'v'), read('k'), { command: 'DELETE', key: 'k' }, [read('k')]]) {
      const reply = await post(door, body, '');
      expect(reply.status).toBe(200);
      const token = reply.get(HEADER);
      expect(tokens.open(token!)).toEqual(Session.empty);
      expect((await post(door, read('k'), token)).status).toBe(200);
    }
  });

  it('comes back as it was with every failure behind the login', async () => {
    const { door } = await openWatchedDoor(({ command }) => ({
      command,
      status: 'ERROR',
      error: new CacheError('conflict', 'Lost.'),
    }));
    const token = tokens.seal(old);
    for (const [status, body] of [
      [409, read('k')],
      [409, write('k', 'v')],
      [200, [write('k', 'v'), read('k')]],
      [400, '{'],
      [400, read('')],
      [413, read('k'.repeat(2000))],
    ] as const) {
      const reply = await post(door, body, token);
      expect([reply.status, tokens.open(reply.get(HEADER) ?? '')]).toEqual([status, old]);
    }
    const untyped = await request(door)
      .post('/cache')
      .set({ Authorization: `Bearer ${door.token}`, 'Content-Type': 'text/plain', [HEADER]: token })
      .send('x');
    expect([untyped.status, untyped.get(HEADER)]).toEqual([415, token]);
  });

  it('is not looked at before the caller is known', async () => {
    const door = await openDoor();
    const reply = await request(door).post('/cache').set(HEADER, tokens.seal(old)).send({});
    expect(reply.status).toBe(401);
    expect(reply.headers).not.toHaveProperty(HEADER.toLowerCase());
  });

  it('that is forged is refused, carries out nothing and is not in the log', async () => {
    const { door, seen } = await openWatchedDoor();
    const other = createSessionTokens({ secret: `${JWT_SECRET}!`, previousSecret: undefined });
    for (const forged of ['canary', other.seal(old), `${tokens.seal(old)}A`, 'A'.repeat(2000)]) {
      const reply = await post(door, write('k', 'v'), forged);
      expect(reply.status).toBe(400);
      expect(reply.body).toMatchObject({
        code: 'bad_request',
        message: expect.stringContaining('send it empty to begin anew') as unknown,
      });
      expect(reply.text + JSON.stringify(door.log.lines)).not.toContain(forged);
      expect(reply.headers).not.toHaveProperty(HEADER.toLowerCase());
    }
    expect(seen).toEqual([]);
  });

  it('may stand there once', async () => {
    const { door, seen } = await openWatchedDoor();
    for (const values of [
      ['', ''],
      [tokens.seal(old), tokens.seal(old)],
      [tokens.seal(old), ''],
    ]) {
      const sent = request(door).post('/cache').set('Authorization', `Bearer ${door.token}`);
      // Node writes an array as one field each.
      void sent.set({ 'Content-Type': 'application/json' }).set(HEADER, values as unknown as string);
      const reply = await sent.send(JSON.stringify(read('k')));
      expect(reply.status).toBe(400);
      expect(reply.body).toMatchObject({
        code: 'bad_request',
        message: expect.stringContaining('more than one'),
      });
    }
    expect(seen).toEqual([]);
  });

  it('goes with each command, and makes each READ a session read that does not ask for more', async () => {
    const { door, seen } = await openWatchedDoor();
    const bodies = [
      read('k'),
      read('k', { consistency: 'eventual' }),
      read('k', { consistency: 'session' }),
      read('k', { consistency: 'strong' }),
      write('k', 'v'),
      { command: 'DELETE', key: 'k' },
    ];
    for (const body of bodies) await post(door, body, tokens.seal(old));
    const [eventual, asEventual, asSession, strong, written, deleted] = seen.splice(0);
    for (const command of [eventual, asEventual, asSession]) {
      expect(command).toMatchObject({ consistency: 'session', session: old });
    }
    expect(strong).toMatchObject({ consistency: 'strong' });
    expect(written).toMatchObject({ command: 'WRITE', value: 'v', session: old });
    expect(deleted).toMatchObject({ command: 'DELETE', session: old });

    await post(door, bodies, tokens.seal(old));
    expect(seen.splice(0)).toEqual([eventual, asEventual, asSession, strong, written, deleted]);

    await post(door, bodies);
    expect(seen.map((command) => command.session)).toEqual(bodies.map(() => undefined));
    expect(seen[2]).toMatchObject({ consistency: 'session' });
  });

  it('has all that the writes of a batch have brought, and what was in it before', async () => {
    const { door } = await openWatchedDoor((command, reply) => {
      if (reply.status === 'ERROR' || reply.command === 'READ') return reply;
      const offset = Number(command.key);
      const written = position(offset < 500 ? 2 : 3, offset);
      return { ...reply, session: command.session?.with(written, ({ offset: older }) => older < offset) };
    });
    const batch = [
      write('210', 'v'),
      read('210'),
      write('220', 'v'),
      { command: 'DELETE', key: '510' },
      write('215', 'v'),
    ];
    const reply = await post(door, batch, tokens.seal(old));
    const { positions, isOverflowing } = tokens.open(reply.get(HEADER)!);
    expect(isOverflowing).toBe(false);
    expect(positions).toHaveLength(3);
    expect(positions).toEqual(expect.arrayContaining([position(1, 100), position(2, 220), position(3, 510)]));

    const single = await post(door, write('230', 'v'), reply.get(HEADER));
    expect(tokens.open(single.get(HEADER)!).positions[0]).toEqual(position(2, 230));
  });
});

describe('two gateways on one shard', () => {
  let shard: ShardProcesses;
  let a: HttpDoor;
  let b: HttpDoor;

  const openGateway = () => openDoor({ openEngine: (log) => openTestRing(shard.config, { log }) });

  beforeEach(async () => {
    shard = await startShard({ name: 'main', replicas: 1, replicationThroughProxy: true });
    [a, b] = await Promise.all([openGateway(), openGateway()]);
  }, START_MS);
  afterEach(async () => {
    await closeDoors();
    await shard.stop();
  });

  it(
    'what was written through one is read through the other with the session, though the replica lags',
    async () => {
      let session = '';
      let withoutSession: Response | undefined;
      // A replica that has said nothing for a second is not asked: on a slow machine it takes a new key to see one lag.
      for (let round = 0; withoutSession?.body.status !== 'NOT_FOUND'; round++) {
        expect(round).toBeLessThan(10);
        shard.resumeReplication();
        await shard.inSync();
        const key = `key ${round}`;
        await eventually(async () => {
          const absent = `absent ${key} ${performance.now()}`;
          await shard.master.client.set(absent, 'v');
          return (await post(b, read(absent))).get('Cache-Status') === 'ringcache; hit; detail=replica';
        });
        shard.pauseReplication();
        const written = await post(a, write(key, 'v'), session);
        expect(written.body).toMatchObject({ status: 'SUCCESS' });
        session = written.get(HEADER)!;
        withoutSession = await post(b, read(key));
        const { body, headers } = await post(b, read(key), session);
        expect(body).toMatchObject({ status: 'SUCCESS', value: 'v' });
        expect(headers).toMatchObject({ 'cache-status': 'ringcache; hit; detail=master' });
        session = headers[HEADER.toLowerCase()] as string;
      }

      shard.resumeReplication();
      await eventually(async () => {
        const { body, headers } = await post(b, read('key 0'), session);
        expect(body).toMatchObject({ status: 'SUCCESS', value: 'v' });
        return headers['cache-status'] === 'ringcache; hit; detail=replica';
      });
    },
    START_MS,
  );

  it(
    'a delete through one is seen through the other with the session, though the replica lags',
    async () => {
      await post(a, write('k', 'v'));
      await shard.inSync();
      await post(b, read('k'));
      shard.pauseReplication();
      const deleted = await post(a, [{ command: 'DELETE', key: 'k' }], '');
      expect(deleted.body).toMatchObject([{ status: 'SUCCESS' }]);
      expect((await post(b, read('k'), deleted.get(HEADER))).body).toMatchObject({ status: 'NOT_FOUND' });
    },
    START_MS,
  );

  it(
    'what a master lost with its memory is a conflict, never silently older data, until a session begins anew',
    async () => {
      const session = (await post(a, write('k', 'v'), '')).get(HEADER)!;
      await shard.inSync();
      await shard.master.kill();
      await shard.master.restart();
      await eventually(async () => {
        const reply = await post(b, read('k'), session);
        if (reply.status === 200) expect(reply.body).toMatchObject({ value: 'v' });
        else expect([409, 503, 504]).toContain(reply.status);
        return reply.status === 409;
      }, 10_000);

      const conflict = await post(b, read('k'), session);
      expect(conflict.body).toMatchObject({ command: 'READ', status: 'ERROR', code: 'conflict' });
      // It stays one for whoever goes on with what the answers carry.
      expect((await post(b, read('k'), conflict.get(HEADER))).status).toBe(409);

      const anew = await post(b, [write('new', 'v'), read('k')], '');
      expect(anew.body).toMatchObject([{ status: 'SUCCESS' }, { status: 'NOT_FOUND' }]);
      // This gateway may not have found the master again yet; it must not answer without the write meanwhile.
      await eventually(async () => {
        const reply = await post(a, read('new'), anew.get(HEADER));
        if (reply.status === 200) expect(reply.body).toMatchObject({ value: 'v' });
        else expect([503, 504]).toContain(reply.status);
        return reply.status === 200;
      }, 10_000);
    },
    START_MS,
  );
});
