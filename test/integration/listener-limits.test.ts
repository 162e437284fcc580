/** How much one client, and all of them, may take: connections and time. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { eventually } from '../support/eventually';
import { openTestListener, type TestListener } from '../support/listener';
import { openRaw, type RawAnswer, type RawClient } from '../support/raw-http';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

describe('the limits of the listener', () => {
  let listener: TestListener;
  const clients: RawClient[] = [];
  /** Requests that the application has seen and not answered. */
  const held: ServerResponse[] = [];

  async function openClient(): Promise<RawClient> {
    const client = await openRaw(listener.port);
    clients.push(client);
    return client;
  }

  function hold(_request: IncomingMessage, response: ServerResponse): void {
    held.push(response);
  }

  function release(): void {
    for (const response of held.splice(0)) response.end('ok');
  }

  function expectUnavailable(answer: RawAnswer): void {
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 'ERROR', code: 'unavailable' });
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    release();
    await listener.close();
  });

  it('a connection beyond the limit is told so on its first request, and closed', async () => {
    listener = await openTestListener(hold, { maxConnections: 2 });
    const first = await openClient();
    await openClient();
    const third = await openClient();
    third.send(GET);
    const refused = await third.answer();
    expectUnavailable(refused);
    expect(refused.headers.get('connection')).toBe('close');
    await third.ended();
    expect(held).toHaveLength(0);

    first.send(GET);
    await eventually(() => held.length === 1);
    release();
    expect((await first.answer()).status).toBe(200);
  });

  it('a connection beyond the limit that asks nothing is closed', async () => {
    listener = await openTestListener(hold, { maxConnections: 1 });
    await openClient();
    const second = await openClient();
    await second.ended();
    expect(listener.log.lines).toContainEqual(expect.objectContaining({ message: 'too many connections' }));
  });

  it('connections that never finish their handshake take places too, and give them back', async () => {
    listener = await openTestListener(hold, { maxConnections: 1 });
    const idle = connectTcp(listener.port, '127.0.0.1');
    await once(idle, 'connect');
    const refused = await openClient();
    refused.send(GET);
    expectUnavailable(await refused.answer());
    await refused.ended();
    refused.destroy();
    idle.destroy();
    await eventually(async () => {
      const client = await openClient();
      client.send(GET);
      await Promise.race([client.answer().catch(() => undefined), eventually(() => held.length === 1)]);
      const isServed = held.length === 1;
      if (!isServed) client.destroy();
      return isServed;
    });
  });

  it('connections far beyond the limit are cut at once', async () => {
    listener = await openTestListener(hold, { maxConnections: 1 });
    const sockets = Array.from({ length: 80 }, () => connectTcp(listener.port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => undefined).resume();
    await eventually(() => sockets.filter((socket) => socket.closed).length >= 80 - 1 - 64);
    expect(sockets.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(65);
    for (const socket of sockets) socket.destroy();
  });

  it('pipelined requests are answered in order, whichever is done first', async () => {
    listener = await openTestListener(hold);
    const client = await openClient();
    client.send(GET.repeat(3));
    await eventually(() => held.length === 3);
    const [first, second, third] = held.splice(0);
    third?.end('3');
    second?.end('2');
    first?.end('1');
    const bodies = [await client.answer(), await client.answer(), await client.answer()].map(({ body }) =>
      body.toString(),
    );
    expect(bodies).toEqual(['1', '2', '3']);
  });
});

describe('a slow client', () => {
  const HELD_MS = 7000;
  const BIG_BYTES = 8 << 20;

  it('is closed within seven seconds in its head, its body, its reading and its silence; others are served', async () => {
    const listener = await openTestListener((request, response) => {
      request
        .resume()
        .on('end', () => response.end(request.url === '/big' ? Buffer.alloc(BIG_BYTES, 'a') : 'ok'));
    });
    const clients = await Promise.all(Array.from({ length: 7 }, () => openRaw(listener.port)));
    const [head, body, chunked, reader, silent, healthy, steady] = clients as [
      RawClient,
      RawClient,
      RawClient,
      RawClient,
      RawClient,
      RawClient,
      RawClient,
    ];
    const startedMs = performance.now();
    head.send('GET / HTTP/1.1\r\nHost: localhost\r\nX: ');
    body.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n');
    chunked.send('POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    reader.socket.pause();
    reader.send('GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n');
    steady.socket.pause();
    steady.send('GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n');

    let healthyAnswers = 0;
    const drip = setInterval(() => {
      for (const client of [head, body]) client.send('a');
      chunked.send('1\r\na\r\n');
      reader.socket.read(1);
    }, 1000);
    // Slow, but it gets on: about half a megabyte a second.
    const sip = setInterval(() => steady.socket.read(Math.min(25_000, steady.socket.readableLength)), 50);
    const isOver = (): boolean => performance.now() - startedMs > HELD_MS;
    const healthyLoop = (async () => {
      while (!isOver()) {
        healthy.send(GET);
        expect((await healthy.answer()).status).toBe(200);
        healthyAnswers++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();

    // A reader that does not read cannot see the end either; the listener's log can.
    await Promise.all([
      ...[head, body, chunked, silent].map((client) => client.ended(HELD_MS)),
      eventually(() => listener.log.lines.some(({ message }) => message.includes('was not read')), HELD_MS),
    ]);
    for (const client of [head, body, chunked]) {
      const answer = await client.answer();
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'bad_request' });
    }
    await expect(silent.answer()).rejects.toThrow('ended after 0 bytes');
    await healthyLoop;
    expect(healthyAnswers).toBeGreaterThan(20);
    expect(steady.hasEnded()).toBe(false);
    expect(listener.log.lines.filter(({ message }) => message.includes('was not read'))).toHaveLength(1);

    clearInterval(drip);
    clearInterval(sip);
    for (const client of clients) client.destroy();
    await listener.close();
  }, 20_000);
});
