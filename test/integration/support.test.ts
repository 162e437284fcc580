/** The fault tools themselves: a fault that does not happen would make every test behind it pass for nothing. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { transformFile } from '@swc/core';
import { makeFolder, removeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { stopAfterTests } from '../support/leftovers';
import { startRedis, startShard } from '../support/redis';
import { startTcpProxy } from '../support/tcp-proxy';

describe('a Redis of the tests', () => {
  it('answers nothing while frozen, and goes on where it was when thawed', async () => {
    const redis = await startRedis();
    redis.freeze();
    let answered = false;
    const late = redis.client.set('k', 'v').then(() => (answered = true));
    await eventually(async () => (await stateOf(redis.pid)) === 'T');
    expect(answered).toBe(false);
    redis.thaw();
    await late;
    expect(await redis.client.get('k')).toBe('v');
    await redis.stop();
  });

  it('comes back empty on the same port after kill and restart', async () => {
    const redis = await startRedis({ password: 'p@ss/word' });
    await redis.client.set('k', 'v');
    const { pid, port } = redis;
    await redis.kill();
    await redis.restart();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    expect(await redis.client.get('k')).toBeNull();
    await redis.stop();
  });
});

describe('a child of the tests', () => {
  it('does not outlive a SIGKILL of the process that started it, even when frozen', async () => {
    const folder = await makeFolder();
    for (const name of ['child', 'leftovers']) {
      const { code } = await transformFile(path.join(__dirname, `../support/${name}.ts`), {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'commonjs' },
      });
      await writeFile(path.join(folder, `${name}.js`), code);
    }
    const parent = spawn(process.execPath, [
      '-e',
      `const { startChild, makeFolder } = require(${JSON.stringify(path.join(folder, 'child.js'))});
       makeFolder().then((folder) => {
         const { pid } = startChild('sleep', ['600'], { folder, env: process.env });
         process.kill(pid, 'SIGSTOP');
         console.log(JSON.stringify({ pid, folder }));
       });`,
    ]);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const child = JSON.parse(line.toString()) as { pid: number; folder: string };
    expect(await stateOf(child.pid)).toBe('T');
    parent.kill('SIGKILL');
    await eventually(async () => ['', 'Z'].includes(await stateOf(child.pid)));
    await eventually(() => !existsSync(child.folder));
    await removeFolder(folder);
  });
});

describe('a shard of the tests', () => {
  it('replicates over TLS with a password', async () => {
    const shard = await startShard({ name: 's', replicas: 1, tls: true, password: 'secret' });
    await shard.master.client.set('k', 'v');
    await shard.inSync();
    expect(await shard.replicas[0]!.client.get('k')).toBe('v');
    expect(shard.setting).toMatch(
      /^s=rediss:\/\/:secret@127\.0\.0\.1:\d+,rediss:\/\/:secret@127\.0\.0\.1:\d+$/,
    );
    await shard.stop();
  });

  it('holds writes back from its replicas while replication is paused, with the links up', async () => {
    const shard = await startShard({ name: 's', replicas: 2, replicationThroughProxy: true });
    shard.pauseReplication();
    await shard.master.client.set('k', 'v');
    for (const replica of shard.replicas) {
      expect(await replica.client.get('k')).toBeNull();
      expect(await replica.client.info('replication')).toContain('master_link_status:up');
    }
    shard.resumeReplication();
    await shard.inSync();
    for (const replica of shard.replicas) expect(await replica.client.get('k')).toBe('v');
    await shard.stop();
  });
});

describe('a TCP proxy', () => {
  /** An echo server behind a proxy, and a client that collects what comes back. */
  async function openEcho() {
    const server = createServer((socket) => void socket.on('error', () => undefined).pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    const client = connect(proxy.port, proxy.host);
    let received = '';
    client.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
    client.on('error', () => undefined);
    await once(client, 'connect');
    const close = stopAfterTests(async () => {
      client.destroy();
      await proxy.close();
      server.close();
    });
    return { proxy, client, received: () => received, close };
  }

  it('delivers after a pause what was sent during it, in order', async () => {
    const { proxy, client, received, close } = await openEcho();
    client.write('a');
    await eventually(() => received() === 'a');
    proxy.pause('down');
    client.write('b');
    const other = connect(proxy.port, proxy.host);
    await once(other, 'connect');
    client.write('c');
    expect(received()).toBe('a');
    proxy.resume();
    await eventually(() => received() === 'abc');
    other.destroy();
    await close();
  });

  it('loses what is sent while it swallows, and keeps the connection', async () => {
    const { proxy, client, received, close } = await openEcho();
    proxy.swallow('up');
    await new Promise<void>((resolve) => client.write('lost', () => resolve()));
    const { bytesWritten } = client;
    expect(bytesWritten).toBe(4);
    // A second connection through the same proxy shows that it has looked at its sockets since.
    const witness = connect(proxy.port, proxy.host);
    await once(witness, 'connect');
    witness.destroy();
    proxy.resume();
    client.write('kept');
    await eventually(() => received().endsWith('kept'));
    expect(client.destroyed).toBe(false);
    await close();
  });

  it('delays bytes without reordering them when the delay shrinks', async () => {
    const { proxy, client, received, close } = await openEcho();
    proxy.delay(80);
    client.write('a');
    await eventually(() => client.bytesWritten === 1);
    proxy.delay(1);
    client.write('b');
    await eventually(() => received().length === 2);
    expect(received()).toBe('ab');
    await close();
  });

  it('resets every connection when cut, and serves again when healed', async () => {
    const { proxy, client, close } = await openEcho();
    const closed = new Promise((resolve) => client.once('close', resolve));
    proxy.cut();
    await closed;
    const refused = connect(proxy.port, proxy.host);
    await expect(once(refused, 'end')).rejects.toThrow('ECONNRESET');
    proxy.heal();
    const healed = connect(proxy.port, proxy.host);
    healed.write('x');
    expect(String((await once(healed, 'data'))[0])).toBe('x');
    healed.destroy();
    await close();
  });
});

/** One letter as `ps` knows it (T: stopped, Z: ended), empty for no such process. */
async function stateOf(pid: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'state=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.trim();
}
