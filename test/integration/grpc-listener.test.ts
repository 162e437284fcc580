/** The gRPC door's port: TLS, limits of connections, health, reflection, and its end. */
import { type ServiceDefinition, status } from '@grpc/grpc-js';
import { service as HEALTH } from 'grpc-health-check';
import { copyFile, readFile } from 'node:fs/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { aroundCache } from '../support/around-cache';
import { makeCertificate } from '../support/certificate';
import { makeFolder, removeFolder } from '../support/child';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';
import { eventually } from '../support/eventually';
import { bearer, GrpcClient } from '../support/grpc-client';

const START_MS = 30_000;
const { Check, List, Watch } = HEALTH as unknown as ServiceDefinition;

const clients: GrpcClient[] = [];
const services: GrpcService[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const service of services.splice(0)) await service.close();
}, START_MS);

async function open(...given: Parameters<typeof openGrpcDoorService>): Promise<GrpcService> {
  const service = await openGrpcDoorService(...given);
  services.push(service);
  return service;
}

function clientOf(...given: ConstructorParameters<typeof GrpcClient>): GrpcClient {
  const client = new GrpcClient(...given);
  clients.push(client);
  return client;
}

function get({ token }: GrpcService, client: GrpcClient): Promise<status> {
  return client.call('Get', { key: 'k' }, bearer(token)).then((answer) => answer.status.code);
}

function openTls({ grpc }: GrpcService, options: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls(
      {
        port: grpc.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: grpc.ca,
        ALPNProtocols: ['h2'],
        ...options,
      },
      () => resolve(socket),
    );
    socket.on('error', reject);
  });
}

describe('TLS', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    const socket = await openTls(await open(), { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  });

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['a suite without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
    ['a suite that is not AEAD', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }],
  ])('%s is not', async (_name, options) => {
    await expect(openTls(await open(), options)).rejects.toThrow();
  });

  it(
    'a new certificate is shown to new connections, and the old ones go on; a bad one changes nothing',
    async () => {
      const service = await open();
      const client = clientOf(service.grpc);
      expect(await get(service, client)).toBe(status.OK);
      const folder = await makeFolder();
      const next = await makeCertificate(folder);
      const { certFile, keyFile } = service.grpc.certificate;
      await copyFile(next.keyFile, keyFile);
      await eventually(() =>
        service.log.lines.some(({ message }) => message.includes('kept the old certificate')),
      );
      expect(await get(service, clientOf(service.grpc))).toBe(status.OK);
      await copyFile(next.certFile, certFile);
      const grpc = { port: service.grpc.port, ca: await readFile(next.certFile) };
      await eventually(async () => (await get(service, clientOf(grpc))) === status.OK);
      expect(await get(service, client)).toBe(status.OK);
      await removeFolder(folder);
    },
    START_MS,
  );

  it('where an authority of clients is set, only who shows a certificate of it gets in', async () => {
    const folder = await makeFolder();
    const { certFile, keyFile } = await makeCertificate(folder);
    const service = await open({}, { clientCaFile: certFile });
    const identity = { key: await readFile(keyFile), cert: await readFile(certFile) };
    expect(await get(service, clientOf(service.grpc, {}, identity))).toBe(status.OK);
    expect(await get(service, clientOf(service.grpc))).toBe(status.UNAVAILABLE);
    await removeFolder(folder);
  });
});

describe('connections', () => {
  it('over their limit one is closed at once, and one that ends makes room', async () => {
    const service = await open({}, { maxConnections: 1 });
    const first = clientOf(service.grpc);
    expect(await get(service, first)).toBe(status.OK);
    const startedMs = performance.now();
    expect(await get(service, clientOf(service.grpc))).toBe(status.UNAVAILABLE);
    expect(performance.now() - startedMs).toBeLessThan(2000);
    first.close();
    await eventually(async () => (await get(service, clientOf(service.grpc))) === status.OK);
  });

  // An hour is the same with more of it: each quiet stretch of `keepaliveMs` ends with a question that is answered.
  it('one that only watches outlives many times its idle and its keepalive time', async () => {
    const service = await open({}, { times: { keepaliveMs: 100, keepaliveTimeoutMs: 1000, idleMs: 200 } });
    const client = clientOf(service.grpc);
    const stream = client.watch(['k'], bearer(service.token));
    const events: { status: string }[] = [];
    stream.on('data', (event) => events.push(event)).on('error', () => undefined);
    await eventually(() => events.length === 1);
    const startedMs = performance.now();
    await eventually(() => performance.now() - startedMs > 1500);
    await client.call('Set', { key: 'k', value: { text: 'v' } }, bearer(service.token));
    await eventually(() => events.length === 2);
    stream.cancel();
  });

  it('one that does not answer whether it is there is closed', async () => {
    const service = await open({}, { times: { keepaliveMs: 100, keepaliveTimeoutMs: 200 } });
    const socket = await openTls(service);
    // No frame of HTTP/2 will come from here.
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
    await new Promise<void>((resolve) => socket.on('close', () => resolve()).resume());
  });

  it('one on which there is no call is closed after its time', async () => {
    const service = await open({}, { times: { idleMs: 200 } });
    const socket = await openTls(service);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
    await new Promise<void>((resolve) => socket.on('close', () => resolve()).resume());
  });
});

describe('health', () => {
  it.each(['', 'ringcache.v1.Cache'])('of %j is told without a token, as /readyz has it', async (name) => {
    let isReady = true;
    const service = await open({ around: (cache) => aroundCache(cache, { ready: () => isReady }) });
    const client = clientOf(service.grpc);
    expect((await client.call(Check!, { service: name })).reply).toEqual({ status: 'SERVING' });
    const told: string[] = [];
    const stream = client.stream(Watch!, { service: name });
    stream.on('data', ({ status: state }) => told.push(state)).on('error', () => undefined);
    await eventually(() => told.length === 1);
    isReady = false;
    expect((await client.call(Check!, { service: name })).reply).toEqual({ status: 'NOT_SERVING' });
    await eventually(() => told.length === 2);
    isReady = true;
    await eventually(() => told.length === 3);
    expect(told).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    stream.cancel();
  });

  it('is not told to more strangers than there is room for, and that is a fault of ours', async () => {
    const service = await open();
    const client = clientOf(service.grpc);
    const ended: { code: number }[] = [];
    for (let count = 0; count < 257; count++) {
      const stream = (count < 200 ? client : clientOf(service.grpc)).stream(Watch!, { service: '' });
      stream.on('data', () => undefined).on('error', (error) => ended.push(error as never));
    }
    await eventually(() => ended.length > 0);
    expect(ended).toMatchObject([{ code: status.UNAVAILABLE }]);
    const lines = service.log.lines.filter(({ level }) => level === 'request');
    expect(lines.at(-1)?.fields).toMatchObject({ outcome: 'unavailable', isFault: true });
  });

  it('of an unknown name is unknown, and all names can be listed', async () => {
    const client = clientOf((await open()).grpc);
    const { status: ended } = await client.call(Check!, { service: '__proto__' });
    expect(ended.code).toBe(status.NOT_FOUND);
    expect((await client.call(List!, {})).reply.statuses).toEqual({
      '': { status: 'SERVING' },
      'ringcache.v1.Cache': { status: 'SERVING' },
    });
  });
});

describe('the end', () => {
  it(
    'NOT_SERVING first, then watches end, calls at work are answered, and nothing new comes in',
    async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const service = await open(
        {
          around: (cache) =>
            aroundCache(cache, { execute: (...given) => held.then(() => cache.execute(...given)) }),
        },
        { times: { drainMs: 500 } },
      );
      const client = clientOf(service.grpc);
      const health: string[] = [];
      const healthStream = client.stream(Watch!, { service: '' });
      healthStream.on('data', ({ status: state }) => health.push(state)).on('error', () => undefined);
      const watch = client.watch(['k'], bearer(service.token));
      let ended: { code: number; details: string } | undefined;
      watch.on('data', () => undefined).on('error', (error) => (ended = error as never));
      const working = get(service, client);
      await eventually(() => health.length === 1);

      const closing = service.grpc.door.close();
      await eventually(() => ended !== undefined && health.length === 2);
      expect(health).toEqual(['SERVING', 'NOT_SERVING']);
      expect(ended).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringContaining('stopping') });
      const late = client.watch(['k'], bearer(service.token));
      const refused = await new Promise((resolve) => late.on('data', () => undefined).on('error', resolve));
      expect(refused).toMatchObject({ code: status.UNAVAILABLE });
      release();
      expect(await working).toBe(status.OK);
      await closing;
      expect(await get(service, clientOf(service.grpc))).toBe(status.UNAVAILABLE);
    },
    START_MS,
  );

  it(
    'comes in bounded time, whoever does not leave',
    async () => {
      const service = await open({
        limits: { requestTimeoutMs: 200 },
        around: (cache) => aroundCache(cache, { execute: () => new Promise(() => undefined) }),
      });
      void get(service, clientOf(service.grpc));
      await openTls(service);
      const startedMs = performance.now();
      await service.grpc.door.close();
      expect(performance.now() - startedMs).toBeLessThan(4000);
    },
    START_MS,
  );
});
