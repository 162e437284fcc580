/** Requests are the application's own from birth, and all of Express works on them. */
import express from 'express';
import { ServerResponse } from 'node:http';
import { CacheRequest, createMessageClasses, requestIdOf } from '../../src/doors/http/messages';
import { openTestListener, type TestListener } from '../support/listener';
import { openRaw, type RawClient } from '../support/raw-http';

describe('an Express application behind the listener', () => {
  let listener: TestListener;
  let client: RawClient;
  const ids: string[] = [];
  const prototypes: (object | null)[] = [];
  const app = express();
  app.disable('x-powered-by');
  app.use((request, _response, next) => {
    ids.push(requestIdOf(request));
    next();
  });
  app.get('/request', (request, response) => {
    response.json({
      accept: request.get('accept'),
      query: request.query,
      ip: request.ip,
      protocol: request.protocol,
      secure: request.secure,
      path: request.path,
      hostname: request.hostname,
      isOwn: request.app === app && response.app === app,
      isJoined: request.res === response && response.req === request,
    });
  });
  app.get('/send', (_request, response) => void response.status(201).set('X-Test', 'yes').send('text'));
  app.post('/body', express.json(), (request, response) => void response.json(request.body));
  app.get('/redirect', (_request, response) => response.redirect('/elsewhere'));

  beforeAll(async () => {
    // What Express does first is to set the prototypes; these are those before it.
    const inner = app as unknown as { handle: (request: object, response: object, next: unknown) => void };
    const handle = inner.handle.bind(app);
    inner.handle = (request, response, next) => {
      prototypes.push(Object.getPrototypeOf(request) as object, Object.getPrototypeOf(response) as object);
      handle(request, response, next);
    };
    listener = await openTestListener(app);
  });
  afterAll(() => listener.close());
  beforeEach(async () => {
    client = await openRaw(listener.port);
  });
  afterEach(() => client.destroy());

  it('gets messages whose prototypes are its own before it touches them', async () => {
    client.send('GET /send HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.answer();
    expect(prototypes.at(-2)).toBe(app.request);
    expect(prototypes.at(-1)).toBe(app.response);
    expect(app.request).toBeInstanceOf(CacheRequest);
    expect(app.response).toBeInstanceOf(ServerResponse);
  });

  it('has the usual getters of a request and res.json', async () => {
    client.send('GET /request?a=1&b=2 HTTP/1.1\r\nHost: localhost:8000\r\nAccept: x/y\r\n\r\n');
    const { status, headers, body } = await client.answer();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(JSON.parse(body.toString())).toEqual({
      accept: 'x/y',
      query: { a: '1', b: '2' },
      ip: '127.0.0.1',
      protocol: 'https',
      secure: true,
      path: '/request',
      hostname: 'localhost',
      isOwn: true,
      isJoined: true,
    });
  });

  it('has the usual methods of a response', async () => {
    client.send(
      'GET /send HTTP/1.1\r\nHost: localhost\r\n\r\nGET /redirect HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    const sent = await client.answer();
    expect(sent.status).toBe(201);
    expect(sent.headers.get('x-test')).toBe('yes');
    expect(sent.body.toString()).toBe('text');
    const redirected = await client.answer();
    expect(redirected.status).toBe(302);
    expect(redirected.headers.get('location')).toBe('/elsewhere');
  });

  it('can read a body with middleware', async () => {
    const body = '{"a":1}';
    client.send(
      `POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect((await client.answer()).body.toString()).toBe(body);
  });

  it('gets an id with each request that no other has', async () => {
    ids.length = 0;
    client.send('GET /send HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50));
    for (let answered = 0; answered < 50; answered++) await client.answer();
    expect(new Set(ids).size).toBe(50);
    for (const id of ids) expect(id).toMatch(/^[\w-]{8}-[0-9a-z]+$/);
  });

  it('keeps what the application had added to its own request and response', () => {
    const extended = express();
    Object.assign(extended.request, { greeting: 'hello' });
    createMessageClasses(extended);
    expect(extended.request).toMatchObject({ greeting: 'hello', app: extended });
  });
});

it('a request that came another way is given one id, and keeps it', () => {
  const request = Object.create(null) as Parameters<typeof requestIdOf>[0];
  const id = requestIdOf(request);
  expect(id).not.toBe('');
  expect(requestIdOf(request)).toBe(id);
});
