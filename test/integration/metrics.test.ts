/** `GET /metrics` through the door: who may ask, and that each figure moves when it should and no other does. */
import { CacheError } from '../../src/core/errors';
import type { RequestLine } from '../../src/core/ports';
import { aroundCache } from '../support/around-cache';
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { type Exposition, parseExposition } from '../support/prometheus-text';
import { openRaw } from '../support/raw-http';

const SLOW_MS = 50;
/** As `openHttpDoor` has it. */
const NEAR_ENTRIES = 1000;

let door: HttpDoor;
beforeEach(async () => {
  door = await openHttpDoor();
});
afterEach(() => door.close());

const scrape = (token = door.token) => request(door).get('/metrics').set('Authorization', `Bearer ${token}`);
const cache = (body: object, token = door.token) =>
  request(door).post('/cache').set('Authorization', `Bearer ${token}`).send(body);

async function exposed(of = door): Promise<Exposition> {
  const { status, text } = await request(of).get('/metrics').auth(of.token, { type: 'bearer' });
  expect(status).toBe(200);
  return parseExposition(text);
}

describe('GET /metrics', () => {
  it('is text of Prometheus, which nobody keeps', async () => {
    const reply = await scrape();
    expect(reply.status).toBe(200);
    expect(reply.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(reply.get('Cache-Control')).toBe('no-store');
    expect(reply.get('X-Content-Type-Options')).toBe('nosniff');
    expect(parseExposition(reply.text).series.length).toBeGreaterThan(50);
  });

  it('is forbidden without the scope admin, and unknown to strangers', async () => {
    const forbidden = await scrape(door.tokenWith(['read', 'write', 'delete']));
    expect([forbidden.status, (forbidden.body as { code: string }).code]).toEqual([403, 'forbidden']);
    expect((await request(door).get('/metrics')).status).toBe(401);
    expect((await scrape(door.tokenWith(['admin']))).status).toBe(200);
  });

  it('takes GET and HEAD', async () => {
    const head = await request(door).head('/metrics').set('Authorization', `Bearer ${door.token}`);
    expect([head.status, head.text]).toEqual([200, undefined]);
    const post = await request(door).post('/metrics');
    expect([post.status, post.get('Allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('is answered where all places for requests at work are taken', async () => {
    const full = await openHttpDoor({ maxInFlight: 0 });
    const ask = (path: string) => request(full).get(path).set('Authorization', `Bearer ${full.token}`);
    expect((await ask('/status')).status).toBe(503);
    const { status, text } = await ask('/metrics');
    expect(status).toBe(200);
    const { value } = parseExposition(text);
    expect(value('ringcache_requests_total', { command: 'none', outcome: 'unavailable' })).toBe(1);
    expect(value('ringcache_requests_failed_total', { door: 'http' })).toBe(1);
    await full.close();
  });
});

describe('the figures', () => {
  it('a request is counted with its command and outcome, in the total and in the histogram', async () => {
    await cache({ command: 'WRITE', key: 'k', value: 'v' });
    await cache({ command: 'WRITE', key: 'k', value: 'v', condition: 'NX' });
    await cache({ command: 'READ', key: 'k' });
    await cache({ command: 'READ', key: 'none' });
    await cache({ command: 'DELETE', key: 'k' });
    await cache({ command: 'DELETE', key: 'k' }, door.tokenWith(['read']));
    const { value, sum } = await exposed();
    const count = (command: string, outcome: string): number =>
      value('ringcache_requests_total', { door: 'http', command, outcome });
    expect(count('WRITE', 'SUCCESS')).toBe(1);
    expect(count('WRITE', 'NOT_STORED')).toBe(1);
    expect(count('READ', 'SUCCESS')).toBe(1);
    expect(count('READ', 'NOT_FOUND')).toBe(1);
    expect(count('DELETE', 'SUCCESS')).toBe(1);
    expect(count('DELETE', 'forbidden')).toBe(1);
    expect(sum('ringcache_requests_total') - count('none', 'SUCCESS')).toBe(6);
    expect(value('ringcache_request_duration_seconds_count', { command: 'READ' })).toBe(2);
    expect(value('ringcache_request_duration_seconds_sum', { command: 'READ' })).toBeGreaterThan(0);
    expect(sum('ringcache_commands_total')).toBe(0);
  });

  it('a READ of the near cache is a hit, another one a miss', async () => {
    await cache({ command: 'WRITE', key: 'k', value: 'v' });
    await cache({ command: 'READ', key: 'k' });
    const before = await exposed();
    await cache({ command: 'READ', key: 'k' });
    await cache({ command: 'READ', key: 'none' });
    const after = await exposed();
    const more = (name: string): number => after.value(name) - before.value(name);
    expect(more('ringcache_near_hits_total')).toBe(1);
    expect(more('ringcache_near_misses_total')).toBe(1);
    expect(after.value('ringcache_near_entries')).toBe(1);
    expect(after.value('ringcache_near_bytes')).toBeGreaterThan(0);
  });

  it('what does not fit into the near cache is an eviction', async () => {
    const keys = Array.from({ length: NEAR_ENTRIES }, (_, index) => `k${index}`);
    await cache(keys.map((key) => ({ command: 'WRITE', key, value: 'v' })));
    await cache(keys.map((key) => ({ command: 'READ', key })));
    expect((await exposed()).value('ringcache_near_evictions_total')).toBe(0);
    await cache(['a', 'b', 'c'].map((key) => ({ command: 'WRITE', key, value: 'v' })));
    await cache(['a', 'b', 'c'].map((key) => ({ command: 'READ', key })));
    const { value } = await exposed();
    expect(value('ringcache_near_evictions_total')).toBe(3);
    expect(value('ringcache_near_entries')).toBe(NEAR_ENTRIES);
    expect(value('ringcache_near_entries_max')).toBe(NEAR_ENTRIES);
  });

  it('a batch is one request, and its commands are counted by what they came to', async () => {
    await cache([
      { command: 'WRITE', key: 'a', value: 1 },
      { command: 'READ', key: 'a' },
      { command: 'READ', key: 'none' },
      { command: 'READ', key: 'a' },
      { command: 'DELETE', key: 'none' },
      { command: 'WRITE', key: 'b', value: 1, encrypt: false },
    ]);
    await cache([{ command: 'READ', key: 'a' }], door.tokenWith(['write']));
    const { value, sum } = await exposed();
    const count = (command: string, outcome: string): number =>
      value('ringcache_commands_total', { door: 'http', command, outcome });
    expect(count('WRITE', 'SUCCESS')).toBe(2);
    expect(count('READ', 'SUCCESS')).toBe(2);
    expect(count('READ', 'NOT_FOUND')).toBe(1);
    expect(count('DELETE', 'NOT_FOUND')).toBe(1);
    expect(count('READ', 'forbidden')).toBe(1);
    expect(sum('ringcache_commands_total')).toBe(7);
    expect(value('ringcache_requests_total', { command: 'BATCH', outcome: 'SUCCESS' })).toBe(1);
    expect(value('ringcache_requests_total', { command: 'BATCH', outcome: 'forbidden' })).toBe(1);
    expect(value('ringcache_request_duration_seconds_count', { command: 'BATCH' })).toBe(2);
  });

  it('the outcome of a batch is the code of its failures where all failed alike, else PARTIAL', async () => {
    const read = { command: 'READ', key: 'a' };
    const write = { command: 'WRITE', key: 'b', value: 1 };
    const elsewhere = { command: 'READ', key: 'elsewhere' };
    const codes: Record<string, 'unavailable' | 'timeout'> = { a: 'unavailable', elsewhere: 'timeout' };
    const failing = await openHttpDoor({
      around: (inner) =>
        aroundCache(inner, {
          executeBatch: async (principal, commands, deadlineMs) => {
            const replies = await inner.executeBatch(principal, commands, deadlineMs);
            return replies.map((reply, at) => {
              const code = codes[String(commands[at]?.key)];
              if (code === undefined) return reply;
              return { command: reply.command, status: 'ERROR', error: new CacheError(code, 'It fails.') };
            });
          },
        }),
    });
    const outcomeOf = async (batch: object[]): Promise<unknown> => {
      await request(failing).post('/cache').auth(failing.token, { type: 'bearer' }).send(batch);
      return failing.log.lines.at(-1)?.fields;
    };
    expect(await outcomeOf([read, read])).toMatchObject({ outcome: 'unavailable', status: 200 });
    expect(await outcomeOf([read, elsewhere])).toMatchObject({ outcome: 'PARTIAL' });
    expect(await outcomeOf([write, read])).toMatchObject({ outcome: 'PARTIAL' });
    expect(await outcomeOf([read, write])).toMatchObject({ outcome: 'PARTIAL' });
    expect(await outcomeOf([write])).toMatchObject({ outcome: 'SUCCESS' });
    await failing.close();
  });

  it('faults of the service in a batch are counted as its commands’, since the batch itself is answered', async () => {
    await door.engine.close();
    const keys = ['a', 'b', 'c'];
    const { status } = await cache(keys.map((key) => ({ command: 'WRITE', key, value: 1 })));
    expect(status).toBe(200);
    const { value } = await exposed();
    expect(value('ringcache_commands_total', { command: 'WRITE', outcome: 'unavailable' })).toBe(keys.length);
    expect(value('ringcache_requests_total', { command: 'BATCH', outcome: 'unavailable' })).toBe(1);
    expect(value('ringcache_requests_failed_total')).toBe(0);
  });

  it('the time that a slow sender takes is in no latency', async () => {
    const client = await openRaw(door.port);
    for (const [command, target, body] of [
      ['WRITE', 'PUT /cache/k', '{"value":"v"}'],
      ['BATCH', 'POST /cache', '[{"command":"READ","key":"k"}]'],
    ] as const) {
      const head = `Host: localhost\r\nAuthorization: Bearer ${door.token}\r\nContent-Type: application/json`;
      client.send(
        `${target} HTTP/1.1\r\n${head}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 1)}`,
      );
      await eventually(async () => (await exposed()).value('ringcache_body_bytes') > 0);
      const arrivedMs = performance.now();
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
      const waitedMs = performance.now() - arrivedMs;
      client.send(body.slice(1));
      expect(Math.floor((await client.answer()).status / 100)).toBe(2);

      const latencyMs = (await exposed()).value('ringcache_request_duration_seconds_sum', { command }) * 1000;
      const lines = door.log.lines.map(({ fields }) => fields as Partial<RequestLine>);
      const line = lines.find((each) => each.command === command);
      expect(line!.durationMs! - latencyMs).toBeGreaterThanOrEqual(waitedMs);
    }
    client.destroy();
  });

  it('a fault of the service is counted by its code, and as a failure', async () => {
    await door.engine.close();
    expect((await cache({ command: 'READ', key: 'k' })).status).toBe(503);
    const { value } = await exposed();
    expect(value('ringcache_requests_total', { command: 'READ', outcome: 'unavailable' })).toBe(1);
    expect(value('ringcache_requests_failed_total')).toBe(1);
  });

  it('a request is in flight while it is at work, with the bytes of its body, and no longer', async () => {
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let arrived: () => void = () => undefined;
    const isAtWork = new Promise<void>((resolve) => (arrived = resolve));
    const slow = await openHttpDoor({
      maxInFlight: 5,
      around: (inner) =>
        aroundCache(inner, {
          execute: async (principal, command, deadlineMs) => {
            arrived();
            await held;
            return inner.execute(principal, command, deadlineMs);
          },
        }),
    });
    const ask = async (): Promise<Exposition> =>
      parseExposition((await request(slow).get('/metrics').auth(slow.token, { type: 'bearer' })).text);
    const body = { command: 'READ', key: 'k' };
    const reply = request(slow).post('/cache').auth(slow.token, { type: 'bearer' }).send(body);
    const answered = reply.then(({ status }) => status);
    await isAtWork;
    const during = await ask();
    letGo();
    expect(await answered).toBe(200);
    const after = await ask();
    await slow.close();
    expect(during.value('ringcache_requests_in_flight', { door: 'http' })).toBe(1);
    expect(during.value('ringcache_requests_in_flight_max')).toBe(5);
    expect(during.value('ringcache_body_bytes')).toBeGreaterThanOrEqual(JSON.stringify(body).length);
    expect(after.value('ringcache_requests_in_flight')).toBe(0);
    expect(after.value('ringcache_body_bytes')).toBe(0);
  });
});

it('no traffic makes a label of its own: not paths, methods, keys, clients or addresses', async () => {
  const quiet = await exposed();
  const others = (exposition: Exposition): string[] =>
    exposition.series
      .filter(({ name }) => !/^ringcache_(requests_total|commands_total|request_duration)/.test(name))
      // A kind of garbage collection has its series when it has happened.
      .filter(({ name }) => !name.startsWith('nodejs_gc_'))
      .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);

  const token = door.tokenWith(['read', 'write']);
  const keys = Array.from({ length: 1000 }, (_, index) => `key-of-mine-${index}`);
  await cache(keys.map((key) => ({ command: 'WRITE', key, value: key })));
  for (const key of keys.slice(0, 50)) await cache({ command: 'READ', key }, token);
  for (let index = 0; index < 50; index++) {
    await request(door).get(`/path-of-mine-${index}/%00"}x 1`);
    await request(door).get(`/%E0-of-mine-${index}`);
  }
  for (const method of ['patch', 'options', 'propfind', 'purge', 'm-search'] as const) {
    await request(door)[method]('/cache');
  }
  await cache({ command: 'of-mine', key: 'k' });
  await cache({ command: '__proto__', key: '__proto__' });
  await request(door).post('/login').send({ api_key: 'key-of-mine-that-is-long-enough' });

  const { text } = await scrape();
  expect(text).not.toMatch(/of-mine|%00|propfind|PURGE|proto|127\.0\.0\.1|client-/i);
  const loud = parseExposition(text);
  expect(others(loud)).toEqual(others(quiet));
  const valuesOf = (label: string): string[] => [
    ...new Set(loud.series.flatMap(({ labels }) => labels[label] ?? [])),
  ];
  expect(valuesOf('door')).toEqual(['http']);
  expect(valuesOf('command').filter((word) => !/^(READ|WRITE|DELETE|BATCH|none)$/.test(word))).toEqual([]);
  expect(valuesOf('outcome').filter((word) => !/^([A-Z_]+|[a-z_]+)$/.test(word))).toEqual([]);
  expect(valuesOf('outcome').length).toBeLessThan(10);
});
