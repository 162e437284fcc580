/** `GET /openapi.json`, `GET /docs` and its stylesheet, as browsers and generators ask for them. */
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor();
});
afterAll(() => door.close());

it.each([
  ['/openapi.json', 'application/json; charset=utf-8'],
  ['/docs', 'text/html; charset=utf-8'],
  ['/docs/docs.css', 'text/css; charset=utf-8'],
])('%s is given to all, and only once to who keeps it', async (path, type) => {
  const first = await request(door).get(path).expect(200);
  expect(first.get('Content-Type')).toBe(type);
  expect(first.get('Cache-Control')).toBe('no-cache');
  const etag = first.get('ETag') ?? '';
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const again = await request(door).get(path).set('If-None-Match', known).expect(304);
    expect([again.get('ETag'), again.text]).toEqual([etag, '']);
  }
  await request(door).get(path).set('If-None-Match', '"other"').expect(200);
});

it('the page may load its stylesheet and nothing else, and the stylesheet is where the page says', async () => {
  const page = await request(door).get('/docs').expect(200);
  expect(page.get('Content-Security-Policy')).toBe(
    "default-src 'none';style-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  );
  const [, stylesheet = ''] = /<link rel="stylesheet" href="([^"]+)"/.exec(page.text) ?? [];
  await request(door).get(new URL(stylesheet, 'https://localhost/docs').pathname).expect(200);
});
