/**
 * What no gRPC library sends: HTTP/2 by hand against the gRPC door. Nothing of it may count as our own fault (INTERNAL,
 * UNKNOWN), crash or hang the door, or reach anybody else's call.
 */
import { status } from '@grpc/grpc-js';
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';
import { eventually } from '../support/eventually';
import { bearer, CACHE_SERVICE, GrpcClient } from '../support/grpc-client';
import { fieldBlock, FLAG, FRAME, frame, PREFACE } from '../support/http2-frames';

const START_MS = 30_000;
const MESSAGE_BYTES_MAX = 64 * 1024 + 1024 * 1024;
/** For a request and its answer, in place of 15 s. */
const TRANSFER_MS = 300;
const REQUEST_TIMEOUT_MS = 500;

let service: GrpcService;
let client: GrpcClient;
let session: ClientHttp2Session;

beforeAll(async () => {
  service = await openGrpcDoorService(
    { limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS } },
    { times: { transferMs: TRANSFER_MS, handshakeMs: 300 } },
  );
  client = new GrpcClient(service.grpc);
  session = connect(`https://localhost:${service.grpc.port}`, { ca: service.grpc.ca, host: '127.0.0.1' });
  session.on('error', () => undefined);
}, START_MS);
afterEach(async () => {
  const { status: ended } = await client.call('Get', { key: 'still there' }, bearer(service.token));
  expect(ended.code).toBe(status.OK);
  expect(({} as Record<string, unknown>)['key']).toBeUndefined();
});
afterAll(async () => {
  session.destroy();
  client.close();
  await service.close();
});

interface RawAnswer {
  readonly http: number | undefined;
  /** gRPC's, wherever it stands. */
  readonly status: number | undefined;
  readonly details: string;
  readonly headers: IncomingHttpHeaders;
  /** Of HTTP/2: how the stream ended. */
  readonly rstCode: number;
}

/** One stream; `body` undefined: it is never ended. */
function exchange(headers: OutgoingHttpHeaders, body: Buffer | undefined, on = session): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const stream = on.request({
      ':method': 'POST',
      ':path': '/ringcache.v1.Cache/Get',
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...headers,
    });
    let all: IncomingHttpHeaders = {};
    const take = (more: IncomingHttpHeaders): void => void (all = { ...all, ...more });
    stream
      .on('response', take)
      .on('trailers', take)
      .on('error', () => undefined)
      .resume();
    stream.on('close', () => {
      const code = all['grpc-status'];
      resolve({
        http: all[':status'] as number | undefined,
        status: code === undefined ? undefined : Number(code),
        details: decodeURIComponent(String(all['grpc-message'] ?? '')),
        headers: all,
        rstCode: stream.rstCode,
      });
    });
    if (body === undefined) stream.write(Buffer.alloc(1));
    else stream.end(body);
  });
}

/** A message as gRPC frames it. */
function framed(message: Buffer, announced = message.length, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(announced, 1);
  return Buffer.concat([head, message]);
}

const authorized = (): OutgoingHttpHeaders => ({ authorization: `Bearer ${service.token}` });
const getOf = (key: string): Buffer => CACHE_SERVICE['Get']!.requestSerialize({ key });
const setOf = (request: object): Buffer => CACHE_SERVICE['Set']!.requestSerialize(request);
const SET = { ':path': '/ringcache.v1.Cache/Set' };

describe('messages', () => {
  it('a good one is answered, so that what is refused below is refused for its fault', async () => {
    expect(await exchange(authorized(), framed(getOf('k')))).toMatchObject({ http: 200, status: status.OK });
  });

  it.each<[string, Buffer]>([
    ['an empty message', Buffer.alloc(0)],
    ['garbage', Buffer.from('ff'.repeat(20), 'hex')],
    ['a field longer than the message', Buffer.from('0a7f61', 'hex')],
    ['a key that is no UTF-8', Buffer.from('0a02c328', 'hex')],
    ['a key that is half of a pair in UTF-8', Buffer.from('0a03eda080', 'hex')],
    ['a field shorter than it says, in a field', Buffer.from('0a016b12040a7f6161', 'hex')],
    ['a number where text belongs', Buffer.from('0801', 'hex')],
    ['a number that never ends', Buffer.from(`0a016b10${'ff'.repeat(12)}`, 'hex')],
    ['field number 0', Buffer.from('0001', 'hex')],
    ['a group', Buffer.from('0b0c', 'hex')],
    ['groups without end', Buffer.alloc(500_000, 0x0b)],
  ])('%s is a bad request', async (_name, message) => {
    const answer = await exchange(authorized(), framed(message));
    expect(answer).toMatchObject({ http: 200, status: status.INVALID_ARGUMENT });
    expect(answer.headers['ringcache-code']).toBe('bad_request');
  });

  it('text that is no UTF-8 is refused in a value, and U+FFFD that was sent as such is not', async () => {
    const good = setOf({ key: 'k\ufffd', value: { text: '\ufffd' } });
    expect(await exchange({ ...authorized(), ...SET }, framed(good))).toMatchObject({ status: status.OK });
    const bad = Buffer.from(good);
    bad.set([0xff, 0xff, 0xff], good.lastIndexOf('\ufffd'));
    const refused = await exchange({ ...authorized(), ...SET }, framed(bad));
    expect(refused).toMatchObject({ status: status.INVALID_ARGUMENT });
  });

  it('fields that nobody knows are passed over, as protobuf has it', async () => {
    const message = Buffer.concat([getOf('k'), Buffer.from('fa0f03616263', 'hex')]);
    expect(await exchange(authorized(), framed(message))).toMatchObject({ status: status.OK });
  });

  it('a field that is sent twice counts as its last', async () => {
    const message = Buffer.concat([getOf('x'.repeat(2000)), getOf('k')]);
    expect(await exchange(authorized(), framed(message))).toMatchObject({ status: status.OK });
  });

  it.each<[string, () => Buffer, number]>([
    ['none', () => Buffer.alloc(0), status.UNIMPLEMENTED],
    ['two', () => Buffer.concat([framed(getOf('k')), framed(getOf('k'))]), status.UNIMPLEMENTED],
    ['one that breaks off', () => framed(getOf('k'), 100), status.UNIMPLEMENTED],
    ['one over the limit', () => framed(Buffer.alloc(MESSAGE_BYTES_MAX + 1)), status.RESOURCE_EXHAUSTED],
    ['4 GiB announced', () => framed(getOf('k'), 0xffff_ffff), status.RESOURCE_EXHAUSTED],
    ['one that is packed', () => framed(gzipSync(getOf('k')), undefined, 1), status.UNIMPLEMENTED],
    ['garbage in place of a packed one', () => framed(getOf('k'), undefined, 1), status.UNIMPLEMENTED],
    ['one in an unknown packing', () => framed(getOf('k'), undefined, 1), status.UNIMPLEMENTED],
  ])('of messages, %s', async (name, body, expected) => {
    const encoding = name.includes('packed') ? 'gzip' : name.includes('packing') ? 'br' : 'identity';
    const answer = await exchange({ ...authorized(), 'grpc-encoding': encoding }, body());
    expect(answer).toMatchObject({ http: 200, status: expected });
  });

  it('one at the limit arrives', async () => {
    const data = Buffer.alloc(MESSAGE_BYTES_MAX);
    const answer = await exchange({ ...authorized(), ...SET }, framed(data.subarray(0, MESSAGE_BYTES_MAX)));
    expect(answer).toMatchObject({ status: status.INVALID_ARGUMENT });
    expect(answer.headers['ringcache-code']).toBe('bad_request');
  });
});

describe('heads', () => {
  it.each<[string, OutgoingHttpHeaders]>([
    ['another content type', { 'content-type': 'application/json' }],
    ['no content type', { 'content-type': undefined }],
  ])('%s is no gRPC: HTTP 415', async (_name, headers) => {
    expect(await exchange({ ...authorized(), ...headers }, framed(getOf('k')))).toMatchObject({ http: 415 });
  });

  it.each(['/ringcache.v1.Cache/Drop', '/ringcache.v1.Cache/__proto__', '/', '/constructor', '//'])(
    'the method %j is not implemented',
    async (path) => {
      const answer = await exchange({ ...authorized(), ':path': path }, framed(getOf('k')));
      expect(answer).toMatchObject({ http: 200, status: status.UNIMPLEMENTED });
    },
  );

  it('metadata over its limit ends the stream, and nothing else', async () => {
    const large = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`x-${at}`, 'v'.repeat(1000)]));
    const answer = await exchange({ ...authorized(), ...large }, framed(getOf('k')));
    expect(answer.status).toBeUndefined();
    expect(answer.rstCode).not.toBe(0);
  });

  it('authorization twice is refused, even when both are good', async () => {
    const before = service.log.lines.length;
    const frames = await exchangeByHand(service, 2);
    expect(frames).toBeGreaterThan(0);
    const [line] = service.log.lines.slice(before);
    expect(line?.fields).toMatchObject({ route: 'Get', outcome: 'unauthenticated' });
    await exchangeByHand(service, 1);
    expect(service.log.lines.at(-1)?.fields).toMatchObject({ route: 'Get', outcome: 'NOT_FOUND' });
  });

  it.each(['x', '', '1', '-1S', '1.5S', '99999999999S', '1S, 2S', '1 S'])(
    'a deadline of %j is a bad request, for health too',
    async (timeout) => {
      const fields = { ...authorized(), 'grpc-timeout': timeout };
      const answer = await exchange(fields, framed(getOf('k')));
      expect(answer).toMatchObject({ http: 200, status: status.INVALID_ARGUMENT });
      expect(answer.headers['ringcache-code']).toBe('bad_request');
      const health = await exchange(
        { ...fields, ':path': '/grpc.health.v1.Health/Check' },
        framed(Buffer.alloc(0)),
      );
      expect(health.status).toBe(status.INVALID_ARGUMENT);
    },
  );

  it.each(['5S', '600H', '99999999H', '99999999S', '99999999u'])(
    'a deadline of %s is kept',
    async (timeout) => {
      const answer = await exchange({ ...authorized(), 'grpc-timeout': timeout }, framed(getOf('k')));
      expect(answer).toMatchObject({ http: 200, status: status.OK });
    },
  );

  it('a caller cannot say in our name that its head is faulty, and answers name no packing', async () => {
    const answer = await exchange({ ...authorized(), 'ringcache-head-fault': 'x' }, framed(getOf('k')));
    expect(answer).toMatchObject({ status: status.OK });
    expect(answer.headers['grpc-accept-encoding']).toBe('identity');
  });
});

describe('slowness', () => {
  it('a message that does not come in time ends its stream', async () => {
    const startedMs = performance.now();
    const answer = await exchange(authorized(), undefined);
    expect(answer.status).not.toBe(status.OK);
    expect(performance.now() - startedMs).toBeLessThan(TRANSFER_MS + REQUEST_TIMEOUT_MS + 1500);
  });

  it('of a stranger no message is waited for', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/ringcache.v1.Cache/Get',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    const answered = new Promise<IncomingHttpHeaders>((resolve) => stream.on('response', resolve));
    expect((await answered)['grpc-status']).toBe(String(status.UNAUTHENTICATED));
    stream.close();
  });

  it('strangers cannot send much to what is open to all', async () => {
    const headers = { ':path': '/grpc.health.v1.Health/Check' };
    const answer = await exchange(headers, framed(Buffer.alloc(100_000)));
    expect(answer.status).not.toBe(status.OK);
  });

  it('an answer that nobody reads ends with its stream, and gives its place back', async () => {
    const value = { data: Buffer.alloc(64 * 1024, 255) };
    await client.call('Set', { key: 'large', value }, bearer(service.token));
    const reader = connect(`https://localhost:${service.grpc.port}`, {
      ca: service.grpc.ca,
      settings: { initialWindowSize: 10 },
    });
    reader.on('error', () => undefined);
    const stream = reader.request({
      ':method': 'POST',
      ':path': '/ringcache.v1.Cache/Get',
      'content-type': 'application/grpc',
      ...authorized(),
    });
    let isCut = false;
    stream.on('error', () => undefined).on('close', () => (isCut = stream.rstCode !== 0));
    stream.end(framed(getOf('large')));
    await eventually(() => isCut);
    await eventually(() => {
      const { fields } = service.log.lines.findLast(({ level }) => level === 'request')!;
      expect(fields).toMatchObject({ route: 'Get', command: 'READ', source: 'master' });
      return true;
    });
    reader.destroy();
  });
});

describe('below HTTP/2', () => {
  it.each<[string, Buffer]>([
    ['HTTP in the clear', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['nothing', Buffer.alloc(0)],
  ])('%s in place of TLS is cut', async (_name, bytes) => {
    const socket = connectTcp(service.grpc.port, '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => undefined).resume();
    socket.write(bytes);
    await closed;
  });

  it.each<[string, readonly string[], Buffer]>([
    ['HTTP/1.1', ['http/1.1'], Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['no protocol', [], Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['garbage in place of frames', ['h2'], Buffer.alloc(1000, 0xff)],
  ])('%s over TLS is cut', async (_name, protocols, bytes) => {
    const socket = connectTls({
      port: service.grpc.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: service.grpc.ca,
      ALPNProtocols: [...protocols],
    });
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => undefined).resume();
    socket.on('secureConnect', () => socket.write(bytes));
    await closed;
  });
});

/**
 * One Get with the same token so many times; Node's client does not send a field twice that counts once. Resolves with
 * the number of HEADERS frames that came back, once there are any.
 */
function exchangeByHand({ grpc, token }: GrpcService, tokens: number): Promise<number> {
  const headers = fieldBlock([
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/ringcache.v1.Cache/Get'],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...Array.from({ length: tokens }, () => ['authorization', `Bearer ${token}`] as const),
  ]);
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { port: grpc.port, host: '127.0.0.1', servername: 'localhost', ca: grpc.ca, ALPNProtocols: ['h2'] },
      () => {
        socket.write(Buffer.concat([PREFACE, frame(FRAME.headers, FLAG.endHeaders, 1, headers)]));
        socket.write(frame(FRAME.data, FLAG.endStream, 1, framed(getOf('absent'))));
      },
    );
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('error', reject).on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      let [count, isOver] = [0, false];
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        if (bytes[at + 3] !== FRAME.headers) continue;
        count++;
        isOver ||= (bytes[at + 4]! & FLAG.endStream) !== 0;
      }
      if (!isOver) return;
      socket.destroy();
      resolve(count);
    });
  });
}
