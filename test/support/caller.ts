/** One kept connection to a gateway, which therefore ends at one of its workers. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { eventually } from './eventually';
import { createSend, type Gateway, type HttpHeaders, type HttpReply } from './gateway';
import { stopAfterTests } from './leftovers';

export interface Caller {
  /** The number of the worker that the connection ends at, by its log. */
  readonly worker: number;
  command(command: object, headers?: HttpHeaders): Promise<HttpReply>;
  get(path: string): Promise<HttpReply>;
  post(path: string, body: object): Promise<HttpReply>;
  close(): void;
}

/** Opens a connection, with a token of the gateway's own client unless another one is given. */
export async function openCaller(gateway: Gateway, token?: string): Promise<Caller> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(gateway.certFile) });
  const close = stopAfterTests(() => {
    agent.destroy();
    return Promise.resolve();
  });
  const authorization = token === undefined ? await gateway.bearer() : { authorization: `Bearer ${token}` };
  const send = createSend(agent, gateway.port);
  const post = (path: string, body: object, headers: HttpHeaders = {}) =>
    send('POST', path, body, { ...authorization, ...headers });
  const get = (path: string) => send('GET', path, undefined, authorization);
  const { request_id: id } = (await get('/nowhere')).json() as { request_id: string };
  return {
    worker: await workerOf(gateway, id),
    command: (command, headers) => post('/cache', command, headers),
    get,
    post,
    close: () => void close(),
  };
}

/** One caller of each worker, by their numbers from 1. */
export async function openCallerOfEach(
  gateway: Gateway,
  count: number,
  token?: string,
): Promise<[Caller, ...Caller[]]> {
  const callers = new Map<number, Caller>();
  while (callers.size < count) {
    const caller = await openCaller(gateway, token);
    if (callers.has(caller.worker)) caller.close();
    else callers.set(caller.worker, caller);
  }
  const [first, ...others] = [...callers.values()].sort((a, b) => a.worker - b.worker);
  return [first!, ...others];
}

function workerOf(gateway: Gateway, requestId: string): Promise<number> {
  return eventually(() => {
    const line = gateway.lines.find((each) => each.includes(`"request_id":"${requestId}"`));
    return line === undefined ? undefined : (JSON.parse(line) as { worker: number }).worker;
  });
}
