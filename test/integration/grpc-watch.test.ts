/** The stream of Watch through the gRPC door; what is told, and when, is in `test/unit/watches.test.ts`. */
import { status, type ClientReadableStream } from '@grpc/grpc-js';
import { openAccess } from '../../src/auth/access';
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import type { RequestLine } from '../../src/core/ports';
import { systemClock } from '../../src/lib/clock';
import { aroundCache } from '../support/around-cache';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';
import { eventually } from '../support/eventually';
import { bearer, GrpcClient } from '../support/grpc-client';
import { addClient, openFolder, runClient, SECRET } from '../unit/auth-support';

const START_MS = 30_000;

let service: GrpcService;
let client: GrpcClient;
/** Whether every token has been revoked. */
let isRevoked = false;
/** Watches of the core that are open. */
const open = new Set<object>();

beforeAll(async () => {
  service = await openGrpcDoorService({
    around: (cache) =>
      aroundCache(cache, {
        watch: (caller, keys) => {
          const watch = cache.watch(() => {
            if (isRevoked) throw new CacheError('unauthenticated', 'The bearer token is not valid.');
            return caller();
          }, keys);
          open.add(watch);
          return {
            next: () => watch.next(),
            close: (reason) => {
              open.delete(watch);
              watch.close(reason);
            },
          };
        },
      }),
  });
  client = new GrpcClient(service.grpc);
}, START_MS);
afterAll(async () => {
  client.close();
  await service.close();
});

let keys = 0;
const freshKey = (): string => `key ${++keys}`;

interface Told {
  readonly events: Record<string, unknown>[];
  ended: { code: number; metadata: { get(name: string): unknown[] } } | undefined;
}

function collect(stream: ClientReadableStream<Record<string, unknown>>): Told {
  const told: Told = { events: [], ended: undefined };
  stream.on('data', (event: Record<string, unknown>) => told.events.push(event));
  stream.on('error', (error) => (told.ended = error as never));
  return told;
}

async function set(key: string, value: object): Promise<void> {
  const answer = await client.call('Set', { key, value }, bearer(service.token));
  expect(answer.status.code).toBe(status.OK);
}

it('tells each key as it is and each change, in all kinds of values', async () => {
  const [first, second] = [freshKey(), freshKey()];
  await set(first, { text: 'é' });
  const stream = client.watch([first, second, first], bearer(service.token));
  const told = collect(stream);
  await eventually(() => told.events.length === 2);
  await set(second, { data: Buffer.of(255) });
  await eventually(() => told.events.length === 3);
  await set(second, { json: '[1]' });
  await eventually(() => told.events.length === 4);
  expect(told.events).toMatchObject([
    { key: first, status: 'SUCCESS', value: { text: 'é' } },
    { key: second, status: 'NOT_FOUND', value: null, source: 'SOURCE_UNSPECIFIED' },
    { key: second, status: 'SUCCESS', value: { data: Buffer.of(255) }, source: 'MASTER' },
    { key: second, status: 'SUCCESS', value: { json: '[1]' } },
  ]);
  stream.cancel();
});

it.each<[string, readonly string[], string]>([
  ['no keys', [], 'bad_request'],
  ['an empty key', ['k', ''], 'bad_request'],
  ['too many keys', Array.from({ length: 101 }, (_, at) => `k ${at}`), 'too_large'],
  ['a key too long', ['k'.repeat(1025)], 'too_large'],
])('%s: refused (%s)', async (_name, names, code) => {
  const told = collect(client.watch(names, bearer(service.token)));
  await eventually(() => told.ended);
  expect(told.ended?.metadata.get('ringcache-code')).toEqual([code]);
  expect(told.events).toEqual([]);
});

it('one key that the client may not read refuses all of them, whether it is there or not', async () => {
  const token = service.tokenWith(['read'], ['mine:']);
  const told = collect(client.watch(['mine:a', 'theirs'], bearer(token)));
  await eventually(() => told.ended);
  expect(told.ended?.code).toBe(status.PERMISSION_DENIED);
});

it('a token that ends, ends its stream within a second', async () => {
  const told = collect(client.watch([freshKey()], bearer(service.token)));
  await eventually(() => told.events.length === 1);
  isRevoked = true;
  const startedMs = performance.now();
  await eventually(() => told.ended);
  isRevoked = false;
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect(told.ended?.code).toBe(status.UNAUTHENTICATED);
  expect(told.ended?.metadata.get('ringcache-code')).toEqual(['unauthenticated']);
});

it('a client that is revoked in the clients file has its streams ended within a second', async () => {
  const folder = await openFolder();
  const key = await addClient(folder.clientsFile, ['reader', '--scope', 'read']);
  const { log } = service;
  const tokens = { secret: SECRET, previousSecret: undefined, ttlSeconds: 900 };
  const access = await openAccess({ tokens, apiKey: undefined, ...folder, clock: systemClock, log });
  const own = await openGrpcDoorService({}, { access });
  const reader = new GrpcClient(own.grpc);
  const { accessToken } = access.login(key, '127.0.0.1');
  const told = collect(reader.watch([freshKey()], bearer(accessToken)));
  await eventually(() => told.events.length === 1);
  const startedMs = performance.now();
  expect((await runClient(folder.clientsFile, ['revoke', 'reader'])).exitCode).toBe(0);
  await eventually(() => told.ended);
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect(told.ended?.code).toBe(status.UNAUTHENTICATED);
  reader.close();
  await own.close();
  access.close();
  await folder.remove();
});

it('whoever leaves is forgotten, by cancelling or by a deadline', async () => {
  await eventually(() => open.size === 0);
  const cancelled = client.watch([freshKey()], bearer(service.token));
  const timed = client.watch([freshKey()], bearer(service.token), { deadline: Date.now() + 500 });
  const [first, second] = [collect(cancelled), collect(timed)];
  await eventually(() => first.events.length === 1 && second.events.length === 1);
  expect(open.size).toBe(2);
  cancelled.cancel();
  await eventually(() => open.size === 0);
  expect(second.ended?.code).toBe(status.DEADLINE_EXCEEDED);
});

it(
  'a reader that stands still is told the last value of each key when it goes on, and little of what was before',
  async () => {
    const [large, other] = [freshKey(), freshKey()];
    const text = (round: number): string => `${round}`.padEnd(60_000, '.');
    await set(large, { text: text(0) });
    const stream = client.watch([large, other], bearer(service.token));
    const told = collect(stream);
    await eventually(() => told.events.length === 2);
    stream.pause();
    for (let round = 1; round <= 200; round++) await set(large, { text: text(round) });
    await set(other, { text: 'last' });
    stream.resume();
    await eventually(() => {
      const lastOf = (key: string) => told.events.findLast((event) => event['key'] === key)?.['value'];
      return (
        (lastOf(large) as { text?: string }).text === text(200) &&
        (lastOf(other) as { text?: string } | null)?.text === 'last'
      );
    }, 10_000);
    // 12 MB were written; what lies in the windows and queues of the connection is all that was told of it.
    expect(told.events.length).toBeLessThan(100);
    stream.cancel();
  },
  START_MS,
);

it('has a line in the log when it ends, and takes no place of the calls at work', async () => {
  const token = service.tokenWith(['read']);
  const stream = client.watch([freshKey()], bearer(token));
  const told = collect(stream);
  await eventually(() => told.events.length === 1);
  const lines = () =>
    service.log.lines.map(({ fields }) => fields as RequestLine).filter((line) => line.client === 'client-1');
  expect(lines()).toEqual([]);
  stream.cancel();
  await eventually(() => lines().length === 1);
  expect(lines()).toMatchObject([{ route: 'Watch', command: undefined, outcome: 'INCOMPLETE' }]);
});

it('keys are byte strings in the core, whatever they are spelled in', async () => {
  const key = `🔑 ${freshKey()}`;
  const told = collect(client.watch([key], bearer(service.token)));
  await eventually(() => told.events.length === 1);
  const bytes = Buffer.from(key).toString('latin1') as Key;
  await service.engine.write(bytes, Buffer.from('v'), {
    ttlMs: 0,
    condition: undefined,
    ack: 0,
    deadlineMs: Infinity,
  });
  await eventually(() => told.events.length === 2);
  expect(told.events[1]).toMatchObject({ key, value: { text: 'v' } });
});
