/** Stopping: nobody who behaves notices more than a refused connection after the end. */
import { Agent, request as httpsRequest } from 'node:https';
import type { ServerResponse } from 'node:http';
import { eventually } from '../support/eventually';
import { openTestListener } from '../support/listener';
import { openRaw } from '../support/raw-http';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

type Outcome = 'ok' | 'refused' | 'failed';

/** One request. `refused`: no connection was to be had, so the request was never sent. */
function ask(port: number, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    let isConnected = false;
    const request = httpsRequest(
      { host: '127.0.0.1', port, agent, rejectUnauthorized: false },
      (response) => {
        response.on('end', () => resolve(response.statusCode === 200 ? 'ok' : 'failed'));
        response.on('error', () => resolve('failed'));
        response.resume();
      },
    );
    request.on('socket', (socket) => {
      if (request.reusedSocket) isConnected = true;
      else socket.on('secureConnect', () => (isConnected = true));
    });
    request.on('error', () => resolve(isConnected ? 'failed' : 'refused'));
    request.end();
  });
}

describe('close', () => {
  it('fails no request of clients that keep connections and reconnect when told to', async () => {
    const listener = await openTestListener((_request, response) => {
      setImmediate(() => response.end('ok'));
    });
    const counts: Record<Outcome, number> = { ok: 0, refused: 0, failed: 0 };
    const clients = Array.from({ length: 8 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (;;) {
        const outcome = await ask(listener.port, agent);
        counts[outcome]++;
        if (outcome !== 'ok') break;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      agent.destroy();
    });
    await eventually(() => counts.ok > 50);
    expect(counts.refused + counts.failed).toBe(0);
    const isClosed = listener.close();
    expect(listener.draining).toBe(true);
    const before = counts.ok;
    await Promise.all([isClosed, ...clients]);
    expect(counts.failed).toBe(0);
    expect(counts.refused).toBe(8);
    expect(counts.ok).toBeGreaterThan(before);
  });

  it('gives the answers that are owed, says on each that it is the last, and closes idle connections', async () => {
    const held: ServerResponse[] = [];
    const listener = await openTestListener((_request, response) => void held.push(response));
    const [busy, idle, late] = [
      await openRaw(listener.port),
      await openRaw(listener.port),
      await openRaw(listener.port),
    ];
    idle.send(GET);
    await eventually(() => held.length === 1);
    held.shift()?.end('ok');
    expect((await idle.answer()).headers.get('connection')).toBe('keep-alive');
    busy.send(GET);
    await eventually(() => held.length === 1);

    const isClosed = listener.close();
    late.send(GET);
    await eventually(() => held.length === 2);
    await idle.ended();
    expect(busy.hasEnded()).toBe(false);
    for (const response of held.splice(0)) response.end('ok');
    for (const client of [busy, late]) {
      const answer = await client.answer();
      expect(answer.status).toBe(200);
      expect(answer.headers.get('connection')).toBe('close');
      await client.ended();
    }
    await isClosed;
    await expect(openRaw(listener.port)).rejects.toThrow('ECONNREFUSED');
  });

  it('does not cut off an answer that is still leaving', async () => {
    const bytes = 8 << 20;
    const listener = await openTestListener(
      (_request, response) => void response.end(Buffer.alloc(bytes, 'a')),
    );
    const client = await openRaw(listener.port);
    client.socket.pause();
    client.send(GET);
    await eventually(() => client.socket.readableLength > 0);
    const isClosed = listener.close();
    await expect(openRaw(listener.port).then((other) => other.ended())).resolves.toBeUndefined();
    client.socket.resume();
    expect((await client.answer()).body).toHaveLength(bytes);
    client.destroy();
    await isClosed;
  });

  it('ends although a request is never answered, and says so', async () => {
    let isAsked = false;
    const listener = await openTestListener(() => (isAsked = true));
    const client = await openRaw(listener.port);
    client.send(GET);
    await eventually(() => isAsked);
    await listener.close();
    await client.ended();
    expect(listener.log.lines).toContainEqual({
      level: 'warn',
      fields: { connections: 1, answers_owed: 1 },
      message: 'cut connections at the end',
    });
  });

  it('keeps taking connections for a while, though none is open, so that probes see it', async () => {
    const listener = await openTestListener((_request, response) => {
      response.statusCode = listener.draining ? 503 : 200;
      response.end();
    });
    const isClosed = listener.close();
    const probe = await openRaw(listener.port);
    probe.send(GET);
    expect((await probe.answer()).status).toBe(503);
    probe.destroy();
    await isClosed;
  });

  it('answers an upload that is slow but in time, although it ends long after the stop began', async () => {
    const bytes = 8 * 64 * 1024;
    const listener = await openTestListener((request, response) => {
      let received = 0;
      request.on('data', (chunk: Buffer) => (received += chunk.length));
      request.on('end', () => response.end(String(received)));
    });
    const client = await openRaw(listener.port);
    client.send(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n`);
    // 64 KiB a second, the slowest that is legal; and only then is the end in sight for those who wait 5 s.
    let sent = 0;
    const drip = setInterval(() => {
      client.send(Buffer.alloc(Math.min(bytes - sent, 8 * 1024), 'a'));
      sent += 8 * 1024;
    }, 125);
    const isClosed = listener.close();
    const answer = await client.answer({ withinMs: 14_000 });
    clearInterval(drip);
    expect([answer.status, answer.body.toString()]).toEqual([200, String(bytes)]);
    expect(answer.headers.get('connection')).toBe('close');
    await isClosed;
    expect(listener.log.lines).toEqual([]);
  });

  it('can be called twice', async () => {
    const listener = await openTestListener((_request, response) => void response.end());
    await Promise.all([listener.close(), listener.close()]);
    await listener.close();
    expect(listener.draining).toBe(true);
  });
});
