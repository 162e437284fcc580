/** What serves the console: its files, their headers, and that nothing else is to be had. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { openHttpDoor, type HttpDoor, request } from '../support/http-door';

const PAGES = path.join(__dirname, '../../src/doors/http/console/pages');
const POLICY =
  "default-src 'none';script-src 'self';style-src 'self';img-src 'self';connect-src 'self';" +
  "base-uri 'none';form-action 'none';frame-ancestors 'none';require-trusted-types-for 'script';trusted-types 'none'";

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor();
});
afterAll(() => door.close());

const get = (url: string) => request(door).get(url);

/** What each file is served as; the page itself has the path of the door. */
const FILES = readdirSync(PAGES).map((name) => [name === 'console.html' ? '/' : `/console/${name}`, name]);
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

it.each(FILES)(
  '%s is %s, byte for byte, to everybody, under the policy without inline code',
  async (url, name) => {
    const reply = await get(url).buffer(true);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe(TYPES[path.extname(name).slice(1)]);
    const text = reply.text || (reply.body as Buffer).toString();
    expect(text).toBe(readFileSync(path.join(PAGES, name), 'utf8'));
    expect(reply.headers).toMatchObject({
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringContaining('max-age=') as unknown,
      'cache-control': 'no-cache',
      etag: expect.stringMatching(/^"[\w-]{24}"$/) as unknown,
    });
  },
);

it('uPlot comes from its package', async () => {
  expect((await get('/console/uplot.js')).text).toBe(
    readFileSync(require.resolve('uplot/dist/uPlot.esm.js'), 'utf8'),
  );
  expect((await get('/console/uplot.css')).headers['content-type']).toBe(TYPES['css']);
});

it('the page asks for nothing that is not served here, and has no code or style of its own', async () => {
  const { text } = await get('/');
  const asked = [...text.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, target]) => target);
  expect(asked.length).toBeGreaterThan(4);
  for (const target of asked) expect((await get(`/${target}`)).status).toBe(200);
  expect(text).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:/);
});

it.each(FILES.filter(([, name]) => name!.endsWith('.js')))('all that %s imports is served', async (url) => {
  const { text } = await get(url);
  for (const [, target] of text.matchAll(/from '([^']*)'/g)) {
    expect((await get(path.posix.join('/console', target!))).status).toBe(200);
  }
});

describe('a browser that has a file', () => {
  it.each([
    ['the same tag', (tag: string) => tag],
    ['a weak one, as proxies make it', (tag: string) => `W/${tag}`],
    ['a list with it', (tag: string) => `"other", ${tag}`],
    ['any', () => '*'],
  ])('is told so by 304 for %s', async (_name, ifNoneMatch) => {
    const { etag } = (await get('/console/main.js')).headers;
    const reply = await get('/console/main.js').set('If-None-Match', ifNoneMatch(etag!));
    expect(reply.status).toBe(304);
    expect(reply.text).toBe('');
    expect(reply.headers).toMatchObject({ etag, 'cache-control': 'no-cache' });
    expect(reply.headers).not.toHaveProperty('content-length');
  });

  it('gets it when it has another', async () => {
    const reply = await get('/').set('If-None-Match', '"another"');
    expect([reply.status, reply.type]).toEqual([200, 'text/html']);
  });

  it('hears 400 for what is no tag', async () => {
    expect((await get('/').set('If-None-Match', 'x')).body).toMatchObject({ code: 'bad_request' });
  });
});

it.each(['/', '/console/main.js'])('HEAD %s has the headers and no body', async (url) => {
  const { headers } = await get(url);
  const reply = await request(door).head(url);
  expect(reply.status).toBe(200);
  expect(reply.text).toBeUndefined();
  for (const name of ['etag', 'content-type', 'content-length'])
    expect(reply.headers[name]).toBe(headers[name]);
});

it.each([
  '/console',
  '/console/',
  '/console/console.html',
  '/console/none.js',
  '/console/MAIN.js',
  '/console/../console-pages.ts',
  '/console/..%2fconsole-pages.ts',
  '/console/%2e%2e/%2e%2e/app.ts',
  '/console/main.js/',
  '/console/main.js%00',
  '/console//main.js',
  '/console/main.js.map',
  '/console/constructor',
  '/favicon.ico',
])('%s is not there', async (url) => {
  const reply = await get(url);
  expect(reply.status).toBe(404);
  expect(reply.body).toMatchObject({ code: 'not_found' });
});

it.each(['/', '/console/main.js'])('%s takes GET and HEAD only', async (url) => {
  const reply = await request(door).post(url);
  expect([reply.status, reply.headers['allow']]).toEqual([405, 'GET, HEAD']);
});

it('with a key, / is the look-up still; other parameters are nothing to the console', async () => {
  const lookup = await get('/?key=absent').set('Authorization', `Bearer ${door.token}`);
  expect([lookup.status, lookup.type]).toEqual([404, 'application/json']);
  expect(lookup.body).toMatchObject({ Key: 'absent', status: 'not found' });
  expect((await get('/?key=absent')).status).toBe(401);
  expect((await get('/?theme=dark')).type).toBe('text/html');
});
