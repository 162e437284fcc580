/** The RESP door where values are in memory: what it can do, and what it says of all else. */
import { allCommands } from '../../src/doors/resp/command-table';
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';

let gateway: RespGateway;
let client: RespClient;

beforeAll(async () => {
  gateway = await openRespGateway({ limits: { keyBytesMax: 20 } });
});
beforeEach(async () => {
  client = await gateway.connect();
});
afterAll(() => gateway.close());

test('whole values, one by one and several at once', async () => {
  expect(
    await client.pipeline(
      ['SET', 'a', '1'],
      ['GET', 'a'],
      ['SET', 'a', '2'],
      ['GET', 'a'],
      ['MSET', 'b', 'x', 'c', 'y', 'b', 'z'],
      ['MGET', 'a', 'b', 'none', 'c'],
      ['EXISTS', 'a', 'a', 'none'],
      ['DEL', 'a', 'a', 'b'],
      ['UNLINK', 'c', 'none'],
      ['MGET', 'a', 'b', 'c'],
    ),
  ).toEqual(['OK', '1', 'OK', '2', 'OK', ['2', 'z', null, 'y'], 2, 2, 1, [null, null, null]]);
});

test('values that do not fit into one reply', async () => {
  const large = 'x'.repeat(900_000);
  await client.send('SET', 'large', large);
  expect(await client.send('MGET', ...Array.from({ length: 80 }, () => 'large'))).toEqual(
    new ReplyError('ERR The values do not fit into one reply: ask for fewer keys.'),
  );
  expect(await client.send('MGET', 'large', 'none')).toEqual([large, null]);
});

test('conditions and lives', async () => {
  expect(
    await client.pipeline(
      ['SET', 'n', '1', 'NX'],
      ['SET', 'n', '2', 'NX'],
      ['SET', 'n', '3', 'XX'],
      ['SET', 'none', '3', 'XX'],
      ['SETNX', 'n', 'x'],
      ['SETNX', 'n:2', 'x'],
      ['GET', 'n'],
      ['SETEX', 'n', '100', 'life'],
      ['GET', 'n'],
      ['PSETEX', 'n', '100', 'life'],
      ['SET', 'n', 'short', 'PX', '1000', 'XX'],
      ['SET', 'n:past', 'x', 'EXAT', '1'],
    ),
  ).toEqual(['OK', null, 'OK', null, 0, 1, '3', 'OK', 'life', 'OK', 'OK', 'OK']);
});

test('values are bytes', async () => {
  const bytes = Buffer.from([0, 255, 254, 0x72, 0x63, 13, 10]);
  expect(await client.send('SET', 'bytes', bytes)).toBe('OK');
  expect((await client.sendRaw('GET', 'bytes')).toString('latin1')).toBe(
    `$7\r\n${bytes.toString('latin1')}\r\n`,
  );
  expect(await client.pipeline(['SET', 'e', ''], ['GET', 'e'])).toEqual(['OK', '']);
});

test('what is wrong is said in the words of Redis', async () => {
  const cases: [string[], string][] = [
    [['SET', 'a'], "ERR wrong number of arguments for 'set' command"],
    [['SET', 'a', 'b', 'EX'], 'ERR syntax error'],
    [['SET', 'a', 'b', 'EX', 'x'], 'ERR value is not an integer or out of range'],
    [['SET', 'a', 'b', 'EX', '0'], "ERR invalid expire time in 'set' command"],
    [['SET', 'a', 'b', 'EX', '1', 'PX', '1'], 'ERR syntax error'],
    [['SET', 'a', 'b', 'NX', 'XX'], 'ERR syntax error'],
    [['SETEX', 'a', '-1', 'b'], "ERR invalid expire time in 'setex' command"],
    [['MSET', 'a', 'b', 'c'], "ERR wrong number of arguments for 'mset' command"],
    [['GET', 'k'.repeat(21)], 'ERR A key has at most 20 bytes.'],
    [['NOPE'], "ERR unknown command 'NOPE', with args beginning with: "],
  ];
  for (const [words, message] of cases) expect(await client.send(...words)).toEqual(new ReplyError(message));
});

test('every command that needs Redis is refused with a sentence that says so', async () => {
  const here = new Set(['get', 'mget', 'set', 'setex', 'psetex', 'setnx', 'mset', 'del', 'unlink', 'exists']);
  for (const { name, kind, arity } of allCommands()) {
    if (kind === 'local' || kind === 'refused' || here.has(name)) continue;
    const words = [...name.split('|'), 'a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const reply = await client.send(...words.slice(0, Math.abs(arity)));
    const shown = name.replace('|', ' ').toUpperCase();
    expect(reply).toEqual(
      new ReplyError(
        `ERR This deployment keeps its values in memory; ${shown} needs one that keeps them in Redis.`,
      ),
    );
  }
});

test('rights are those of every door, and to all keys or none', async () => {
  const other = await gateway.connect(gateway.secretFor(['read', 'write'], ['mine:']));
  const forbidden = expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) });
  expect(await other.send('GET', 'a')).toEqual(forbidden);
  expect(await other.send('MSET', 'mine:a', 'x', 'other', 'x')).toEqual(forbidden);
  expect(await other.send('DEL', 'mine:a')).toEqual(forbidden);
  expect(await other.send('GET', 'mine:a')).toBeNull();
  const stranger = await gateway.connectStranger();
  const noAuth = new ReplyError('NOAUTH Authentication required.');
  expect(await stranger.pipeline(['GET', 'a'], ['SET', 'a', 'b'], ['DBSIZE'], ['PING'])).toEqual([
    noAuth,
    noAuth,
    noAuth,
    expect.anything(),
  ]);
});

test('who was revoked is a stranger at once', async () => {
  const secret = gateway.secretFor(['read']);
  const other = await gateway.connect(secret);
  expect(await other.send('GET', 'revoked')).toBeNull();
  gateway.revoke(secret);
  expect(await other.send('GET', 'revoked')).toEqual(
    expect.objectContaining({ message: expect.stringMatching(/^NOAUTH/) }),
  );
});
