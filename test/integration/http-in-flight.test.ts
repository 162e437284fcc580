/** How many requests may be at work at the same time, and who waits for nobody: the door behind its listener. */
import type { CacheService } from '../../src/core/cache';
import type { Reply } from '../../src/core/command';
import { aroundCache } from '../support/around-cache';
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor } from '../support/http-door';
import { openRaw, type RawAnswer, type RawClient } from '../support/raw-http';

const MAX_IN_FLIGHT = 2;

let door: HttpDoor;
/** Ends the waiting of the commands that the core has been given. */
const held: (() => void)[] = [];
const clients: RawClient[] = [];

/** The core, which answers a command only when it is let go. */
function slow(cache: CacheService): CacheService {
  return aroundCache(cache, {
    execute: (principal, command, deadlineMs) =>
      new Promise<Reply>((resolve) => {
        held.push(() => resolve(cache.execute(principal, command, deadlineMs)));
      }),
  });
}

beforeAll(async () => {
  door = await openHttpDoor({ maxInFlight: MAX_IN_FLIGHT, around: slow });
});

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  release();
});
afterAll(async () => {
  await door.close();
});

async function openClient(): Promise<RawClient> {
  const client = await openRaw(door.port);
  clients.push(client);
  return client;
}

function release(): void {
  for (const letGo of held.splice(0)) letGo();
}

const authorization = () => `Host: localhost\r\nAuthorization: Bearer ${door.token}\r\n`;
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${authorization()}\r\n`;
const post = (path: string, body: string, announced = body.length, more = '') =>
  `POST ${path} HTTP/1.1\r\n${authorization()}Content-Type: application/json\r\n${more}Content-Length: ${announced}\r\n\r\n${body}`;
const read = () => post('/cache', '{"command":"READ","key":"k"}');

function expectUnavailable(answer: RawAnswer): void {
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answer.headers.get('connection')).toBe('keep-alive');
  expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 'ERROR', code: 'unavailable' });
}

/** As many requests at work as there may be. */
async function fill(): Promise<void> {
  for (let count = 0; count < MAX_IN_FLIGHT; count++) (await openClient()).send(read());
  await eventually(() => held.length === MAX_IN_FLIGHT);
}

describe('a request beyond those at work', () => {
  it('is refused at once, and its connection goes on', async () => {
    await fill();
    const client = await openClient();
    client.send(read());
    expectUnavailable(await client.answer());
    expect(held).toHaveLength(MAX_IN_FLIGHT);
    release();
    for (const busy of clients.slice(0, MAX_IN_FLIGHT)) expect((await busy.answer()).status).toBe(200);
    client.send(read());
    await eventually(() => held.length === 1);
    release();
    expect((await client.answer()).status).toBe(200);
  });

  it.each(['/status', '/ring/k'])('is refused at %s as well', async (path) => {
    const client = await openClient();
    client.send(get(path));
    expect((await client.answer()).status).toBe(200);
    await fill();
    client.send(get(path));
    expectUnavailable(await client.answer());
  });

  it('is refused at /login as well', async () => {
    await fill();
    const client = await openClient();
    client.send(post('/login', '{"api_key":"x"}'));
    expectUnavailable(await client.answer());
  });

  it('is answered all the same when it asks for the health', async () => {
    await fill();
    const client = await openClient();
    for (const path of ['/livez', '/readyz', '/livez']) {
      client.send(get(path));
      expect((await client.answer()).status).toBe(200);
    }
  });

  it('is refused on one connection as on many', async () => {
    const client = await openClient();
    for (let round = 1; round <= 2; round++) {
      client.send(read().repeat(MAX_IN_FLIGHT + 1));
      await eventually(() => held.length === MAX_IN_FLIGHT);
      release();
      for (let served = 0; served < MAX_IN_FLIGHT; served++) expect((await client.answer()).status).toBe(200);
      expectUnavailable(await client.answer());
    }
  });
});

it('requests whose clients have gone are at work until they are done, and no longer, pipelined ones included', async () => {
  for (let round = 1; round <= 3; round++) {
    const quitter = await openClient();
    const lines = door.requestLines().length;
    quitter.send(read().repeat(MAX_IN_FLIGHT));
    await eventually(() => held.length === MAX_IN_FLIGHT);
    quitter.destroy();
    const client = await openClient();
    client.send(read());
    expectUnavailable(await client.answer());
    release();
    await eventually(() => door.requestLines().length === lines + MAX_IN_FLIGHT + 1);
  }
});

it('requests that are still being sent keep nobody out', async () => {
  for (let count = 0; count < 10 * MAX_IN_FLIGHT; count++) {
    (await openClient()).send(post('/login', '{"api_key":', 1000));
  }
  const client = await openClient();
  for (const path of ['/livez', '/readyz']) {
    client.send(get(path));
    expect((await client.answer()).status).toBe(200);
  }
  client.send(read());
  await eventually(() => held.length === 1);
  release();
  expect((await client.answer()).status).toBe(200);
});

describe('Expect: 100-continue', () => {
  const expecting = (body: string, announced: number, lines = authorization()) =>
    `POST /cache HTTP/1.1\r\n${lines}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${announced}\r\n\r\n${body}`;

  it('is met when the body is going to be read', async () => {
    const body = '{"command":"READ","key":"k"}';
    const client = await openClient();
    client.send(expecting('', body.length));
    expect((await client.answer()).status).toBe(100);
    client.send(body);
    await eventually(() => held.length === 1);
    release();
    expect((await client.answer()).status).toBe(200);
  });

  it.each<[number, string, () => string]>([
    [401, 'nobody', () => expecting('', 10, 'Host: localhost\r\n')],
    [413, 'a body that is too long', () => expecting('', 2 ** 30)],
    [404, 'no route', () => expecting('', 10).replace('/cache', '/none')],
    [400, 'two hosts', () => expecting('', 10, `${authorization()}Host: localhost\r\n`)],
  ])('is answered with %d at once, and the end, for %s', async (status, _what, bytes) => {
    const client = await openClient();
    client.send(bytes());
    const answer = await client.answer();
    expect(answer.status).toBe(status);
    // What follows is the body or it is not: the client need not send it.
    expect(answer.headers.get('connection')).toBe('close');
    await client.ended();
  });
});

it('a body that breaks off has one line in the log, with what was wrong', async () => {
  const client = await openClient();
  const head = post('/cache', '').replace('Content-Length: 0', 'Transfer-Encoding: chunked');
  client.send(`${head}1\nx\r\n0\r\n\r\n`);
  const { status, body } = await client.answer();
  expect(status).toBe(400);
  await client.ended();
  const { request_id: requestId } = JSON.parse(body.toString()) as { request_id: string };
  const lines = () => door.log.lines.filter(({ fields }) => Object.values(fields).includes(requestId));
  await eventually(() => lines().length > 0);
  expect(lines()).toMatchObject([
    { level: 'request', fields: { outcome: 'INCOMPLETE', status: 400, cause: 'This is not valid HTTP.' } },
  ]);
});
