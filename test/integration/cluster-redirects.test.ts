/** A redirection is a claim: only nodes that the cluster announces are ever connected to. */
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { keyFromText } from '../../src/core/key';
import type { Engine } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { EngineUnderTest } from '../contract/engine-contract';
import { openTestCluster } from '../support/cluster-engine';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import { askEngine } from '../support/relay';

const INFO =
  'role:master\r\nmaster_replid:0123456789012345678901234567890123456789\r\nmaster_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:1\r\nsecond_repl_offset:-1\r\n';

/** A server that speaks enough of Redis to be a node of a cluster, and answers commands on keys as it is told. */
async function startNode(
  answer: () => string,
  nodes: (port: number) => string,
): Promise<{ server: Server; address: NodeAddress }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        const words = parseCommand(text);
        if (words === undefined) return;
        text = text.slice(words.length);
        socket.write(reply(words.list));
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  function reply([name = '', second = '']: readonly string[]): string {
    switch (name.toUpperCase()) {
      case 'INFO':
        return bulk(second === 'replication' ? INFO : `redis_version:7.0.15\r\nloading:0\r\n${INFO}`);
      case 'CLUSTER':
        return bulk(nodes(port));
      case 'ROLE':
        return `*3\r\n${bulk('master')}:1\r\n*0\r\n`;
      case 'WAIT':
        return '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n';
      case 'GET':
      case 'GETRANGE':
      case 'SET':
      case 'DEL':
      case 'PTTL':
        return `${answer()}\r\n`;
      default:
        return '+OK\r\n';
    }
  }
  return {
    server,
    address: { host: '127.0.0.1', port, tls: false, username: undefined, password: undefined },
  };
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** The first whole command, and how much of the text it takes. */
function parseCommand(text: string): { readonly list: string[]; readonly length: number } | undefined {
  let at = text.indexOf('\r\n');
  if (at < 0) return undefined;
  const count = Number(text.slice(1, at));
  at += 2;
  const list: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const size = Number(text.slice(at + 1, end));
    if (text.length < end + 2 + size + 2) return undefined;
    list.push(text.slice(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return { list, length: at };
}

describe('a node that redirects', () => {
  let outsideConnections: number;
  let outside: Server;
  let outsidePort: number;
  let node: { server: Server; address: NodeAddress };
  let engine: Engine;
  let said = '+OK';
  const log = createRecordingLog();
  const key = keyFromText('key');

  /** The line of one node. */
  const line = (id: string, place: string, flags: string, epoch: number, slots: string): string =>
    `${id.repeat(40)} ${place} ${flags} - 0 0 ${epoch} connected ${slots}\n`;
  let host: string;
  let nodes: (port: number) => string;

  async function open() {
    node = await startNode(
      () => said,
      (port) => nodes(port),
    );
    engine = await openTestCluster([node.address], { log });
    return new EngineUnderTest(engine);
  }

  beforeEach(async () => {
    said = '+OK';
    host = '127.0.0.1';
    nodes = (port) => line('a', `${host}:${port}@${port}`, 'myself,master', 5, '0-16383');
    outsideConnections = 0;
    outside = createServer((socket) => {
      outsideConnections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    outsidePort = (outside.address() as AddressInfo).port;
  });
  afterEach(async () => {
    await engine.close();
    node.server.close();
    outside.close();
    await Promise.all([once(node.server, 'close'), once(outside, 'close')]);
  });

  it.each(['MOVED', 'ASK'])(
    '%s to a host outside of the cluster is unavailable and opens no connection',
    async (kind) => {
      const store = await open();
      said = `-${kind} 1 127.0.0.1:${outsidePort}`;
      await expect(store.read(key)).rejects.toThrow(/Nothing was done/);
      await expect(store.write(key, 'value')).rejects.toMatchObject({ code: 'unavailable' });
      await expect(store.remove(key)).rejects.toMatchObject({ code: 'unavailable' });
      const relayed = await askEngine(engine.relay!, 'SET key value').catch((thrown: unknown) => thrown);
      expect(relayed).toMatchObject({ code: 'unavailable' });
      expect(String(relayed)).not.toContain(String(outsidePort));
      expect(outsideConnections).toBe(0);
      expect(log.lines.some(({ message }) => message.startsWith('redirected to a node'))).toBe(true);
    },
  );

  it('a write with ack 1 that was redirected was not made, whatever becomes of the WAIT behind it', async () => {
    const store = await open();
    said = `-MOVED 1 127.0.0.1:${outsidePort}`;
    await expect(store.write(key, 'value', { ack: 1 })).rejects.toThrow(/Nothing was done/);
    said = '+OK';
    await expect(store.write(key, 'value', { ack: 1 })).rejects.toThrow(/may stand/);
  });

  it.each(['MOVED', 'ASK'])('%s in a circle ends, well before the deadline', async (kind) => {
    const store = await open();
    said = `-${kind} 1 127.0.0.1:${node.address.port}`;
    const startedMs = clock.now();
    await expect(store.write(key, 'value')).rejects.toMatchObject({ code: 'unavailable' });
    expect(clock.now() - startedMs).toBeLessThan(3000);
  });

  it.each(['MOVED', 'ASK'])('%s in a circle ends for a relayed command by its deadline', async (kind) => {
    await open();
    said = `-${kind} 1 127.0.0.1:${node.address.port}`;
    const startedMs = clock.now();
    await expect(askEngine(engine.relay!, 'SET key value')).rejects.toMatchObject({ code: 'unavailable' });
    expect(clock.now() - startedMs).toBeLessThan(2500);
  });

  it('a circle ends with the deadline at the latest', async () => {
    const store = await open();
    said = `-MOVED 1 127.0.0.1:${node.address.port}`;
    const startedMs = clock.now();
    await expect(store.write(key, 'value', { deadlineMs: startedMs + 60 })).rejects.toMatchObject({
      name: 'CacheError',
    });
    expect(clock.now() - startedMs).toBeLessThan(400);
  });

  it.each(['CLUSTERDOWN The cluster is down', 'TRYAGAIN Multiple keys request during rehashing of slot'])(
    '%s is waited for, and not for ever',
    async (reply) => {
      const store = await open();
      said = `-${reply}`;
      setTimeout(() => (said = '+OK'), 150);
      expect(await store.write(key, 'value')).toBe(true);
      said = `-${reply}`;
      const startedMs = clock.now();
      await expect(store.write(key, 'value')).rejects.toMatchObject({ code: 'unavailable' });
      expect(clock.now() - startedMs).toBeGreaterThan(300);
      expect(clock.now() - startedMs).toBeLessThan(1500);
      const laterMs = clock.now();
      await expect(store.write(key, 'value')).rejects.toMatchObject({ code: 'unavailable' });
      expect(clock.now() - laterMs).toBeLessThan(300);
    },
  );

  it.each(['', '?'])('a host announced as %j is the one that was asked', async (announced) => {
    host = announced;
    const store = await open();
    expect(await store.write(key, 'value')).toBe(true);
    expect(engine.status()[0]?.nodes[0]?.address).toBe(`127.0.0.1:${node.address.port}`);
    said = `-MOVED 1 :${node.address.port}`;
    const write = store.write(key, 'value');
    setTimeout(() => (said = '+OK'), 5);
    expect(await write).toBe(true);
  });

  it('a view that is older than one that was seen, or of a node that was cut off, is not taken', async () => {
    const store = await open();
    const stranger = (flags: string, epoch: number, port: number): string =>
      line('a', `127.0.0.1:${port}@${port}`, 'myself,master', epoch, '') +
      line('b', `127.0.0.1:${outsidePort}@${outsidePort}`, flags, epoch, '0-16383');
    let asked = 0;
    for (const [flags, epoch] of [
      ['master', 4],
      ['master,fail', 6],
    ] as const) {
      asked = 0;
      nodes = (port) => {
        asked += 1;
        return stranger(flags, epoch, port);
      };
      await eventually(() => asked > 1);
      expect(outsideConnections).toBe(0);
      expect(await store.write(key, 'value')).toBe(true);
    }
    nodes = (port) => stranger('master', 6, port);
    await eventually(() => outsideConnections > 0);
  }, 15_000);
});
