/** The script that keeps a token in a file for Prometheus, beside the built program. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { runClientCommand } from '../../src/auth/client-command';
import { makeCertificate } from '../support/certificate';
import { type Child, makeFolder, startChild } from '../support/child';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';
import { type Gateway, startGateway } from '../support/gateway';
import { parseExposition } from '../support/prometheus-text';

const SCRIPT = path.join(__dirname, '../../scripts/prometheus/renew-token.mjs');
const TTL_SECONDS = 3;
const MONTH_SECONDS = 30 * 24 * 3600;

let gateway: Gateway;
/** The key of a client with every scope but admin. */
let otherKey: string;
let folder: string;
let file: string;
beforeAll(async () => {
  const clientsFile = path.join(await makeFolder(), 'clients.json');
  const print = (line: string): void => void (otherKey = line);
  const args = ['add', 'other', '--scope', 'read,write,delete'];
  await runClientCommand(args, { clientsFile, wallMs: Date.now, print, printError: print });
  gateway = await startGateway({
    env: { ENGINE: 'memory', JWT_TTL_SECONDS: String(TTL_SECONDS), CLIENTS_FILE: clientsFile },
  });
}, 20_000);
beforeEach(async () => {
  folder = await makeFolder();
  file = path.join(folder, 'token');
});
afterAll(() => gateway.stop());

interface Running extends Child {
  /** All that it has said so far. */
  output(): string;
}

interface Given {
  readonly apiKey?: string;
  readonly address?: string;
  readonly ca?: string;
  readonly name?: string;
  readonly target?: string;
}

function run({
  apiKey = gateway.apiKey,
  address = gateway.origin,
  ca = gateway.certFile,
  name = 'localhost',
  target = file,
}: Given = {}): Running {
  const child = startChild(process.execPath, [SCRIPT, address, ca, name, target], {
    folder,
    env: { API_KEY: apiKey },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { ...child, output: () => output };
}

const metricsBy = async (token: string) => gateway.get('/metrics', { authorization: `Bearer ${token}` });

it('keeps a token that opens /metrics in a file of its owner, renews it in time and ends when told to', async () => {
  const script = run();
  const first = await eventually(() => readFile(file, 'utf8'));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const { value } = parseExposition((await metricsBy(first)).body.toString());
  expect(value('ringcache_node_up', { role: 'master' })).toBe(1);

  // While one takes the other's place, what is in the file is always a whole token that is good.
  let second = first;
  await eventually(async () => {
    const token = await readFile(file, 'utf8');
    expect((await metricsBy(token)).status).toBe(200);
    if (second === first) second = token;
    return second !== first && token !== second;
  }, 10_000);
  expect(await readdir(folder)).toEqual(['token']);

  script.signal('SIGTERM');
  expect(await script.exited).toBe(0);
  expect(script.output()).not.toContain(gateway.apiKey);
  expect(script.output()).not.toContain(first);
}, 20_000);

it('waits for a service that is not there yet', async () => {
  const script = run({ address: `https://127.0.0.1:${await findFreePort()}` });
  await eventually(() => script.output().includes('cannot be asked (ECONNREFUSED)'));
  expect(script.hasExited()).toBe(false);
  script.signal('SIGTERM');
  expect(await script.exited).toBe(0);
});

it('gives its key to nobody whose certificate is not the one to trust', async () => {
  const script = run({ name: 'cache.example.org' });
  await eventually(() => script.output().includes('cannot be asked (ERR_TLS_CERT_ALTNAME_INVALID)'));
  expect(await readdir(folder)).toEqual([]);
  script.signal('SIGTERM');
  await script.exited;
});

it('tries again what may pass, no sooner than it is told to, and renews a long-lived token every minute', async () => {
  const { certFile, keyFile } = await makeCertificate(folder);
  const askedMs: number[] = [];
  const token = { access_token: 'a-token', expires_in: MONTH_SECONDS, scope: 'read admin' };
  const service = createServer(
    { cert: await readFile(certFile), key: await readFile(keyFile) },
    (incoming, outgoing) => {
      askedMs.push(performance.now());
      incoming.resume();
      if (askedMs.length === 1) outgoing.writeHead(429, { 'Retry-After': '2' }).end();
      else if (askedMs.length === 2) outgoing.writeHead(503).end();
      else outgoing.end(JSON.stringify(token));
    },
  );
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = `https://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const script = run({ address, ca: certFile });
  await eventually(() => script.output().includes('every 60 s'), 10_000);
  expect(script.output()).toMatch(/it answers 429.*\n.*it answers 503/);
  expect(await readFile(file, 'utf8')).toBe('a-token');
  const [first = 0, second = 0] = askedMs;
  // A timer of Node may be a millisecond early.
  expect(second - first).toBeGreaterThan(1990);
  script.signal('SIGTERM');
  await script.exited;
  service.closeAllConnections();
  service.close();
}, 20_000);

it.each<[string, () => Given, RegExp]>([
  ['a wrong key', () => ({ apiKey: 'rck_not-the-key-of-anybody-0123456789' }), /login is refused \(401\)/],
  ['a client that may do all but this', () => ({ apiKey: otherKey }), /lacks the scope admin/],
  ['no key', () => ({ apiKey: '' }), /API_KEY is not set/],
  ['no address', () => ({ address: 'nowhere' }), /^Usage: /],
  [
    'an address in the clear',
    () => ({ address: 'http://localhost:1' }),
    /^http:\/\/localhost:1 is not https/,
  ],
  ['no certificate', () => ({ ca: '/nowhere/ca.pem' }), /^\/nowhere\/ca\.pem cannot be read .*\(ENOENT\)/],
  ['another file in its place', () => ({ ca: SCRIPT }), /renew-token\.mjs cannot be read as a certificate/],
  ['a file that cannot be written', () => ({ target: '/nowhere/token' }), /cannot be written \(ENOENT\)/],
])('ends with a sentence for %s', async (_what, options, sentence) => {
  const script = run(options());
  expect(await script.exited).toBe(1);
  expect(script.output()).toMatch(sentence);
  expect(script.output()).not.toContain('rck_');
  expect(script.output().trim().split('\n').length).toBeLessThanOrEqual(1);
});
