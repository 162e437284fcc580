/**
 * The door contract through both versions of the Redis protocol, over the engine in the process and rings of real
 * Redis. HTTP commands run beside them: they tell where a value was, and show that it is one cache behind all doors.
 */
import { openRespDoorService, RESP_FORMS } from '../support/door-client-resp';
import { HTTP_COMMANDS } from '../support/door-client-http';
import type { HttpDoor } from '../support/http-door';
import type { ShardProcesses } from '../support/redis';
import { errorOf, WireConnection } from '../support/resp-wire';
import { describeDoorContract } from './door-contract';
import { type DoorGround, START_MS } from './door-contract-frame';
import { memoryGround, ringGround, startDoorShards } from './door-grounds';

const FORMS = [...RESP_FORMS, HTTP_COMMANDS];

let processes: readonly ShardProcesses[];

beforeAll(async () => {
  processes = await startDoorShards();
}, START_MS);
afterAll(() => Promise.all(processes.map((shard) => shard.stop())));

const MEMORY = memoryGround(openRespDoorService);
const RING_OF_1 = ringGround(openRespDoorService, () => processes, 1);
const RING_OF_3 = ringGround(openRespDoorService, () => processes, 3);

describe.each([RING_OF_1, RING_OF_3])('over $name a connection is a session', (ground: DoorGround) => {
  const servers = ground.servers!;
  let service: HttpDoor;
  beforeAll(async () => {
    service = await ground.open();
  }, START_MS);
  afterAll(() => service.close());
  afterEach(() => servers.resumeReplication(), START_MS);

  it.each([2, 3])(
    'in RESP%d it reads its own writes while replicas lag, also behind a pipeline over all shards',
    async (protocol) => {
      const connection = await WireConnection.open({ port: service.respPort! });
      await connection.ask('HELLO', String(protocol), 'AUTH', 'default', service.token);
      const keys = Array.from({ length: 60 }, (_, at) => `own ${protocol} ${at}`);
      await connection.askTogether(keys.map((key) => ['SET', key, 'old']));
      await servers.resumeReplication();
      await connection.askTogether(keys.map((key) => ['GET', key]));

      servers.pauseReplication();
      const value = (key: string): string => `new of ${key}`;
      const written = await connection.askTogether([
        ...keys.flatMap((key) => [
          ['SET', key, value(key)],
          ['GET', key],
          ['APPEND', key, '!'],
          ['STRLEN', key],
        ]),
        ['MGET', ...keys],
      ]);
      const all = `*${keys.length}\r\n${keys.map((key) => bulk(`${value(key)}!`)).join('')}`;
      expect(written.map(String)).toEqual([
        ...keys.flatMap((key) => {
          const length = `:${value(key).length + 1}\r\n`;
          return ['+OK\r\n', bulk(value(key)), length, length];
        }),
        all,
      ]);
      // Nothing is under way any more.
      const read = await connection.askTogether([['MGET', ...keys], ...keys.map((key) => ['STRLEN', key])]);
      expect(read.map(String)).toEqual([all, ...keys.map((key) => `:${value(key).length + 1}\r\n`)]);

      expect(String(await connection.ask('DEL', ...keys))).toBe(`:${keys.length}\r\n`);
      const none = protocol === 2 ? '$-1\r\n' : '_\r\n';
      const gone = await connection.askTogether([...keys.map((key) => ['GET', key]), ['EXISTS', ...keys]]);
      expect(gone.map(String)).toEqual([...keys.map(() => none), ':0\r\n']);
      connection.close();
    },
    START_MS,
  );
});

describe('over memory', () => {
  let service: HttpDoor;
  let connection: WireConnection;
  beforeAll(async () => {
    service = await MEMORY.open();
    connection = await WireConnection.open({ port: service.respPort! });
    await connection.ask('AUTH', service.token);
  }, START_MS);
  afterAll(async () => {
    connection.close();
    await service.close();
  });

  it.each([
    ['INCR', 'k'],
    ['HSET', 'k', 'f', 'v'],
    ['SCAN', '0'],
    ['SUBSCRIBE', 'news'],
    ['EVAL', 'return 1', '0'],
  ])('%s says that it needs Redis, and the connection goes on', async (...words) => {
    expect(errorOf(await connection.ask(...words))).toBe(
      `ERR This deployment keeps its values in memory; ${words[0]} needs one that keeps them in Redis.`,
    );
    expect((await connection.ask('PING')).toString()).toBe('+PONG\r\n');
  });

  it('the commands of a cache are there', async () => {
    const replies = await connection.askTogether([
      ['MSET', 'a', '1', 'b', '2'],
      ['MGET', 'a', 'none', 'b'],
      ['SET', 'a', '3', 'NX'],
      ['SET', 'a', '3', 'XX', 'EX', '100'],
      ['SETNX', 'c', '4'],
      ['SETEX', 'd', '100', '5'],
      ['PSETEX', 'd', '100000', '6'],
      ['GET', 'd'],
      ['EXISTS', 'a', 'b', 'c', 'd', 'none'],
      ['DEL', 'a', 'b', 'none'],
      ['UNLINK', 'c', 'd'],
    ]);
    expect(replies.map((reply) => reply.toString())).toEqual([
      '+OK\r\n',
      '*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n',
      '$-1\r\n',
      '+OK\r\n',
      ':1\r\n',
      '+OK\r\n',
      '+OK\r\n',
      '$1\r\n6\r\n',
      ':4\r\n',
      ':2\r\n',
      ':2\r\n',
    ]);
  });
});

describeDoorContract(MEMORY, FORMS);
describeDoorContract(RING_OF_1, FORMS);
describeDoorContract(RING_OF_3, FORMS);

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}
