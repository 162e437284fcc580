/** The programs that come with Redis, unmodified, and a session typed by hand, against the RESP door. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually';
import { findCommand } from '../support/find-command';
import { type RespRig, startRespRig } from '../support/resp-rig';
import { requestBytes } from '../support/resp-wire';

jest.setTimeout(60_000);

const execute = promisify(execFile);
const CLI = findCommand('redis-cli', 'valkey-cli');
const BENCHMARK = findCommand('redis-benchmark', 'valkey-benchmark');
const RUN_MS_MAX = 40_000;

let rig: RespRig;
beforeAll(async () => {
  rig = await startRespRig();
}, 60_000);
afterAll(() => rig.stop());

(CLI === undefined ? describe.skip : describe)('redis-cli (without it on PATH it is not tested)', () => {
  const plain = (): string[] => ['-p', String(rig.port), '-a', rig.apiKey, '--no-auth-warning'];
  const worker = (): string[] => [
    ...['-p', String(rig.port), '--user', rig.worker.name, '-a', rig.worker.apiKey, '--no-auth-warning'],
  ];
  const tls = (): string[] => [
    ...['-p', String(rig.tlsPort), '--tls', '--cacert', rig.certFile, '-a', rig.apiKey, '--no-auth-warning'],
  ];

  it.each([
    ['in the clear', plain],
    ['in RESP3', () => [...plain(), '-3']],
    ['as a named client', worker],
    ['as a named client in RESP3', () => [...worker(), '-3']],
    ['over TLS', tls],
    ['over TLS in RESP3', () => [...tls(), '-3']],
  ])('writes and reads %s', async (_how, options) => {
    expect(await cli(options(), 'SET', 'worker:greeting', 'hello there')).toBe('OK\n');
    expect(await cli(options(), 'GET', 'worker:greeting')).toBe('hello there\n');
    expect(await cli(options(), 'GET', 'worker:greeting')).toBe('hello there\n');
    expect(await cli(options(), 'HSET', 'worker:hash', 'field', 'value')).toBe('1\n');
    expect(await cli(options(), 'HGETALL', 'worker:hash')).toMatch(/^field\s+value\n$|"field" => "value"/);
    expect(await cli(options(), 'DEL', 'worker:greeting', 'worker:hash')).toBe('2\n');
  });

  it('says what is wrong with a key, and with a caller without one', async () => {
    const wrong = ['-p', String(rig.port), '-a', 'not the key', '--no-auth-warning'];
    const { stdout, stderr } = await execute(CLI!, [...wrong, 'GET', 'k']);
    expect(stderr + stdout).toMatch(/AUTH failed: WRONGPASS/);
    expect(stdout).toMatch(/^NOAUTH /m);
    expect(await cli(['-p', String(rig.port)], 'GET', 'k')).toMatch(/^NOAUTH /);
  });

  it('is kept to the prefix of its client', async () => {
    expect(await cli(worker(), 'GET', 'other')).toMatch(/^NOPERM /);
    expect(await cli(worker(), 'SET', 'worker:k', 'v')).toBe('OK\n');
  });

  it('runs a script of commands', async () => {
    const output = await feed(
      plain(),
      'SET cli:1 one\nGET cli:1\nINCR cli:n\nMULTI\nINCR cli:n\nEXEC\nNOSUCH\n',
    );
    expect(output).toMatch(/^OK\none\n1\nOK\nQUEUED\n2\nERR unknown command/);
  });

  it('sends ten thousand commands in pipe mode', async () => {
    const commands = Array.from({ length: 10_000 }, (_, at) => requestBytes(['SET', `pipe:${at}`, `v${at}`]));
    const output = await feed([...plain(), '--pipe'], Buffer.concat(commands));
    expect(output).toMatch(/^errors: 0, replies: 10000$/m);
    expect(await cli(plain(), 'MGET', 'pipe:0', 'pipe:9999')).toBe('v0\nv9999\n');
  });

  it('scans', async () => {
    const keys = Array.from({ length: 50 }, (_, at) => `scan:${at}`);
    await cli(plain(), 'MSET', ...keys.flatMap((key) => [key, 'v']));
    const found = await cli(plain(), '--scan', '--pattern', 'scan:*');
    expect(found.trim().split('\n').sort()).toEqual(keys.sort());
  });

  it.each([
    ['in RESP2', []],
    ['in RESP3', ['-3']],
  ])('subscribes, and hears what is published, %s', async (_how, more) => {
    const child = spawn(CLI!, [...plain(), ...more, 'SUBSCRIBE', 'news']);
    const said = collect(child);
    await eventually(() => said().includes('subscribe'));
    expect(await cli(plain(), 'PUBLISH', 'news', 'a message')).toBe('1\n');
    await eventually(() => said().includes('a message'));
    child.kill();
    await once(child, 'exit');
    await eventually(async () => (await cli(plain(), 'PUBLISH', 'news', 'late')) === '0\n');
  });

  it.each([['--bigkeys'], ['--memkeys']])('%s goes through', async (mode) => {
    await cli(plain(), 'SET', 'cli:big', 'x'.repeat(1000));
    const output = await cli(plain(), mode);
    expect(output).toMatch(/-+ summary -+/);
    expect(output).not.toMatch(/ERR|NOPERM/);
  });

  it('waits for a list', async () => {
    expect(await cli(plain(), '--raw', 'LPUSH', 'cli:list', 'x')).toBe('1\n');
    expect(await cli(plain(), 'BRPOP', 'cli:none', 'cli:list', '1')).toBe('cli:list\nx\n');
  });

  async function cli(options: readonly string[], ...words: readonly string[]): Promise<string> {
    const { stdout } = await execute(CLI!, [...options, ...words], { timeout: RUN_MS_MAX });
    return stdout;
  }

  /** What it says when that comes from its standard input. */
  async function feed(options: readonly string[], input: string | Buffer): Promise<string> {
    const child = spawn(CLI!, options);
    const said = collect(child);
    child.stdin.end(input);
    await once(child, 'close');
    return said();
  }
});

(BENCHMARK === undefined ? describe.skip : describe)(
  'redis-benchmark (without it on PATH it is not tested)',
  () => {
    const TESTS = 'ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset';

    it.each([
      ['in pipelines', ['-P', '16']],
      ['one by one', []],
      ['in RESP3', ['-P', '16', '-3']],
      ['with keys of its own for each', ['-P', '16', '-r', '1000']],
    ])('ends without an error, %s', async (_how, more) => {
      const options = ['-p', String(rig.port), '-a', rig.apiKey, '-n', '2000', '-c', '10', '-q', '-t', TESTS];
      await benchmark([...options, ...more]);
    });

    it('ends without an error over TLS, as a client that may not look into the configuration', async () => {
      const tls = ['-p', String(rig.tlsPort), '--tls', '--cacert', rig.certFile];
      const who = ['--user', rig.worker.name, '-a', rig.worker.apiKey];
      await benchmark(
        [...tls, ...who, '-n', '2000', '-P', '16', '-q', 'SET', 'worker:k', 'v'],
        /^WARNING: Could not fetch server CONFIG$/,
      );
    });

    async function benchmark(args: readonly string[], warning = /^$/): Promise<void> {
      const { stdout, stderr } = await execute(BENCHMARK!, args, { timeout: RUN_MS_MAX });
      expect(stderr.trim()).toMatch(warning);
      expect(stdout).toMatch(/requests per second/);
      expect(stdout).not.toMatch(/error|warning/i);
    }
  },
);

describe('a session typed by hand', () => {
  it('is answered line by line', async () => {
    const socket = connect(rig.port, '127.0.0.1');
    const closed = once(socket, 'close');
    let heard = '';
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString()));
    const say = async (line: string, answer: string): Promise<void> => {
      heard = '';
      socket.write(`${line}\n`);
      await eventually(() => heard.length >= answer.length && heard);
      expect(heard).toBe(answer);
    };
    await say('PING', '+PONG\r\n');
    await say('GET name', '-NOAUTH Authentication required.\r\n');
    await say(`AUTH ${rig.apiKey}`, '+OK\r\n');
    await say('FLUSHALL', '+OK\r\n');
    await say('SET name mica', '+OK\r\n');
    await say('GET name', '$4\r\nmica\r\n');
    await say('SET age 100', '+OK\r\n');
    await say('GET age', '$3\r\n100\r\n');
    await say('HSET myhash foo bar', ':1\r\n');
    await say('HGETALL myhash', '*2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n');
    await say('SET quoted "two words\\n\\x00"', '+OK\r\n');
    await say("APPEND quoted ' and more'", ':20\r\n');
    await say('GET quoted', '$20\r\ntwo words\n\0 and more\r\n');
    await say('\r\n   \nping   \r', '+PONG\r\n');
    await say('GET "unbalanced', '-ERR Protocol error: unbalanced quotes in request\r\n');
    await closed;
  });

  it('ends with QUIT', async () => {
    const socket = connect(rig.port, '127.0.0.1');
    const said = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
      socket.on('close', () => resolve(text));
    });
    socket.write('PING\r\nQUIT\r\nPING\r\n');
    expect(await said).toBe('+PONG\r\n+OK\r\n');
  });
});

/** All that a program has said so far. */
function collect(child: ChildProcess): () => string {
  let text = '';
  const hear = (bytes: Buffer): void => void (text += bytes.toString());
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  return () => text;
}
