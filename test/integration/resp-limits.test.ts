/** What one connection of the RESP door may cost: memory, time and places, through real sockets. */
import { connect } from 'node:net';
import type { DoorLoad } from '../../src/core/ports';
import { API_KEY } from '../support/http-door';
import { eventually } from '../support/eventually';
import { silentObserver } from '../support/observer';
import { openTestRespListener, type TestRespListener, type TestRespOptions } from '../support/resp-listener';
import { requestBytes, type WireConnection } from '../support/resp-wire';

jest.setTimeout(40_000);

const MIB = 1024 * 1024;
/** What the systems at both ends may hold for a connection on top of what we do. */
const SYSTEM_BYTES_MAX = 12 * MIB;

let listener: TestRespListener;
afterEach(() => listener.close());

async function open(options: TestRespOptions = {}): Promise<TestRespListener> {
  return (listener = await openTestRespListener(options));
}

async function openKnown(): Promise<WireConnection> {
  const client = await listener.connect();
  await client.ask('AUTH', API_KEY);
  return client;
}

const closings = () => listener.lines.filter(({ message }) => message === 'closed a connection');
const reasons = () => closings().map(({ fields }) => (fields as { reason: string }).reason);

it('of what arrives while a request is being carried out, little is held: the rest stays with the sender', async () => {
  let load = (): DoorLoad => ({ inFlight: 0, inFlightMax: 0, bodyBytes: 0 });
  await open({ listener: { observer: { ...silentObserver, watchLoad: (ask) => (load = ask) } } });
  const client = await openKnown();
  const count = 10_000;
  client.write(requestBytes(['HOLD']));
  client.write(Buffer.concat(Array<Buffer>(count).fill(requestBytes(['ECHO', 'x'.repeat(1000)]))));
  let before = -1;
  await eventually(() => {
    const held = load().bodyBytes;
    const isSteady = held > 0 && held === before;
    before = held;
    return isSteady;
  });
  expect(load().bodyBytes).toBeLessThan(256 * 1024);
  listener.sessions[0]?.release();
  expect(String(await client.next())).toBe('+held\r\n');
  let answered = 0;
  for (; answered < count; answered++) await client.next();
  expect(load().bodyBytes).toBe(0);
});

it('no more than 1,024 replies are owed: then no request is taken until some have left', async () => {
  await open();
  const client = await openKnown();
  await client.askTogether(Array.from({ length: 300 }, () => ['ECHO', 'x']));
  client.write(Buffer.concat(Array<Buffer>(5000).fill(requestBytes(['HELD']))));
  const [session] = listener.sessions;
  await eventually(() => (session?.state.replies.owed ?? 0) > 0 && (session?.heldPlaces ?? 0) >= 1024);
  expect(session?.state.replies.owed).toBe(1024);
  let received = 0;
  while (received < 5000) {
    session?.settleHeld();
    const [reply] = [await client.next()];
    expect(String(reply)).toBe('+held\r\n');
    received++;
  }
});

it('a pipeline of large values to one who reads is sent as a whole, some of it at a time', async () => {
  await open();
  const client = await openKnown();
  const count = 200;
  let received = 0;
  client.socket.removeAllListeners('data').on('data', ({ length }: Buffer) => (received += length));
  client.write(Buffer.concat(Array<Buffer>(count).fill(requestBytes(['BIGLATER', String(MIB)]))));
  await eventually(() => received >= count * MIB, 20_000);
  expect(reasons()).toEqual([]);
});

it('one who does not read is held back at about 1 MiB, gets everything if he does in time', async () => {
  await open();
  const client = await openKnown();
  const count = 5000;
  let received = 0;
  client.socket.removeAllListeners('data').on('data', ({ length }: Buffer) => (received += length));
  client.socket.pause();
  client.write(Buffer.concat(Array<Buffer>(count).fill(requestBytes(['BIG', '10000']))));
  const [session] = listener.sessions;
  let before = -1;
  await eventually(() => {
    const isSteady = session!.taken > 1 && session!.taken === before;
    before = session!.taken;
    return isSteady;
  });
  expect(session!.taken * 10_000).toBeLessThan(MIB + SYSTEM_BYTES_MAX);
  client.socket.resume();
  await eventually(() => received === count * (10_000 + '$10000\r\n\r\n'.length), 20_000);
});

it('one who is sent 32 MiB that he does not read is closed', async () => {
  await open();
  const client = await openKnown();
  client.socket.pause();
  const { replies } = listener.sessions[0]!.state;
  for (let sent = 0; sent < 32 * MIB + SYSTEM_BYTES_MAX; sent += MIB) replies.write(Buffer.alloc(MIB));
  await eventually(() => listener.sessions[0]?.hasEnded);
  expect(reasons()).toEqual(['too many replies were not read']);
});

it('those who are slow are closed within 7 s, strangers after 10, and others are not harmed', async () => {
  await open();
  const quick = await openKnown();
  const stranger = await listener.connect();
  const silent = await listener.connect();
  const [header, body, reader] = [await openKnown(), await openKnown(), await openKnown()];
  header.write('*2\r\n$4\r\nEC');
  body.write('*2\r\n$4\r\nECHO\r\n$1000\r\n');
  reader.socket.pause();
  reader.write(Buffer.concat(Array<Buffer>(5000).fill(requestBytes(['BIG', '10000']))));
  const startedMs = performance.now();
  const trickle = setInterval(() => {
    for (const { socket } of [header, body]) if (socket.writable) socket.write('x');
    if (stranger.socket.writable) stranger.socket.write(requestBytes(['PING']));
    reader.socket.read(1);
  }, 1000);
  try {
    await eventually(() => [3, 4, 5].every((at) => listener.sessions[at]?.hasEnded), 8000);
    expect(performance.now() - startedMs).toBeLessThan(7500);
    expect(String(await quick.ask('ECHO', 'x'))).toBe('$1\r\nx\r\n');
    expect(silent.hasEnded).toBe(false);
    await eventually(() => silent.hasEnded && stranger.hasEnded, 8000);
    expect(performance.now() - startedMs).toBeGreaterThan(9000);
    expect(String(await quick.ask('ECHO', 'x'))).toBe('$1\r\nx\r\n');
    expect(reasons().sort()).toEqual([
      'a request arrived too slowly',
      'a request arrived too slowly',
      'it has not authenticated',
      'it has not authenticated',
      'replies were read too slowly',
    ]);
  } finally {
    clearInterval(trickle);
  }
});

it.each([
  ['eleven words', `*11\r\n${'$1\r\nx\r\n'.repeat(11)}`, 'unauthenticated multibulk length'],
  ['a bulk of 16 KiB and a byte', '*2\r\n$4\r\nAUTH\r\n$16385\r\n', 'unauthenticated bulk length'],
])('a stranger may not send %s', async (_name, bytes, words) => {
  await open();
  const client = await listener.connect();
  client.write(bytes);
  expect(String(await client.next())).toBe(`-ERR Protocol error: ${words}\r\n`);
  await eventually(() => client.hasEnded);
});

it.each([
  ['16,385 words', '*16385\r\n', 'invalid multibulk length'],
  ['a bulk of a byte more than the largest value', '*2\r\n$3\r\nSET\r\n$8388609\r\n', 'invalid bulk length'],
  ['1 GiB announced', '*2\r\n$3\r\nSET\r\n$1073741824\r\n', 'invalid bulk length'],
  ['a line of more than 64 KiB', 'x'.repeat(70_000), 'too big inline request'],
])('a client may not send %s', async (_name, bytes, words) => {
  await open();
  const client = await openKnown();
  client.write(bytes);
  expect(String(await client.next())).toBe(`-ERR Protocol error: ${words}\r\n`);
  await eventually(() => client.hasEnded);
});

it('an announced value takes no memory before it arrives', async () => {
  await open();
  const clients = await Promise.all(Array.from({ length: 50 }, () => openKnown()));
  const before = process.memoryUsage().arrayBuffers;
  for (const client of clients) client.socket.end('*2\r\n$3\r\nSET\r\n$8388608\r\nx');
  let most = 0;
  await eventually(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers);
    return listener.sessions.every(({ hasEnded }) => hasEnded);
  });
  expect(listener.sessions).toHaveLength(50);
  expect(most - before).toBeLessThan(16 * MIB);
});

it('sockets beyond the limit and those that are told so do not outlive a moment', async () => {
  await open({ listener: { maxConnections: 1 } });
  await listener.connect();
  const sockets = Array.from({ length: 80 }, () =>
    connect(listener.port, '127.0.0.1').on('error', () => undefined),
  );
  for (const socket of sockets) socket.resume();
  await eventually(() => sockets.every(({ destroyed, readableEnded }) => destroyed || readableEnded));
  expect(listener.sessions).toHaveLength(1);
});
