/** The calls of the gRPC door: what a client sends and gets, beside what the door contract says of every door. */
import { status } from '@grpc/grpc-js';
import { CacheError, type ErrorCode } from '../../src/core/errors';
import type { RequestLine } from '../../src/core/ports';
import { aroundCache } from '../support/around-cache';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';
import { eventually } from '../support/eventually';
import { bearer, type Fields, type GrpcAnswer, GrpcClient } from '../support/grpc-client';
import type { HttpDoorOptions } from '../support/http-door';

const START_MS = 30_000;
const KEY_BYTES_MAX = 1024;
const VALUE_BYTES_MAX = 64 * 1024;
const TTL_SECONDS_MAX = 3_155_760_000;

let service: GrpcService;
let client: GrpcClient;

beforeAll(async () => {
  service = await openGrpcDoorService({ limits: { batchMax: 10 } });
  client = new GrpcClient(service.grpc);
}, START_MS);
afterAll(async () => {
  client.close();
  await service.close();
});

let keys = 0;
const freshKey = (): string => `key ${++keys}`;

function call(method: string, request: object, fields: Fields = bearer(service.token)): Promise<GrpcAnswer> {
  return client.call(method, request, fields);
}

/** The code of a failure, which status and metadata must agree on. */
async function codeOf(answer: GrpcAnswer | Promise<GrpcAnswer>): Promise<unknown> {
  const { status: ended, trailing } = await answer;
  expect(ended.code).not.toBe(status.OK);
  return trailing['ringcache-code'];
}

function linesOf(of: GrpcService, route: string): RequestLine[] {
  return of.log.lines
    .filter(({ level }) => level === 'request')
    .map(({ fields }) => fields as RequestLine)
    .filter((line) => line.route === route);
}

describe('Get, Set, Delete', () => {
  it('tell status and source', async () => {
    const key = freshKey();
    expect((await call('Get', { key })).reply).toMatchObject({ status: 'NOT_FOUND', value: null });
    expect((await call('Set', { key, value: { text: 'v' } })).reply).toEqual({ status: 'SUCCESS' });
    const found = { status: 'SUCCESS', value: { kind: 'text', text: 'v' } };
    expect((await call('Get', { key })).reply).toEqual({ ...found, source: 'MASTER' });
    expect((await call('Get', { key })).reply).toEqual({ ...found, source: 'NEAR' });
    expect((await call('Get', { key, consistency: 'STRONG' })).reply).toEqual({ ...found, source: 'MASTER' });
    expect((await call('Delete', { key })).reply).toEqual({ status: 'SUCCESS' });
    expect((await call('Delete', { key })).reply).toEqual({ status: 'NOT_FOUND' });
  });

  it('a condition that is not met is NOT_STORED', async () => {
    const key = freshKey();
    const set = (condition: string): Promise<GrpcAnswer> =>
      call('Set', { key, value: { text: condition }, condition });
    expect((await set('XX')).reply).toEqual({ status: 'NOT_STORED' });
    expect((await set('NX')).reply).toEqual({ status: 'SUCCESS' });
    expect((await set('NX')).reply).toEqual({ status: 'NOT_STORED' });
    expect((await set('XX')).reply).toEqual({ status: 'SUCCESS' });
    expect((await call('Get', { key })).reply.value.text).toBe('XX');
  });

  it.each([
    ['text that is a string in JSON', { json: '"v"' }, { kind: 'text', text: 'v' }],
    ['bytes that are text', { data: Buffer.from('é') }, { kind: 'text', text: 'é' }],
    ['bytes', { data: Buffer.of(255, 0) }, { kind: 'data', data: Buffer.of(255, 0) }],
    ['JSON with spaces', { json: ' { "a" : [1.0, null] } ' }, { kind: 'json', json: '{"a":[1,null]}' }],
    ['empty text', { text: '' }, { kind: 'text', text: '' }],
    ['no bytes', { data: Buffer.alloc(0) }, { kind: 'text', text: '' }],
    ['U+FFFD', { text: '\ufffd' }, { kind: 'text', text: '\ufffd' }],
    ['half of a pair in JSON', { json: '"\\ud800"' }, { kind: 'json', json: '"\\ud800"' }],
  ])('a value is read as it was written: %s', async (_name, value, read) => {
    const key = freshKey();
    expect((await call('Set', { key, value })).reply).toEqual({ status: 'SUCCESS' });
    expect((await call('Get', { key })).reply.value).toEqual(read);
  });

  it('a life without end, the longest, and none said', async () => {
    for (const ttl of [0, 0.0001, TTL_SECONDS_MAX, undefined]) {
      const request = { key: freshKey(), value: { text: 'v' }, ...(ttl === undefined ? {} : { ttl }) };
      expect((await call('Set', request)).reply).toEqual({ status: 'SUCCESS' });
    }
  });
});

const VALUE = { text: 'v' };

describe('what is refused', () => {
  it.each<[string, string, object, string]>([
    ['no key', 'Get', {}, 'bad_request'],
    ['an empty key', 'Delete', { key: '' }, 'bad_request'],
    ['a key too long', 'Get', { key: 'é'.repeat(KEY_BYTES_MAX / 2 + 1) }, 'too_large'],
    ['no value', 'Set', { key: 'k' }, 'bad_request'],
    ['a value of no kind', 'Set', { key: 'k', value: {} }, 'bad_request'],
    ['text too long', 'Set', { key: 'k', value: { text: 'é'.repeat(VALUE_BYTES_MAX / 2 + 1) } }, 'too_large'],
    ['bytes too long', 'Set', { key: 'k', value: { data: Buffer.alloc(VALUE_BYTES_MAX + 1) } }, 'too_large'],
    ['JSON too long', 'Set', { key: 'k', value: { json: `"${'x'.repeat(VALUE_BYTES_MAX)}"` } }, 'too_large'],
    ['no JSON', 'Set', { key: 'k', value: { json: '' } }, 'bad_request'],
    ['broken JSON', 'Set', { key: 'k', value: { json: '{"a":' } }, 'bad_request'],
    ['two JSON values', 'Set', { key: 'k', value: { json: '1 2' } }, 'bad_request'],
    ['a number beyond a double', 'Set', { key: 'k', value: { json: '9007199254740993' } }, 'bad_request'],
    ['JSON too deep', 'Set', { key: 'k', value: { json: '['.repeat(33) + ']'.repeat(33) } }, 'bad_request'],
    ['ttl -1', 'Set', { key: 'k', value: VALUE, ttl: -1 }, 'bad_request'],
    ['ttl NaN', 'Set', { key: 'k', value: VALUE, ttl: NaN }, 'bad_request'],
    ['ttl Infinity', 'Set', { key: 'k', value: VALUE, ttl: Infinity }, 'bad_request'],
    ['ttl too long', 'Set', { key: 'k', value: VALUE, ttl: TTL_SECONDS_MAX + 1 }, 'bad_request'],
    ['an unknown condition', 'Set', { key: 'k', value: VALUE, condition: 9 }, 'bad_request'],
    ['ack 3', 'Set', { key: 'k', value: VALUE, ack: 3 }, 'bad_request'],
    ['ack 3 of Delete', 'Delete', { key: 'k', ack: 3 }, 'bad_request'],
    ['encrypt without keys', 'Set', { key: 'k', value: VALUE, encrypt: true }, 'bad_request'],
    ['an unknown consistency', 'Get', { key: 'k', consistency: 9 }, 'bad_request'],
    ['an empty batch', 'Batch', { commands: [] }, 'bad_request'],
    ['a command of no kind', 'Batch', { commands: [{}] }, 'bad_request'],
    ['a batch too long', 'Batch', { commands: Array(11).fill({ get: { key: 'k' } }) }, 'too_large'],
  ])('%s (%s)', async (_name, method, request, code) => {
    const answer = await call(method, request);
    expect(await codeOf(answer)).toBe(code);
    expect(answer.status.code).toBe(status.INVALID_ARGUMENT);
    expect((await call('Get', { key: 'k' })).reply.status).toBe('NOT_FOUND');
  });

  it('a malformed command refuses its batch whole, and says which it is', async () => {
    const key = freshKey();
    const commands = [{ set: { key, value: VALUE } }, { get: { key: '' } }];
    const answer = await call('Batch', { commands });
    expect(answer.status.details).toMatch(/^Command \[1\]: "key"/);
    expect((await call('Get', { key })).reply.status).toBe('NOT_FOUND');
  });

  it('more commands than places are unavailable, and say when to come back', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const full = await openWith({
      maxInFlight: 1,
      around: (cache) =>
        aroundCache(cache, { execute: (...given) => held.then(() => cache.execute(...given)) }),
    });
    const first = full.call('Get', { key: 'k' });
    await eventually(async () => {
      const answer = await full.call('Delete', { key: 'k' });
      expect(answer.status.code).toBe(status.UNAVAILABLE);
      expect(answer.trailing).toMatchObject({ 'ringcache-code': 'unavailable', 'retry-after': '1' });
      return true;
    });
    release();
    expect((await first).reply).toMatchObject({ status: 'NOT_FOUND' });
    expect((await full.call('Get', { key: 'k' })).status.code).toBe(status.OK);
    await full.close();
  });
});

describe('Batch', () => {
  it('has as much JSON as one body of HTTP, in however many pieces', async () => {
    const json = `[${'[],'.repeat(20_000)}0]`;
    const commands = Array.from({ length: 10 }, (_, at) => ({ set: { key: `json ${at}`, value: { json } } }));
    expect((await call('Batch', { commands: commands.slice(0, 6) })).status.code).toBe(status.OK);
    const answer = await call('Batch', { commands });
    expect(await codeOf(answer)).toBe('too_large');
    expect(answer.status.details).toMatch(/^Command \[\d\]: The JSON has more than/);
  });

  it('answers each command in its place, and those that fail by themselves', async () => {
    const limited = service.tokenWith(['read', 'write'], ['mine:']);
    const commands = [
      { set: { key: 'mine:a', value: { json: '[1]' } } },
      { get: { key: 'mine:a' } },
      { get: { key: 'theirs' } },
      { delete: { key: 'mine:a' } },
      { get: { key: 'mine:b' } },
    ];
    const { reply, status: ended } = await call('Batch', { commands }, bearer(limited));
    expect(ended.code).toBe(status.OK);
    expect(reply.replies).toMatchObject([
      { reply: 'set', set: { status: 'SUCCESS' } },
      { reply: 'get', get: { status: 'SUCCESS', value: { json: '[1]' } } },
      { reply: 'error', error: { code: 'forbidden', message: expect.any(String) } },
      { reply: 'error', error: { code: 'forbidden' } },
      { reply: 'get', get: { status: 'NOT_FOUND' } },
    ]);
    expect(linesOf(service, 'Batch').at(-1)).toMatchObject({
      command: 'BATCH',
      commands: 5,
      outcome: 'PARTIAL',
    });
  });
});

describe('a session', () => {
  const withSession = (session: string): Fields => ({
    ...bearer(service.token),
    'ringcache-session': session,
  });

  it('comes back with failures too, and with a batch', async () => {
    const answers = [
      await call('Get', { key: '' }, withSession('')),
      await call('Batch', { commands: [{ get: { key: 'k' } }] }, withSession('')),
    ];
    for (const { trailing } of answers) expect(trailing['ringcache-session']).toMatch(/^[\w-]+$/);
  });

  it('that is sent twice is refused', async () => {
    const fields = { ...bearer(service.token), 'ringcache-session': ['', ''] };
    expect(await codeOf(call('Get', { key: 'k' }, fields))).toBe('bad_request');
  });
});

describe('tokens', () => {
  it.each<[string, Fields]>([
    ['none', {}],
    ['an empty field', { authorization: '' }],
    ['Basic', { authorization: 'Basic dTpw' }],
    ['no scheme', { authorization: 'token' }],
    ['of 8 KiB', { authorization: `Bearer ${'x'.repeat(8 * 1024)}` }],
    ['alg none', { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.' }],
    ['two segments', { authorization: 'Bearer a.b' }],
  ])('%s: unauthenticated, in one shape', async (_name, fields) => {
    const { status: ended, trailing, reply } = await call('Get', { key: 'k' }, fields);
    expect([ended.code, reply]).toEqual([status.UNAUTHENTICATED, undefined]);
    expect(trailing).toMatchObject({ 'ringcache-code': 'unauthenticated' });
    expect(ended.details).toMatch(/^(A valid bearer token is needed|The bearer token is not valid)/);
    expect(Object.keys(trailing)).not.toContain('ringcache-session');
  });

  it('the scheme may be written in any case', async () => {
    const fields = { authorization: `bEARER ${service.token}` };
    expect((await call('Get', { key: 'k' }, fields)).status.code).toBe(status.OK);
  });

  it('a Watch needs one as well', async () => {
    const stream = client.watch(['k']);
    const ended = await new Promise((resolve) => stream.on('error', resolve));
    expect(ended).toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

describe('time', () => {
  it('a call ends with its own deadline where that is sooner, and that counts as a fault', async () => {
    const slow = await openWith({ around: (cache) => aroundCache(cache, { execute: () => never() }) });
    const startedMs = performance.now();
    const answer = await slow.call('Get', { key: 'k' }, { deadline: Date.now() + 300 });
    expect(answer.status.code).toBe(status.DEADLINE_EXCEEDED);
    expect(performance.now() - startedMs).toBeLessThan(1500);
    await eventually(() => {
      expect(linesOf(slow.service, 'Get')).toMatchObject([{ outcome: 'timeout', isFault: true }]);
      return true;
    });
    await slow.close();
  });

  it('the core is told the sooner of both deadlines', async () => {
    const told: number[] = [];
    const spied = await openWith({
      around: (cache) =>
        aroundCache(cache, {
          execute: (principal, command, deadlineMs) => {
            told.push(deadlineMs - performance.now());
            return cache.execute(principal, command, deadlineMs);
          },
        }),
    });
    await spied.call('Get', { key: 'k' }, { deadline: Date.now() + 1000 });
    await spied.call('Get', { key: 'k' }, { deadline: Date.now() + 60_000 });
    expect(told[0]).toBeLessThanOrEqual(1010);
    expect(told[1]).toBeGreaterThan(1500);
    expect(told[1]).toBeLessThanOrEqual(2000);
    await spied.close();
  });

  it('a call that is cancelled gives its place back when its work is over, and not before', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const full = await openWith({
      maxInFlight: 1,
      around: (cache) =>
        aroundCache(cache, {
          execute: async (principal, command, deadlineMs) => {
            if (command.command === 'READ') await held;
            return cache.execute(principal, command, deadlineMs);
          },
        }),
    });
    const remove = async (): Promise<status> => (await full.call('Delete', { key: 'k' })).status.code;
    const cancelled = full.client.stream('Get', { key: 'k' }, bearer(full.service.token));
    cancelled.on('error', () => undefined);
    await eventually(async () => (await remove()) === status.UNAVAILABLE);
    cancelled.cancel();
    await eventually(() => linesOf(full.service, 'Get').length === 1);
    expect(linesOf(full.service, 'Get')).toMatchObject([{ outcome: 'INCOMPLETE', isFault: false }]);
    expect(await remove()).toBe(status.UNAVAILABLE);
    release();
    await eventually(async () => (await remove()) === status.OK);
    await full.close();
  });
});

describe('the log', () => {
  it('has a line for each call, with its method, and nothing of keys, values and tokens', async () => {
    const key = 'a-key-not-to-be-logged';
    const before = service.log.lines.length;
    await call('Set', { key, value: { text: 'a-value-not-to-be-logged' } });
    await call('Get', { key });
    await call('Get', { key }, { authorization: 'Bearer a-token-not-to-be-logged' });
    const lines = service.log.lines.slice(before);
    expect(lines.map(({ fields }) => fields)).toMatchObject([
      { route: 'Set', command: 'WRITE', outcome: 'SUCCESS', client: expect.any(String), status: undefined },
      { route: 'Get', command: 'READ', outcome: 'SUCCESS', source: 'master', workMs: expect.any(Number) },
      { route: 'Get', command: undefined, outcome: 'unauthenticated', cause: expect.any(String) },
    ]);
    expect(JSON.stringify(lines)).not.toContain('not-to-be-logged');
  });

  it('tells faults of the service from those of callers', async () => {
    const codes = [
      'unavailable',
      'timeout',
      'internal',
      'corrupt_value',
      'out_of_memory',
      'forbidden',
      'conflict',
    ];
    const failing = await openWith({
      around: (cache) =>
        aroundCache(cache, {
          execute: (_principal, { command, key }) => ({
            command,
            status: 'ERROR',
            error: new CacheError(key as unknown as ErrorCode, 'message'),
          }),
        }),
    });
    for (const key of codes) await failing.call('Get', { key });
    await failing.call('Get', { key: '' });
    const isFault = [true, true, true, true, true, false, false, false];
    expect(linesOf(failing.service, 'Get')).toMatchObject(isFault.map((is) => ({ isFault: is })));
    await failing.close();
  });

  it('an internal fault is told to the log alone', async () => {
    const broken = await openWith({
      around: (cache) => aroundCache(cache, { execute: () => Promise.reject(new Error('a secret reason')) }),
    });
    const answer = await broken.call('Get', { key: 'k' });
    expect(answer.status.code).toBe(status.INTERNAL);
    expect(answer.status.details).not.toContain('secret');
    const told = broken.service.log.lines.find(({ message }) => message === 'internal error');
    expect(told?.fields).toMatchObject({
      request_id: answer.trailing['ringcache-request-id'],
      cause: expect.stringContaining('a secret reason'),
    });
    await broken.close();
  });
});

/** A service of its own, and a client of it with all rights. */
async function openWith(options: HttpDoorOptions) {
  const own = await openGrpcDoorService(options);
  const ownClient = new GrpcClient(own.grpc);
  return {
    service: own,
    client: ownClient,
    call: (method: string, request: object, more: { deadline?: number } = {}) =>
      ownClient.call(method, request, bearer(own.token), more),
    close: async () => {
      ownClient.close();
      await own.close();
    },
  };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
