/** The built program in a process of its own, with a certificate and secrets of its own, spoken to over HTTPS. */
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { SETTINGS } from '../../src/config/settings';
import { makeCertificate } from './certificate';
import { makeFolder, removeFolder, startChild, type Child } from './child';
import { eventually } from './eventually';
import { stopAfterTests } from './leftovers';

const MAIN = path.join(__dirname, '../../dist/main.js');
const START_MS_MAX = 10_000;
const STOP_MS_MAX = 10_000;
const REPLY_MS_MAX = 10_000;
/** Of each output stream. */
const LINES_MAX = 10_000;

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON. @throws SyntaxError */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into replies field by field
  json(): any;
}

/** Objects and arrays are sent as JSON, strings and bytes as they are. */
export type HttpBody = object | string | Buffer;
export type HttpHeaders = Readonly<Record<string, string>>;

export interface Gateway {
  readonly port: number;
  /** `https://127.0.0.1:port` */
  readonly origin: string;
  readonly pid: number;
  readonly apiKey: string;
  /** The certificate to trust. */
  readonly certFile: string;
  /** Lines of standard output so far; each is a JSON object. */
  readonly lines: readonly string[];
  /** Lines of standard error so far. */
  readonly errorLines: readonly string[];
  /** Sends what it is told to and nothing else. */
  send(method: string, path: string, body?: HttpBody, headers?: HttpHeaders): Promise<HttpReply>;
  get(path: string, headers?: HttpHeaders): Promise<HttpReply>;
  post(path: string, body: HttpBody, headers?: HttpHeaders): Promise<HttpReply>;
  /** A new token for the API key. */
  login(): Promise<string>;
  /** The header that authenticates; logs in once. */
  bearer(): Promise<{ readonly authorization: string }>;
  /** `POST /cache` with a token: one command or a batch. */
  command(command: object): Promise<HttpReply>;
  /** SIGTERM; the exit code, null when a signal ended it. Once it has ended, answers the same again. */
  stop(): Promise<number | null>;
  /** SIGKILL ends it at once, SIGSTOP freezes it, SIGCONT lets it go on. */
  kill(signal: NodeJS.Signals): void;
}

export interface GatewayOptions {
  /** Settings beside and over those given here: certificate, secrets, clients file, a free port. */
  readonly env?: Readonly<Record<string, string>>;
  /** Wait until `/readyz` says so; true unless told otherwise. */
  readonly waitReady?: boolean;
  /** Standard output is this file, which is made, in place of a pipe. */
  readonly logFile?: string;
}

/** Resolves when the gateway listens. @throws with what the program wrote, when it ends instead. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  if (!existsSync(MAIN)) throw new Error('dist/ is missing: run `npm run build` before these tests');
  const folder = await makeFolder();
  const { certFile, keyFile } = await makeCertificate(folder);
  const env: Record<string, string> = {
    // Empty is unset, and the environment wins: so the `.env` of whoever runs the tests changes nothing.
    ...Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, ''])),
    PORT: '0',
    TLS_CERT_FILE: certFile,
    TLS_KEY_FILE: keyFile,
    JWT_SECRET: 'a secret of the tests, long enough to be one',
    API_KEY: 'an-api-key-of-the-tests-0123456789',
    CLIENTS_FILE: path.join(folder, 'clients.json'),
    // For runs by hand, as of all doors of tests; see `short-way.ts`.
    FAST_PATH: process.env['FAST_PATH'] ?? '',
    ...options.env,
  };
  const { logFile } = options;
  const stdoutFd = logFile === undefined ? undefined : openSync(logFile, 'w');
  const child = startChild(process.execPath, [MAIN], { folder, env, stdoutFd });
  if (stdoutFd !== undefined) closeSync(stdoutFd);
  const piped = collectLines(child.stdout);
  const lines = () =>
    logFile === undefined ? piped : readFileSync(logFile, 'utf8').split('\n').slice(0, -1);
  const gateway = await connectGateway(child, lines, folder, env, await readFile(certFile));
  if (options.waitReady !== false) {
    await eventually(async () => (await gateway.get('/readyz')).status === 200, START_MS_MAX);
  }
  return gateway;
}

async function connectGateway(
  child: Child,
  lines: () => readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
  ca: Buffer,
): Promise<Gateway> {
  const errorLines = collectLines(child.stderr);
  const agent = new Agent({ keepAlive: true, ca });
  const cleanUp = stopAfterTests(async () => {
    child.signal('SIGKILL');
    await child.exited;
    agent.destroy();
    await removeFolder(folder);
  });

  const port = await eventually(
    () => portIn(lines()) ?? (child.hasExited() ? 'ended' : undefined),
    START_MS_MAX,
  ).catch(() => 'late' as const);
  if (typeof port === 'string') {
    await cleanUp();
    throw new Error(`the gateway does not listen:\n${[...lines(), ...errorLines].slice(-20).join('\n')}`);
  }

  let token: Promise<string> | undefined;
  const gateway: Gateway = {
    port,
    origin: `https://127.0.0.1:${port}`,
    pid: child.pid,
    apiKey: env['API_KEY'] ?? '',
    certFile: env['TLS_CERT_FILE'] ?? '',
    get lines() {
      return lines();
    },
    errorLines,
    send: createSend(agent, port),
    get: (target, headers) => gateway.send('GET', target, undefined, headers),
    post: (target, body, headers) => gateway.send('POST', target, body, headers),
    login: async () => {
      const reply = await gateway.post('/login', { api_key: gateway.apiKey });
      if (reply.status !== 200) throw new Error(`login: ${reply.status} ${reply.body.toString()}`);
      return reply.json().access_token as string;
    },
    bearer: async () => ({ authorization: `Bearer ${await (token ??= gateway.login())}` }),
    command: async (command) => gateway.post('/cache', command, await gateway.bearer()),
    stop: async () => {
      child.signal('SIGTERM');
      try {
        return await exitWithin(child, STOP_MS_MAX);
      } finally {
        await cleanUp();
      }
    },
    kill: (signal) => child.signal(signal),
  };
  return gateway;
}

/** `Gateway.send` over the connections of `agent`. */
export function createSend(agent: Agent, port: number): Gateway['send'] {
  return (method, target, body, headers = {}) => {
    const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
    const bytes = raw ? body : JSON.stringify(body);
    const type = raw ? {} : { 'content-type': 'application/json' };
    const length = bytes === undefined ? {} : { 'content-length': String(Buffer.byteLength(bytes)) };
    return exchange(
      { agent, host: '127.0.0.1', port, method, path: target, headers: { ...type, ...length, ...headers } },
      bytes,
    );
  };
}

/** One request and its whole answer. */
export function exchange(options: RequestOptions, body: string | Buffer | undefined): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...options, signal: AbortSignal.timeout(REPLY_MS_MAX) }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: bytes,
          json: () => JSON.parse(bytes.toString('utf8')),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The last `LINES_MAX` lines of a stream, growing as they come. */
function collectLines(stream: NodeJS.ReadableStream): readonly string[] {
  const lines: string[] = [];
  createInterface({ input: stream }).on('line', (line) => {
    lines.push(line);
    if (lines.length > LINES_MAX) lines.shift();
  });
  return lines;
}

/** The port of the log line that says that the gateway listens. */
function portIn(lines: readonly string[]): number | undefined {
  const line = lines.find((candidate) => candidate.includes('"msg":"listening"'));
  return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
}

async function exitWithin(child: Child, withinMs: number): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), withinMs);
  });
  const outcome = await Promise.race([child.exited, late]);
  clearTimeout(timer);
  if (outcome !== 'late') return outcome;
  throw new Error(`the gateway has not ended within ${withinMs} ms`);
}
