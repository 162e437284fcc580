/**
 * Conditions of many callers at once, over HTTPS through two gateways, on a real Redis ring of one shard and its
 * replicas: of those that ask for the same thing exactly one is told that it got it, and what it wrote is what
 * stands.
 */
import { request } from 'node:https';
import { createTestCoherence, STORED_BYTES_MAX } from '../support/ring';
import { openRing } from '../../src/engines/ring';
import { systemClock } from '../../src/lib/clock';
import { type HttpDoor, openHttpDoor } from '../support/http-door';
import { startShards, type ShardProcesses } from '../support/redis';

const CALLERS = 100;

interface Answer {
  readonly status: number;
  readonly etag: string;
  readonly body: string;
}

interface OpenGateway {
  send(method: string, key: string, headers?: Record<string, string>, body?: string): Promise<Answer>;
  close(): Promise<void>;
}

let shards: readonly ShardProcesses[];
beforeAll(async () => {
  shards = await startShards(2, 1);
});
afterAll(() => Promise.all(shards.map((shard) => shard.stop())));

async function openGateway(
  kind: 'tracking' | 'pubsub' | 'none',
  encryptionConfigured: boolean,
): Promise<OpenGateway> {
  const door: HttpDoor = await openHttpDoor({
    encryptionConfigured,
    maxConnections: 2 * CALLERS,
    // A hundred callers wait for each other's rounds, on a machine that does other things as well.
    limits: { requestTimeoutMs: 10_000 },
    openEngine: (log) =>
      openRing({
        shards: shards.map(({ config }) => config),
        hash: 'ketama',
        readFrom: 'replica',
        storedBytesMax: STORED_BYTES_MAX,
        coherence: createTestCoherence(kind),
        clock: systemClock,
        log,
      }),
  });
  const { agent, port } = door;
  return {
    send: (method, key, headers = {}, body = '') =>
      new Promise((resolve, reject) => {
        const outgoing = request(
          {
            ...{ agent, host: '127.0.0.1', port, method, path: `/cache/${key}` },
            headers: {
              authorization: `Bearer ${door.token}`,
              ...(body === '' ? {} : { 'content-length': Buffer.byteLength(body) }),
              ...headers,
            },
          },
          (incoming) => {
            const chunks: Buffer[] = [];
            incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
            incoming.on('end', () =>
              resolve({
                status: incoming.statusCode ?? 0,
                etag: incoming.headers.etag ?? '',
                body: Buffer.concat(chunks).toString(),
              }),
            );
          },
        );
        outgoing.on('error', reject);
        outgoing.end(body);
      }),
    close: async () => {
      await door.close();
    },
  };
}

describe.each<['tracking' | 'pubsub' | 'none', boolean]>([
  ['tracking', false],
  ['tracking', true],
  ['pubsub', false],
])('coherence %s, encrypted: %s', (kind, encrypted) => {
  let gateways: readonly [OpenGateway, OpenGateway];
  beforeAll(async () => {
    gateways = [await openGateway(kind, encrypted), await openGateway(kind, encrypted)];
  });
  afterAll(() => Promise.all(gateways.map((gateway) => gateway.close())));

  const gatewayOf = (caller: number): OpenGateway => gateways[caller % 2 === 0 ? 0 : 1];
  const everybody = (send: (gateway: OpenGateway, caller: number) => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(Array.from({ length: CALLERS }, (_, caller) => send(gatewayOf(caller), caller)));
  const strong = (key: string) =>
    gateways[1].send('GET', `${key}?consistency=strong`, { accept: 'application/octet-stream' });

  /** How many were answered so. */
  function tally(answers: readonly Answer[]): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }

  it('of 100 PUTs of different values with one If-Match exactly one wins, and its value stands', async () => {
    const key = `match-${kind}-${encrypted}`;
    const { etag } = await gateways[0].send('PUT', key, {}, 'first');
    const answers = await everybody((gateway, caller) =>
      gateway.send('PUT', key, { 'if-match': etag }, `value of ${caller}`),
    );
    expect(tally(answers)).toEqual({ 200: 1, 412: CALLERS - 1 });
    const winner = answers.findIndex(({ status }) => status === 200);
    expect(await strong(key)).toEqual({
      status: 200,
      body: `value of ${winner}`,
      etag: answers[winner]?.etag,
    });
  });

  it('of 100 PUTs with If-None-Match: * exactly one creates, and its value stands', async () => {
    const key = `create-${kind}-${encrypted}`;
    const answers = await everybody((gateway, caller) =>
      gateway.send('PUT', key, { 'if-none-match': '*' }, `value of ${caller}`),
    );
    expect(tally(answers)).toEqual({ 201: 1, 412: CALLERS - 1 });
    const winner = answers.findIndex(({ status }) => status === 201);
    expect((await strong(key)).body).toBe(`value of ${winner}`);
  });

  it('of 100 DELETEs with one If-Match exactly one deletes', async () => {
    const key = `delete-${kind}-${encrypted}`;
    const { etag } = await gateways[0].send('PUT', key, {}, 'first');
    const answers = await everybody((gateway) => gateway.send('DELETE', key, { 'if-match': etag }));
    expect(tally(answers)).toEqual({ 200: 1, 404: CALLERS - 1 });
    expect((await strong(key)).status).toBe(404);
  });

  it('of PUTs and DELETEs with one If-Match exactly one wins', async () => {
    const key = `both-${kind}-${encrypted}`;
    const { etag } = await gateways[0].send('PUT', key, {}, 'first');
    const answers = await everybody((gateway, caller) =>
      caller % 3 === 0
        ? gateway.send('DELETE', key, { 'if-match': etag })
        : gateway.send('PUT', key, { 'if-match': etag }, `value of ${caller}`),
    );
    const { 404: absent = 0, ...others } = tally(answers);
    expect(others).toEqual({ 200: 1, 412: CALLERS - 1 - absent });
    const winner = answers.findIndex(({ status }) => status === 200);
    const { status, body } = await strong(key);
    // What was deleted is absent to the other DELETEs.
    expect(absent).toBe(winner % 3 === 0 ? Math.ceil(CALLERS / 3) - 1 : 0);
    if (winner % 3 === 0) expect(status).toBe(404);
    else expect([status, body]).toEqual([200, `value of ${winner}`]);
  });

  it('of 100 PUTs without a condition exactly one creates, the others replace', async () => {
    const key = `plain-${kind}-${encrypted}`;
    const answers = await everybody((gateway, caller) => gateway.send('PUT', key, {}, `value of ${caller}`));
    expect(tally(answers)).toEqual({ 200: CALLERS - 1, 201: 1 });
  });

  it('100 PUTs on a condition that stays true all succeed, at the cost of a few attempts each', async () => {
    const key = `busy-${kind}-${encrypted}`;
    const masters = shards.map(({ master }) => master.client);
    for (const master of masters) await master.config('RESETSTAT');
    const answers = await everybody((gateway, caller) =>
      gateway.send('PUT', key, { 'if-none-match': '"x"' }, `${caller} ${'v'.repeat(50_000)}`),
    );
    expect(tally(answers)).toEqual({ 200: CALLERS - 1, 201: 1 });
    const stats = await Promise.all(masters.map((master) => master.info('commandstats')));
    const scripts = stats.map((text) => Number(/^cmdstat_eval:calls=(\d+)/m.exec(text)?.[1] ?? 0));
    // Only the other gateway overtakes, by one change at a time.
    expect(Math.max(...scripts)).toBeLessThanOrEqual(3 * CALLERS);
  });

  it('a counter that each of 20 raises by If-Match, trying until it succeeds, loses no step', async () => {
    const key = `counter-${kind}-${encrypted}`;
    await gateways[0].send('PUT', key, {}, '0');
    await Promise.all(
      Array.from({ length: 20 }, async (_, caller) => {
        const gateway = gatewayOf(caller);
        for (;;) {
          const { body, etag } = await gateway.send('GET', `${key}?consistency=strong`, {
            accept: 'application/octet-stream',
          });
          const { status } = await gateway.send('PUT', key, { 'if-match': etag }, String(Number(body) + 1));
          if (status === 200) return;
          expect(status).toBe(412);
        }
      }),
    );
    expect((await strong(key)).body).toBe('20');
  });

  it('a value has the same tag at both gateways, and a known one is not sent again', async () => {
    const key = `same-${kind}-${encrypted}`;
    await gateways[0].send('PUT', key, {}, 'value');
    const [here, there] = await Promise.all(
      gateways.map((gateway) => gateway.send('GET', `${key}?consistency=strong`)),
    );
    expect(here?.etag).toBe(there?.etag);
    expect(here?.etag).not.toBe('');
    expect(await gateways[1].send('GET', key, { 'if-none-match': here?.etag ?? '' })).toMatchObject({
      status: 304,
      body: '',
    });
  });
});

it('a value keeps its tag whether it is stored in plain or encrypted', async () => {
  const gateway = await openGateway('tracking', true);
  const tags = new Set<string>();
  for (const encrypt of ['true', 'false', 'true']) {
    tags.add((await gateway.send('PUT', `enc?encrypt=${encrypt}`, {}, 'value')).etag);
    tags.add(
      (await gateway.send('GET', 'enc?consistency=strong', { accept: 'application/octet-stream' })).etag,
    );
  }
  expect(tags.size).toBe(1);
  const [tag = ''] = tags;
  expect((await gateway.send('PUT', 'enc?encrypt=false', { 'if-match': tag }, 'next')).status).toBe(200);
  await gateway.close();
});
