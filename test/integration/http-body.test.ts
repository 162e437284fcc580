/** What is held of the bodies of requests, and that all of it is given back however a request ends. */
import type { Request, Response } from 'express';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Budget } from '../../src/lib/budget';
import { Exchange } from '../../src/doors/http/exchange';
import { readBody } from '../../src/doors/http/read-body';
import { systemClock } from '../../src/lib/clock';
import { silentObserver } from '../support/observer';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';

/** Of more than one piece at least 1 KiB is held; below that, what has arrived. */
const BUDGET_BYTES = 1500;
const log = createRecordingLog();
const bodies = new Budget(BUDGET_BYTES);
/** Answers what has arrived, or stays silent until it is told to. */
let finish: (() => void) | undefined;
let isSilent = false;
let isGone = false;
const server: Server = createServer((request, response) => {
  const exchange = new Exchange(
    { clock: systemClock, log, observer: silentObserver, bodies, inFlight: new Budget(1) },
    request as Request,
    response as Response,
    'test',
  );
  response.on('close', () => (isGone = !response.writableEnded));
  exchange.attempt(() => {
    readBody(exchange, 1000, (bytes) => {
      finish = () => exchange.answer(200, JSON.stringify(bytes.toString()), 'SUCCESS');
      if (bytes.toString() === 'throw') throw new Error('a bug');
      if (!isSilent) finish();
    });
  });
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  isSilent = false;
  isGone = false;
});

const headers = { 'Content-Type': 'application/json' };
const address = () => ({
  host: '127.0.0.1',
  port: (server.address() as AddressInfo).port,
  method: 'POST',
  headers,
});

async function post(...chunks: string[]): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${address().port}/`, {
    method: 'POST',
    headers,
    body: new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    }),
    duplex: 'half',
  });
  return { status: response.status, text: await response.text() };
}

it('a body of several chunks is handed over whole', async () => {
  expect(await post('a', 'b', 'c')).toEqual({ status: 200, text: '"abc"' });
  expect(bodies.taken).toBe(0);
});

it('bytes are held until the answer, not only until the body has ended', async () => {
  isSilent = true;
  const answered = post('x'.repeat(900));
  await eventually(() => finish !== undefined && bodies.taken === 900);
  finish?.();
  expect((await answered).status).toBe(200);
  expect(bodies.taken).toBe(0);
});

it('more than the budget at the same time is 503 for the one that came last, and no harm to the other', async () => {
  isSilent = true;
  finish = undefined;
  const first = post('x'.repeat(900));
  await eventually(() => finish !== undefined);
  const finishFirst = finish as unknown as () => void;
  const second = await post('y'.repeat(900));
  expect(second.status).toBe(503);
  expect(JSON.parse(second.text)).toMatchObject({ code: 'unavailable' });
  expect(bodies.taken).toBe(900);
  finishFirst();
  expect((await first).status).toBe(200);
  expect(bodies.taken).toBe(0);
});

it('a bug while the body is worked on is 500, and gives the bytes back', async () => {
  expect((await post('throw')).status).toBe(500);
  expect(bodies.taken).toBe(0);
});

it('a client that leaves in the middle gives them back, and its work is never begun', async () => {
  finish = undefined;
  const client = httpRequest({ ...address(), headers: { ...headers, 'Content-Length': 50 } });
  client.on('error', () => undefined);
  client.write('x'.repeat(20));
  await eventually(() => bodies.taken === 20);
  client.destroy();
  await eventually(() => bodies.taken === 0);
  expect(finish).toBeUndefined();
  expect(log.lines.at(-1)?.fields).toMatchObject({ outcome: 'INCOMPLETE' });
});

it('a client that leaves in the middle of a second body, while its first request is worked on, gives those back', async () => {
  isSilent = true;
  finish = undefined;
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ';
  const client = connect(address().port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`${head}5\r\n\r\nfirst${head}50\r\n\r\n${'x'.repeat(20)}`);
  await eventually(() => finish !== undefined && bodies.taken === 25);
  client.destroy();
  await eventually(() => bodies.taken === 5);
  (finish as unknown as () => void)();
  expect(bodies.taken).toBe(0);
});

it('a client that leaves before the answer is logged with what became of its request', async () => {
  isSilent = true;
  finish = undefined;
  const client = httpRequest(address());
  client.on('error', () => undefined);
  client.end('x');
  await eventually(() => finish !== undefined);
  client.destroy();
  await eventually(() => isGone);
  (finish as unknown as () => void)();
  expect(log.lines.at(-1)?.fields).toMatchObject({ outcome: 'SUCCESS', status: undefined });
  expect(bodies.taken).toBe(0);
});
