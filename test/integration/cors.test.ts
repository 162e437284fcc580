/** CORS_ORIGINS: which pages of other origins may call, as browsers ask for it, and that nobody else hears of it. */
import type { Response } from 'supertest';
import { openHttpDoor, type HttpDoor, request } from '../support/http-door';

const ORIGIN = 'https://app.example:8443';
const OTHER = 'https://other.example';
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'strict-transport-security': expect.any(String) as unknown,
  'content-security-policy': expect.any(String) as unknown,
  'cache-control': 'no-store',
};

let open: HttpDoor;
let closed: HttpDoor;
beforeAll(async () => {
  open = await openHttpDoor({ corsOrigins: [ORIGIN, 'http://localhost:3000'] });
  closed = await openHttpDoor();
});
afterAll(async () => {
  await open.close();
  await closed.close();
});

const preflight = (origin: string, path = '/cache', to = open) =>
  request(to)
    .options(path)
    .set('Origin', origin)
    .set('Access-Control-Request-Method', 'POST')
    .set('Access-Control-Request-Headers', 'authorization,content-type');
const corsHeaders = ({ headers }: Response) =>
  Object.keys(headers as object).filter((name) => name.startsWith('access-control-'));
/** The fields of a list, however many header lines it came in. */
const varyOf = (reply: Response) =>
  (reply.get('Vary') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .sort();

describe('a preflight', () => {
  it.each([ORIGIN, 'http://localhost:3000'])(
    'of %s is told what its page may send and read',
    async (origin) => {
      const reply = await preflight(origin);
      expect([reply.status, reply.text]).toEqual([204, '']);
      expect(reply.headers).toMatchObject({
        ...SECURITY_HEADERS,
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET,HEAD,PUT,POST,DELETE',
        'access-control-allow-headers':
          'Authorization,Content-Type,Accept,Prefer,If-Match,If-None-Match,Ringcache-Session',
        'access-control-max-age': '600',
      });
      expect(varyOf(reply)).toEqual(['origin']);
      expect(reply.headers).not.toHaveProperty('access-control-allow-credentials');
      expect(reply.headers).not.toHaveProperty('content-length');
    },
  );

  it('needs no token, is answered on every path, and is logged as what it is', async () => {
    expect((await preflight(ORIGIN, '/nothing')).status).toBe(204);
    expect((await preflight(ORIGIN, '/cache/%ff')).status).toBe(204);
    expect(open.log.lines.at(-1)?.fields).toMatchObject({
      route: 'preflight',
      outcome: 'SUCCESS',
      status: 204,
    });
  });

  it.each([
    OTHER,
    'null',
    'https://app.example',
    'https://app.example:8443/',
    'https://APP.example:8443',
    'http://app.example:8443',
    'https://app.example:84430',
    'https://x.app.example:8443',
    `${ORIGIN}, ${OTHER}`,
  ])('of %s is refused as if there were no CORS', async (origin) => {
    const reply = await preflight(origin);
    expect([reply.status, reply.get('Allow')]).toEqual([405, 'POST']);
    expect(corsHeaders(reply)).toEqual([]);
    expect(varyOf(reply)).toEqual(['origin']);
  });
});

it('OPTIONS that is no preflight is a method like any other', async () => {
  for (const asked of [
    request(open).options('/cache'),
    request(open).options('/cache').set('Origin', ORIGIN),
    request(open).options('/cache').set('Access-Control-Request-Method', 'POST'),
  ]) {
    const reply = await asked;
    expect([reply.status, reply.get('Allow')]).toEqual([405, 'POST']);
  }
});

describe('an answer', () => {
  const read = (origin: string | undefined, to = open) => {
    const asked = request(to)
      .post('/cache')
      .set({ Authorization: `Bearer ${to.token}`, 'Ringcache-Session': '' })
      .send({ command: 'READ', key: 'k' });
    return origin === undefined ? asked : asked.set('Origin', origin);
  };

  it('to a page of such an origin can be read by it, session and all', async () => {
    const reply = await read(ORIGIN);
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject({
      ...SECURITY_HEADERS,
      'access-control-allow-origin': ORIGIN,
      'access-control-expose-headers': 'ETag,Cache-Status,Ringcache-Session,Retry-After,WWW-Authenticate',
      'cache-status': 'ringcache; fwd=miss',
      'ringcache-session': expect.stringMatching(/./) as unknown,
    });
    expect(varyOf(reply)).toEqual(['origin']);
  });

  it('that is a failure can be read too, whatever failed', async () => {
    for (const [status, asked] of [
      [401, request(open).post('/cache')],
      [404, request(open).get('/nothing')],
      [400, request(open).get('/getval/%ff')],
      [405, request(open).patch('/cache')],
    ] as const) {
      const reply = await asked.set('Origin', ORIGIN);
      expect([reply.status, reply.get('Access-Control-Allow-Origin')]).toEqual([status, ORIGIN]);
    }
  });

  it.each([OTHER, undefined])('to %s says nothing of others, but that it varies', async (origin) => {
    const reply = await read(origin);
    expect(reply.status).toBe(200);
    expect(corsHeaders(reply)).toEqual([]);
    expect(varyOf(reply)).toEqual(['origin']);
  });

  it.each([ORIGIN, OTHER])('to %s that varies by itself says both', async (origin) => {
    const authorization = { Authorization: `Bearer ${open.token}` };
    await request(open).put('/cache/varied').set(authorization).send('v');
    const reply = await request(open).get('/cache/varied').set(authorization).set('Origin', origin);
    expect(reply.status).toBe(200);
    expect(varyOf(reply)).toEqual(['accept', 'origin']);
  });

  it('says nothing at all of origins where none may call', async () => {
    for (const reply of [await read(ORIGIN, closed), await preflight(ORIGIN, '/cache', closed)]) {
      expect(corsHeaders(reply)).toEqual([]);
      expect(reply.get('Vary')).toBeUndefined();
    }
    expect((await preflight(ORIGIN, '/cache', closed)).status).toBe(405);
  });
});
