/** What reaches the application, byte by byte: ambiguous requests must not, and must be told so. */
import { connect } from 'node:net';
import { eventually } from '../support/eventually';
import { openRaw, type RawAnswer, type RawClient } from '../support/raw-http';
import { openTestListener, type TestListener } from '../support/listener';

const HOST = 'Host: localhost\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

describe('the listener', () => {
  let listener: TestListener;
  let client: RawClient;
  /** Method and target of each request that the application saw. */
  let seen: string[];

  beforeAll(async () => {
    listener = await openTestListener((request, response) => {
      seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(`${bytes}`));
    });
  });
  afterAll(() => listener.close());
  beforeEach(async () => {
    seen = [];
    client = await openRaw(listener.port);
  });
  afterEach(() => client.destroy());

  function expectError(answer: RawAnswer, status: number, code: string): void {
    expect(answer.status).toBe(status);
    expect(answer.headers.get('connection')).toBe('close');
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.has('server')).toBe(false);
    const body = JSON.parse(answer.body.toString()) as Record<string, unknown>;
    expect(body).toEqual({
      status: 'ERROR',
      code,
      message: expect.any(String),
      request_id: expect.stringMatching(/^[\w-]{9,}$/),
    });
    const line = listener.log.lines.find(
      ({ fields }) => (fields as { request_id?: unknown }).request_id === body['request_id'],
    );
    expect(line?.level).toBe('info');
  }

  describe('refuses with 400, unseen by the application,', () => {
    it.each([
      [
        'Transfer-Encoding ",chunked"',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`,
      ],
      [
        'Transfer-Encoding "chunked,"',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n`,
      ],
      [
        'Transfer-Encoding "gzip, chunked"',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      ],
      ['Transfer-Encoding "identity"', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\nabc`],
      ['two Transfer-Encodings', `POST / HTTP/1.1\r\n${HOST}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`],
      ['Transfer-Encoding on HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n`],
      [
        'Content-Length, then Transfer-Encoding',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n${CHUNKED}\r\n0\r\n\r\n`,
      ],
      [
        'Transfer-Encoding, then Content-Length',
        `POST / HTTP/1.1\r\n${HOST}${CHUNKED}Content-Length: 3\r\n\r\n0\r\n\r\n`,
      ],
      [
        'two equal Content-Lengths',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
      ],
      ['a Content-Length that is a list', `POST / HTTP/1.1\r\n${HOST}Content-Length: 3, 3\r\n\r\nabc`],
      ['a Content-Length with a sign', `POST / HTTP/1.1\r\n${HOST}Content-Length: +3\r\n\r\nabc`],
      [
        'a Content-Length beyond 64 bits',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\nabc`,
      ],
      ['two Host headers', `GET / HTTP/1.1\r\n${HOST}HOST: localhost\r\n\r\n`],
      ['two Host headers on HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}Host: other\r\n\r\n`],
      ['no Host header on HTTP/1.1', 'GET / HTTP/1.1\r\n\r\n'],
      ['HTTP/0.9', 'GET / HTTP/0.9\r\n\r\n'],
      ['HTTP/0.9 in its short form', 'GET /\r\n\r\n'],
      ['HTTP/2.0 without its preface', `GET / HTTP/2.0\r\n${HOST}\r\n`],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['a GET with a chunked body', `GET / HTTP/1.1\r\n${HOST}${CHUNKED}\r\n1\r\nx\r\n0\r\n\r\n`],
      ['a GET with a Content-Length', `GET / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`],
      ['a DELETE with a Content-Length', `DELETE / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`],
      ['an absolute target for another host', `GET https://other/x HTTP/1.1\r\n${HOST}\r\n`],
      ['an absolute target with user information', `GET https://me@localhost/x HTTP/1.1\r\n${HOST}\r\n`],
      ['an absolute target without https', `GET http://localhost/x HTTP/1.1\r\n${HOST}\r\n`],
      ['the target *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
      ['a target without a slash', `GET x HTTP/1.1\r\n${HOST}\r\n`],
      ['a target with NUL', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`],
      ['a target with a space', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
      ['a folded header', `GET / HTTP/1.1\r\n${HOST}X: 1\r\n 2\r\n\r\n`],
      ['a bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`],
      ['a bare LF in a header', `GET / HTTP/1.1\r\n${HOST}X: a\nY: b\r\n\r\n`],
      ['a bare CR in a header', `GET / HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`],
      ['NUL in a header', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
      ['a space before the colon', `GET / HTTP/1.1\r\n${HOST}X : b\r\n\r\n`],
      ['an upgrade', `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
      [
        'an unknown expectation',
        `POST / HTTP/1.1\r\n${HOST}Expect: the-unexpected\r\nContent-Length: 0\r\n\r\n`,
      ],
      ['something that is no HTTP', 'EHLO mail.example\r\n\r\n'],
    ])('%s', async (_name, bytes) => {
      client.send(bytes);
      expectError(await client.answer(), 400, 'bad_request');
      await client.ended();
      expect(seen).toEqual([]);
    });
  });

  it('refuses a HEAD with a body like a GET, in a head', async () => {
    client.send(`HEAD / HTTP/1.1\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n`);
    expect((await client.answer({ hasBody: false })).status).toBe(400);
    await client.ended();
    expect(seen).toEqual([]);
  });

  it('answers a broken chunk with 400, although the application is waiting for the body, whose the line is', async () => {
    const lines = listener.log.lines.length;
    client.send(`POST / HTTP/1.1\r\n${HOST}${CHUNKED}\r\n1\nx\r\n0\r\n\r\n`);
    const { status, headers, body } = await client.answer();
    expect([status, headers.get('connection')]).toEqual([400, 'close']);
    expect(JSON.parse(body.toString())).toMatchObject({ status: 'ERROR', code: 'bad_request' });
    await client.ended();
    expect(listener.log.lines).toHaveLength(lines);
  });

  it.each([
    ['65 header fields', `GET / HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(64)}\r\n`],
    ['2,500 header fields', `GET / HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(2499)}\r\n`],
    ['a header of 9 KiB', `GET / HTTP/1.1\r\n${HOST}X: ${'a'.repeat(9216)}\r\n\r\n`],
    ['headers without an end', `GET / HTTP/1.1\r\n${HOST}X: ${'a'.repeat(1 << 20)}`],
  ])('answers %s with 413, unseen by the application', async (_name, bytes) => {
    client.send(bytes);
    expectError(await client.answer(), 413, 'too_large');
    await client.ended();
    expect(seen).toEqual([]);
  });

  it.each([
    ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}\r\n`],
    ['CONNECT', `CONNECT localhost:443 HTTP/1.1\r\n${HOST}\r\n`],
  ])('answers %s with 405 and the methods that there are', async (_name, bytes) => {
    client.send(bytes);
    const answer = await client.answer();
    expectError(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST, PUT, DELETE');
    await client.ended();
    expect(seen).toEqual([]);
  });

  it.each([
    ['64 header fields', `GET /x HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(63)}\r\n`],
    ['an absolute target for the same host', `GET https://LOCALHOST/x HTTP/1.1\r\n${HOST}\r\n`],
    ['a GET that announces no bytes', `GET /x HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`],
    ['HTTP/1.0 without Host', 'GET /x HTTP/1.0\r\n\r\n'],
    ['empty lines before the request', `\r\n\r\nGET /x HTTP/1.1\r\n${HOST}\r\n`],
  ])('lets through %s', async (_name, bytes) => {
    client.send(bytes);
    expect((await client.answer()).status).toBe(200);
    expect(seen).toEqual(['GET /x']);
  });

  it('takes a chunked body in any spelling of the word', async () => {
    client.send(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
    expect((await client.answer()).body.toString()).toBe('3');
  });

  it('does not ask for the body of a request that it refuses', async () => {
    client.send(`POST / HTTP/1.1\r\n${HOST}${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`);
    expectError(await client.answer(), 400, 'bad_request');
  });

  it('has its refusal read by a client that sends a long body first and reads then', async () => {
    client.socket.pause();
    client.send(`POST / HTTP/1.1\r\n${HOST}${HOST}Content-Length: ${4 << 20}\r\n\r\n${'a'.repeat(4 << 20)}`);
    await eventually(() => client.socket.writableLength === 0 || client.socket.destroyed);
    client.socket.resume();
    expectError(await client.answer(), 400, 'bad_request');
    await client.ended();
  });

  it('serves nothing that follows a refused request on its connection', async () => {
    const smuggled = `POST /smuggled HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`;
    client.send(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n${smuggled}`);
    expectError(await client.answer(), 400, 'bad_request');
    client.send(smuggled);
    await client.ended();
    expect(seen).toEqual([]);
    await expect(client.answer()).rejects.toThrow('ended after 0 bytes');
  });

  it('answers what came before a broken request, in order, and then says what is wrong', async () => {
    client.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\nnonsense\r\n\r\n`);
    expect((await client.answer()).status).toBe(200);
    expect((await client.answer()).status).toBe(200);
    expectError(await client.answer(), 400, 'bad_request');
    await client.ended();
    expect(seen).toEqual(['GET /1', 'GET /2']);
  });

  it('closes without a word when the bytes are no TLS', async () => {
    const plain = connect(listener.port, '127.0.0.1');
    plain.on('error', () => undefined);
    plain.write(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await new Promise((resolve) => plain.on('close', resolve));
    expect(seen).toEqual([]);
  });
});
