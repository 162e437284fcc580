/** The script that keeps a token in a file for Prometheus, beside the built program. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Child, makeFolder, startChild } from '../support/child';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';
import { type Gateway, startGateway } from '../support/gateway';
import { parseExposition } from '../support/prometheus-text';

const SCRIPT = path.join(__dirname, '../../scripts/prometheus/renew-token.mjs');
const TTL_SECONDS = 3;

let gateway: Gateway;
let folder: string;
let file: string;
beforeAll(async () => {
  gateway = await startGateway({ env: { ENGINE: 'memory', JWT_TTL_SECONDS: String(TTL_SECONDS) } });
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

function run(options: { apiKey?: string; address?: string; name?: string; target?: string } = {}): Running {
  const { apiKey = gateway.apiKey, address = gateway.origin, name = 'localhost', target = file } = options;
  const child = startChild(process.execPath, [SCRIPT, address, gateway.certFile, name, target], {
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

it.each([
  ['a wrong key', { apiKey: 'rck_not-the-key-of-anybody-0123456789' }, /login is refused \(401\)/],
  ['no key', { apiKey: '' }, /API_KEY is not set/],
  ['no address', { address: 'nowhere' }, /^Usage: /],
  ['a file that cannot be written', { target: '/nowhere/token' }, /cannot be written \(ENOENT\)/],
])('ends with a sentence for %s', async (_what, options, sentence) => {
  const script = run(options);
  expect(await script.exited).toBe(1);
  expect(script.output()).toMatch(sentence);
  expect(script.output()).not.toContain('rck_');
  expect(script.output().trim().split('\n').length).toBeLessThanOrEqual(1);
});
