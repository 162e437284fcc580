/** How long a connection of the fast path lives, and how it ends: as one of the general way does. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readFile } from 'node:fs/promises';
import { makeCertificate } from '../support/certificate';
import { makeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor } from '../support/http-door';
import { openTestListener, type TestListener } from '../support/listener';
import type { ListenerOptions } from '../../src/doors/http/listener';
import { openRaw, type RawClient } from '../support/raw-http';
import { createHold, turn } from '../support/two-ways';

const MAX_IN_FLIGHT = 2;
const VALUE_BYTES_MAX = 1024 * 1024;
const hold = createHold();

let door: HttpDoor;
let listener: TestListener;
/** The server's ends of the connections, by their first requests. */
const sockets: Socket[] = [];
const clients: RawClient[] = [];

const head = (): string => `Host: localhost\r\nAuthorization: Bearer ${door.token}\r\n`;
const post = (body: string, more = ''): string =>
  `POST /cache HTTP/1.1\r\n${head()}${more}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const read = (key: string): string => post(`{"command":"READ","key":"${key}"}`);

async function open(options: Partial<ListenerOptions> = {}): Promise<void> {
  listener = await openTestListener(
    {
      app: ((request: IncomingMessage, response: ServerResponse) => {
        sockets.push(request.socket);
        door.app(request, response);
      }) as HttpDoor['app'],
      fast: door.fast,
    },
    options,
  );
}

/** A connection that has asked before; and the server's end of it. */
async function openClient(): Promise<RawClient & { readonly far: Socket }> {
  const client = await openRaw(listener.port);
  clients.push(client);
  client.send(`GET /livez HTTP/1.1\r\n${head()}\r\n`);
  await client.answer();
  await turn();
  const far = sockets.at(-1);
  if (far === undefined) throw new Error('nobody came');
  return { ...client, far };
}

/** Asks by the fast path for what is held. */
async function openHeld(): Promise<RawClient & { readonly far: Socket }> {
  const client = await openClient();
  const before = [door.taken(), hold.held.length];
  client.send(read('held'));
  await eventually(() => hold.held.length === (before[1] ?? 0) + 1);
  expect(door.taken()).toBe((before[0] ?? 0) + 1);
  return client;
}

beforeEach(async () => {
  door = await openHttpDoor({
    hasFastPath: true,
    maxInFlight: MAX_IN_FLIGHT,
    around: hold.around,
    limits: { valueBytesMax: VALUE_BYTES_MAX, requestTimeoutMs: 600_000 },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  hold.release();
  await Promise.all([listener.close(), door.close()]);
});

it('a command that is held has a place among those at work, and gives it back', async () => {
  await open();
  for (let round = 0; round < 3; round++) {
    const busy = [await openHeld(), await openHeld()];
    const refused = await openClient();
    const before = door.taken();
    refused.send(read('k'));
    expect((await refused.answer()).status).toBe(503);
    expect(door.taken()).toBe(before + 1);
    if (round === 1) for (const client of busy) client.destroy();
    await turn();
    hold.release();
    if (round !== 1) for (const client of busy) expect((await client.answer()).status).toBe(200);
    await eventually(
      () => door.log.lines.filter(({ level }) => level === 'request').length === round * 7 + 6,
    );
    refused.send(read('k'));
    expect((await refused.answer()).status).toBe(200);
    await eventually(
      () => door.log.lines.filter(({ level }) => level === 'request').length === (round + 1) * 7,
    );
  }
});

it('who leaves while a command is at work is logged as one who got no answer', async () => {
  await open();
  for (const leave of ['destroy', 'end'] as const) {
    const client = await openHeld();
    client.socket[leave]();
    await eventually(() => client.far.destroyed);
    const before = door.log.lines.length;
    hold.release();
    await eventually(() => door.log.lines.length === before + 1);
    expect(door.log.lines.at(-1)).toMatchObject({ fields: { outcome: 'NOT_FOUND', status: undefined } });
  }
});

it('lives on beyond the time in which a head and a first request must come', async () => {
  await open();
  const client = await openClient();
  const startedMs = performance.now();
  const before = door.taken();
  let asked = 0;
  while (performance.now() - startedMs < 6600) {
    client.send(read('k'));
    expect((await client.answer()).status).toBe(200);
    asked++;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(door.taken() - before).toBe(asked);
}, 20_000);

it('an idle connection ends when Node`s timer says so; one whose command is at work does not', async () => {
  await open();
  const idle = await openClient();
  idle.send(read('k'));
  expect((await idle.answer()).status).toBe(200);
  expect(idle.far.timeout).toBeGreaterThanOrEqual(65_000);
  const busy = await openHeld();
  for (const { far } of [idle, busy]) far.emit('timeout');
  await idle.ended();
  hold.release();
  expect((await busy.answer()).status).toBe(200);
  busy.far.emit('timeout');
  await busy.ended();
});

it('a stop lets a command at work have its answer, which is the last, though more was sent behind it', async () => {
  await open();
  const busy = await openHeld();
  const flooding = await openHeld();
  const idle = await openClient();
  for (let count = 0; count < 30; count++) flooding.send(post('x'.repeat(15_000)));
  await turn();
  const isClosed = listener.close();
  await idle.ended();
  expect(busy.hasEnded()).toBe(false);
  hold.release();
  let failure: Error | undefined;
  for (const client of [busy, flooding]) {
    client.socket.on('error', (error) => (failure ??= error));
    const answer = await client.answer();
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    await client.ended();
  }
  await isClosed;
  expect(failure).toBeUndefined();
  // All that was sent was read, so nothing of it can have reset the connection.
  expect(flooding.far.bytesRead).toBeGreaterThan(30 * 15_000);
  expect(listener.log.lines).toEqual([]);
});

it('while it stops, the first command on a connection is its last', async () => {
  await open();
  const client = await openClient();
  const before = door.taken();
  const isClosed = listener.close();
  client.send(read('k'));
  const answer = await client.answer();
  expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
  expect(door.taken()).toBe(before);
  await client.ended();
  await isClosed;
});

it('a connection beyond the limit never takes it', async () => {
  await open({ maxConnections: 1 });
  await openClient();
  const before = door.taken();
  const surplus = await openRaw(listener.port);
  clients.push(surplus);
  surplus.send(read('k'));
  const answer = await surplus.answer();
  expect([answer.status, answer.headers.get('connection')]).toEqual([503, 'close']);
  await surplus.ended();
  expect(door.taken()).toBe(before);
});

it('who shuts its side behind a command is served as on the general way: not at all', async () => {
  await open();
  const client = await openClient();
  const before = door.taken();
  client.socket.end(read('k'));
  await client.ended();
  expect(door.taken()).toBe(before + 1);
});

it('a client certificate is asked for before anything is read', async () => {
  const files = await makeCertificate(await makeFolder());
  await open({ ...files, clientCaFile: files.certFile });
  await expect(openRaw(listener.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert|handshake|reset/i);
  const known = await openRaw(listener.port, {
    cert: await readFile(files.certFile),
    key: await readFile(files.keyFile),
  });
  clients.push(known);
  const before = door.taken();
  for (let count = 0; count < 2; count++) {
    known.send(read('k'));
    expect((await known.answer()).status).toBe(200);
  }
  expect(door.taken()).toBe(before + 1);
});

describe('who does not read its answers', () => {
  const COUNT = 64;

  async function askWithoutReading(): Promise<RawClient & { readonly far: Socket }> {
    const client = await openClient();
    const value = 'v'.repeat(VALUE_BYTES_MAX);
    for (const name of ['big', 'big2']) {
      client.send(post(`{"key":"${name}","value":"${value}"}`, 'Prefer: return=minimal\r\n'));
      expect((await client.answer({ withinMs: 10_000 })).status).toBe(200);
    }
    client.socket.pause();
    for (let count = 0; count < COUNT; count++) {
      await new Promise<void>((resolve) =>
        client.socket.write(read(count % 2 === 0 ? 'big' : 'big2'), () => resolve()),
      );
    }
    // Until the buffers of the system are full, too.
    let stillAt = 0;
    let sinceMs = 0;
    await eventually(() => {
      if (door.taken() !== stillAt) sinceMs = performance.now();
      stillAt = door.taken();
      return client.far.isPaused() && client.far.writableLength > 0 && performance.now() - sinceMs > 300;
    });
    return client;
  }

  it('is read from no more, and gets all in order when it reads', async () => {
    await open();
    const before = door.taken();
    const client = await askWithoutReading();
    expect(door.taken() - before).toBeLessThan(COUNT);
    expect(client.far.writableLength).toBeLessThan(4 * VALUE_BYTES_MAX);
    client.socket.resume();
    for (let count = 0; count < COUNT; count++) {
      const { body } = await client.answer({ withinMs: 10_000 });
      expect(body).toHaveLength(`{"command":"READ","status":"SUCCESS","value":""}`.length + VALUE_BYTES_MAX);
    }
    expect(door.taken() - before).toBeGreaterThan(0);
  });

  it('is told once the listener stops which answer is the last', async () => {
    await open();
    const client = await askWithoutReading();
    const isClosed = listener.close();
    client.socket.resume();
    for (let isLast = false; !isLast;) {
      const { status, headers } = await client.answer({ withinMs: 10_000 });
      expect(status).toBe(200);
      isLast = headers.get('connection') === 'close';
    }
    await client.ended();
    await isClosed;
    expect(listener.log.lines).toEqual([]);
  });

  it('is cut when it reads nothing for five seconds', async () => {
    await open();
    const client = await askWithoutReading();
    await eventually(() => client.far.destroyed, 9000);
    expect(listener.log.lines).toMatchObject([{ message: 'closed: the answer was not read' }]);
  });
});
