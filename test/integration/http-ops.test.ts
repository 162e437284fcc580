/** Login, health, status and ring; and what is said to those who ask for something else. */
import { eventually } from '../support/eventually';
import { API_KEY, openHttpDoor, type HttpDoor, request } from '../support/http-door';

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor();
});
afterAll(() => door.close());

const get = (path: string, token = door.token) =>
  request(door).get(path).set('Authorization', `Bearer ${token}`);

describe('POST /login', () => {
  const login = (body: unknown) =>
    request(door)
      .post('/login')
      .send(body as object);

  it('gives a token that opens the cache', async () => {
    const reply = await login({ api_key: API_KEY, client_id: 'x', grant_type: 'y' });
    expect(reply.status).toBe(200);
    expect(reply.get('Cache-Control')).toBe('no-store');
    expect(reply.body).toEqual({
      access_token: expect.any(String) as unknown,
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'read write delete admin',
    });
    const { access_token: token } = reply.body as { access_token: string };
    expect((await get('/status', token)).status).toBe(200);
  });

  it.each([
    {},
    { api_key: '' },
    { api_key: 7 },
    { api_key: null },
    { api_key: [API_KEY] },
    [],
    [{ api_key: API_KEY }],
  ])('%j is no request for a token', async (body) => {
    const reply = await login(body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({ status: 'ERROR', code: 'bad_request' });
  });

  it.each(['null', '7', '"x"', '', '{', '\ufeff{}'])('%j is no request for a token', async (body) => {
    const reply = await request(door).post('/login').type('application/json').send(body);
    expect(reply.status).toBe(400);
  });

  it('a key that a prototype brings is none', async () => {
    const body = `{"__proto__":{"api_key":"${API_KEY}"}}`;
    expect((await request(door).post('/login').type('application/json').send(body)).status).toBe(400);
  });

  it('a wrong key is 401, and repeated ones are 429 with the time to wait', async () => {
    const guessed = await openHttpDoor();
    const guess = () => request(guessed).post('/login').send({ api_key: 'wrong-key-of-24-characters' });
    const first = await guess();
    expect(first.status).toBe(401);
    expect(first.get('WWW-Authenticate')).toBe('Bearer');
    expect(first.body).toMatchObject({ status: 'ERROR', code: 'unauthenticated' });
    let last = first;
    for (let attempt = 0; attempt < 50 && last.status === 401; attempt++) last = await guess();
    expect(last.status).toBe(429);
    expect(Number(last.get('Retry-After'))).toBeGreaterThanOrEqual(1);
    await guessed.close();
  });

  it('is told in the log: who, from where, and why not', async () => {
    const logged = await openHttpDoor();
    const loginLogged = (api_key: string) => request(logged).post('/login').send({ api_key });
    await loginLogged(API_KEY);
    for (let attempt = 0; attempt < 7; attempt++) await loginLogged('wrong-key-of-24-characters');
    await request(logged).get('/status');
    await request(logged).get('/status').set('Authorization', `Bearer ${logged.token}x`);
    await logged.close();

    const lines = logged.requestLines();
    const address = expect.stringMatching(/127\.0\.0\.1$/) as unknown;
    expect(lines[0]).toMatchObject({ outcome: 'SUCCESS', client: 'api-key', address, cause: undefined });
    expect(lines[1]).toMatchObject({
      outcome: 'unauthenticated',
      client: undefined,
      address,
      cause: 'unknown key',
    });
    expect(lines[7]).toMatchObject({ outcome: 'throttled', address, cause: 'address has to wait' });
    expect(lines.slice(8)).toMatchObject([
      { outcome: 'unauthenticated', address: undefined, cause: 'token: not one Bearer field' },
      { outcome: 'unauthenticated', address: undefined, cause: 'token: signature or time' },
    ]);
  });

  it('a body over 16 KiB is refused', async () => {
    expect((await login({ api_key: API_KEY, padding: 'x'.repeat(16 * 1024) })).status).toBe(413);
  });
});

describe('health', () => {
  it('livez and readyz are open to all', async () => {
    const live = await request(door).get('/livez');
    expect([live.status, live.text]).toEqual([200, '{"status":"live"}']);
    const ready = await request(door).get('/readyz');
    expect([ready.status, ready.text]).toEqual([200, '{"status":"ready"}']);
  });

  it('HEAD has the status and no body', async () => {
    const reply = await request(door).head('/readyz');
    expect(reply.status).toBe(200);
    expect(reply.text).toBeUndefined();
  });

  it('readyz is 503 while draining and while no shard is usable; livez stays', async () => {
    let draining = true;
    const weak = await openHttpDoor({ isDraining: () => draining });
    expect((await request(weak).get('/readyz')).status).toBe(503);
    draining = false;
    expect((await request(weak).get('/readyz')).status).toBe(200);
    await weak.engine.close();
    const reply = await request(weak).get('/readyz');
    expect(reply.status).toBe(503);
    expect(reply.body).toMatchObject({ status: 'ERROR', code: 'unavailable' });
    expect((await request(weak).get('/livez')).status).toBe(200);
    await weak.close();
  });
});

describe('GET /status', () => {
  it('shows engine, shards, nodes and the near cache to an admin', async () => {
    const { status, body } = await get('/status');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      engine: 'memory',
      ready: true,
      coherence: 'none',
      shards: [{ nodes: [{ role: 'master', healthy: true, link_up: null, lag_bytes: null }] }],
      near: { enabled: true, entries_max: 1000, bytes_max: 16 * 1024 * 1024, ttl_seconds: 60, hits: 0 },
    });
  });

  it('shows how many requests there were, how many failed, and how many are at work', async () => {
    const weak = await openHttpDoor({ maxInFlight: 7 });
    const ask = () => request(weak).get('/status').auth(weak.token, { type: 'bearer' });
    const cache = () =>
      request(weak).post('/cache').auth(weak.token, { type: 'bearer' }).send({ command: 'READ', key: 'k' });
    const { total } = ((await ask()).body as { requests: { total: number } }).requests;
    await cache();
    await request(weak).get('/nowhere');
    await weak.engine.close();
    expect((await cache()).status).toBe(503);
    const { body } = await ask();
    // This one is at work while it is answered.
    expect(body).toMatchObject({ requests: { total: total + 4, failed: 1, in_flight: 1, in_flight_max: 7 } });
    expect((await ask()).body).toMatchObject({ requests: { total: total + 5, failed: 1 } });
    await weak.close();
  });

  it('shows how long requests with a command took, which those who watch do not drown', async () => {
    const watched = await openHttpDoor();
    const ask = (path: string) => request(watched).get(path).auth(watched.token, { type: 'bearer' });
    const counts = async () => {
      const { latency } = (await ask('/status')).body as {
        latency: { bounds_ms: number[]; counts: number[] };
      };
      expect(latency.bounds_ms).toEqual([0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000]);
      expect(latency.counts).toHaveLength(15);
      return latency.counts.reduce((sum, count) => sum + count);
    };
    for (const path of ['/status', '/metrics', '/livez', '/readyz', '/ring/k', '/nowhere']) await ask(path);
    expect(await counts()).toBe(0);
    const send = (body: object) =>
      request(watched).post('/cache').auth(watched.token, { type: 'bearer' }).send(body);
    await send({ key: 'k', value: 'v' });
    await send([
      { command: 'READ', key: 'k' },
      { command: 'READ', key: 'k' },
    ]);
    expect(await counts()).toBe(2);
    await watched.close();
  });

  it('shows since when it runs, and how late its event loop is', async () => {
    const { body } = await get('/status');
    const late = expect.any(Number) as unknown;
    expect(body).toMatchObject({
      uptime_seconds: late,
      event_loop_delay_ms: { p50: late, p99: late, max: late },
    });
    const { uptime_seconds: before } = body as { uptime_seconds: number };
    expect(before).toBeGreaterThan(0);
    await eventually(async () => {
      const { uptime_seconds: after } = (await get('/status')).body as { uptime_seconds: number };
      return after > before && after < before + 60;
    });
  });

  it('is forbidden to others, and unknown to strangers', async () => {
    expect((await get('/status', door.tokenWith(['read', 'write', 'delete']))).body).toMatchObject({
      code: 'forbidden',
    });
    expect((await request(door).get('/status')).status).toBe(401);
  });
});

describe('GET /ring/{key}', () => {
  it('tells where a key is, whether it is, and how long', async () => {
    const write = (body: object) =>
      request(door).post('/cache').set('Authorization', `Bearer ${door.token}`).send(body);
    await write({ key: 'ring', value: 'v' });
    expect((await get('/ring/ring')).body).toMatchObject({
      key: 'ring',
      exists: true,
      ttl: null,
      near: false,
    });
    await write({ command: 'READ', key: 'ring' });
    expect((await get('/ring/ring')).body).toMatchObject({ near: true });
    await write({ key: 'ring', value: 'v', ttl: 1000 });
    const { body } = await get('/ring/ring');
    expect((body as { ttl: number }).ttl).toBeGreaterThan(900);
    expect((await get('/ring/none')).body).toMatchObject({ exists: false, ttl: null });
  });

  it.each([
    ['a%2Fb', 'a/b'],
    ['a%252Fb', 'a%2Fb'],
    ['%C3%A9', 'é'],
    ['a+b', 'a+b'],
    ['%00', '\0'],
    ['a?b=c', 'a'],
    ['__proto__', '__proto__'],
  ])('/ring/%s is the key %j: decoded once', async (path, key) => {
    expect((await get(`/ring/${path}`)).body).toMatchObject({ key });
  });

  it.each(['%', '%4', '%zz', '%E0%A4%A', '%FF', '%ED%A0%80'])(
    '/ring/%s is no percent-encoded UTF-8',
    async (path) => {
      const reply = await get(`/ring/${path}`);
      expect(reply.status).toBe(400);
      expect(reply.body).toMatchObject({ code: 'bad_request' });
    },
  );

  it('a key that is too long is 413', async () => {
    expect((await get(`/ring/${'a'.repeat(1025)}`)).status).toBe(413);
  });

  it('is forbidden without admin, and for keys outside the prefixes', async () => {
    expect((await get('/ring/k', door.tokenWith(['read']))).status).toBe(403);
    expect((await get('/ring/k', door.tokenWith(['admin'], ['mine:']))).status).toBe(403);
    expect((await get('/ring/mine:k', door.tokenWith(['admin'], ['mine:']))).status).toBe(200);
  });
});

describe('GET /ring', () => {
  it('says that there is no ring where there is but one place', async () => {
    expect((await get('/ring')).body).toEqual({ size: null, shards: [], arcs: [] });
  });

  it('is forbidden without admin', async () => {
    expect((await get('/ring', door.tokenWith(['read', 'write', 'delete']))).status).toBe(403);
  });
});

describe('other routes and methods', () => {
  it.each([
    '/Cache',
    '/cache/',
    '/metrics/',
    '/ring/',
    '/ring/a/b',
    '/status/',
    '//cache',
    '/%E0%A4%A',
    '/%',
  ])('GET %s is 404 in JSON', async (path) => {
    const reply = await get(path);
    expect(reply.status).toBe(404);
    expect(reply.body).toMatchObject({
      status: 'ERROR',
      code: 'not_found',
      request_id: expect.any(String) as unknown,
    });
  });

  it.each<[string, 'get' | 'put' | 'delete' | 'options' | 'post' | 'patch', string]>([
    ['/cache', 'get', 'POST'],
    ['/cache', 'options', 'POST'],
    ['/login', 'put', 'POST'],
    ['/livez', 'post', 'GET, HEAD'],
    ['/readyz', 'delete', 'GET, HEAD'],
    ['/status', 'options', 'GET, HEAD'],
    ['/ring/k', 'patch', 'GET, HEAD'],
  ])('%s does not take %s', async (path, method, allowed) => {
    const reply = await request(door)[method](path);
    expect(reply.status).toBe(405);
    expect(reply.get('Allow')).toBe(allowed);
    expect(reply.body).toMatchObject({ status: 'ERROR', code: 'method_not_allowed' });
  });
});
