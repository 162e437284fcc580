/** Callers of the gRPC door that are slow, or ask without reading: they are cut in time, and others are unharmed. */
import { status } from '@grpc/grpc-js';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';
import { eventually } from '../support/eventually';
import { bearer, CACHE_SERVICE, GrpcClient } from '../support/grpc-client';
import { FLAG, FRAME, frame, PREFACE } from '../support/http2-frames';

/** What is allowed. */
const CUT_MS = 7000;
/** On a busy machine. */
const LATE_MS = 1500;
/** For one event of a watch to be read, in place of 15 s. */
const TRANSFER_MS = 6000;
const VALUE_BYTES = 8 * 1024 * 1024;
const MESSAGE_BYTES = VALUE_BYTES + 1024;

let service: GrpcService;
let client: GrpcClient;
const sessions: ClientHttp2Session[] = [];

beforeAll(async () => {
  service = await openGrpcDoorService(
    { limits: { valueBytesMax: VALUE_BYTES, requestTimeoutMs: 3000 } },
    { times: { transferMs: TRANSFER_MS } },
  );
  client = new GrpcClient(service.grpc, { 'grpc.max_send_message_length': -1 });
  const value = { data: Buffer.alloc(VALUE_BYTES, 255) };
  const answer = await client.call('Set', { key: 'large', value }, bearer(service.token));
  expect(answer.status.code).toBe(status.OK);
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  const answer = await client.call('Get', { key: 'others are unharmed' }, bearer(service.token));
  expect(answer.status.code).toBe(status.OK);
});
afterAll(async () => {
  client.close();
  await service.close();
});

function openSession(initialWindowSize: number): ClientHttp2Session {
  const session = connect(`https://localhost:${service.grpc.port}`, {
    ca: service.grpc.ca,
    settings: { initialWindowSize },
  });
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

function request(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/ringcache.v1.Cache/${method}`,
    'content-type': 'application/grpc',
    authorization: `Bearer ${service.token}`,
  });
  return stream.on('error', () => undefined);
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function openTls(): Promise<TLSSocket> {
  const { port, ca } = service.grpc;
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls(
      { port, host: '127.0.0.1', servername: 'localhost', ca, ALPNProtocols: ['h2'] },
      () => resolve(socket.on('error', () => undefined).resume()),
    );
    socket.once('error', reject);
  });
}

/** One byte a second until it closes, and how long that took. */
async function trickle(
  target: { on(event: 'close', heard: () => void): unknown; write(bytes: Buffer): unknown },
  bytes: Buffer,
): Promise<number> {
  const startedMs = performance.now();
  let at = 0;
  const timer = setInterval(() => target.write(bytes.subarray(at, ++at)), 1000);
  await new Promise<void>((resolve) => target.on('close', resolve));
  clearInterval(timer);
  return performance.now() - startedMs;
}

const getOf = (key: string): Buffer => CACHE_SERVICE['Get']!.requestSerialize({ key });

describe('one byte a second', () => {
  it('of a message', async () => {
    const stream = request(openSession(65_535), 'Set');
    expect(await trickle(stream, framed(Buffer.alloc(MESSAGE_BYTES)))).toBeLessThan(CUT_MS + LATE_MS);
  });

  it('of a head', async () => {
    const socket = await openTls();
    socket.write(PREFACE);
    const head = frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.alloc(1000));
    expect(await trickle(socket, head)).toBeLessThan(CUT_MS + LATE_MS);
  });

  it('of what opens a connection, or nothing of it', async () => {
    const [slow, silent] = await Promise.all([openTls(), openTls()]);
    const silentMs = trickle(silent, Buffer.alloc(0));
    expect(await trickle(slow, PREFACE)).toBeLessThan(CUT_MS + LATE_MS);
    expect(await silentMs).toBeLessThan(CUT_MS + LATE_MS);
  });

  it('or none, of what is read', async () => {
    const session = openSession(10);
    const stream = request(session, 'Get');
    stream.end(framed(getOf('large')));
    const startedMs = performance.now();
    await new Promise<void>((resolve) => session.on('close', resolve));
    expect(performance.now() - startedMs).toBeLessThan(CUT_MS + LATE_MS);
    expect(service.log.lines.map(({ fields }) => fields)).toContainEqual({ reason: 'answers were not read' });
  });
});

it('a connection that is idle, or answers and asks now and then, is none of these', async () => {
  const idle = openSession(65_535);
  const startedMs = performance.now();
  const timer = setInterval(() => {
    idle.ping(() => undefined);
  }, 3000);
  await eventually(() => performance.now() - startedMs > 9000, 10_000);
  clearInterval(timer);
  expect(idle.closed || idle.destroyed).toBe(false);
});

it('who asks and does not read is refused more than they leave unread', async () => {
  const session = openSession(10);
  const answers: unknown[] = [];
  for (let count = 0; count < 20; count++) {
    const stream = request(session, 'Get');
    stream.on('response', (headers) => answers.push(headers['grpc-status']));
    stream.end(framed(getOf('large')));
  }
  await eventually(() => answers.length === 20);
  const refused = answers.filter((answer) => answer === String(status.RESOURCE_EXHAUSTED));
  // 64 MiB, and the one that goes beyond.
  expect(refused.length).toBeGreaterThanOrEqual(20 - 9);
  expect(refused.length).toBeLessThan(20);
});

it('who watches and does not read is cut, and what it was told is not held any longer', async () => {
  const session = openSession(10);
  const stream = request(session, 'Watch');
  stream.end(framed(CACHE_SERVICE['Watch']!.requestSerialize({ keys: ['large'] })));
  const startedMs = performance.now();
  await new Promise<void>((resolve) => stream.on('close', resolve));
  expect(stream.rstCode).not.toBe(0);
  expect(performance.now() - startedMs).toBeGreaterThan(TRANSFER_MS - 500);
  expect(performance.now() - startedMs).toBeLessThan(TRANSFER_MS + LATE_MS);
  await eventually(() =>
    service.log.lines.some(({ message }) => message === 'cut: what was sent was not read'),
  );
  expect(session.destroyed).toBe(false);
});

it('a flood of pings is cut', async () => {
  const socket = await openTls();
  const closed = new Promise<void>((resolve) => socket.on('close', resolve));
  const pings = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
  socket.write(PREFACE);
  const timer = setInterval(() => socket.write(pings), 50);
  await closed;
  clearInterval(timer);
  expect(service.log.lines.map(({ fields }) => fields)).toContainEqual({ reason: 'it sent too many pings' });
});
