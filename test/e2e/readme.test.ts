/**
 * README.md as its reader follows it: `npm start` in a fresh clone, then every shell block, in order, pasted into one
 * shell in the same folder, exactly as printed but for the ports. Commands that stand elsewhere in it are listed with
 * their proofs in `test/house/readme.test.ts`.
 */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import request from 'supertest';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';
import { type CloneSettings, type FreshClone, makeFreshClone } from '../support/fresh-clone';
import { type ReadmeBlock, readmeSession } from '../support/readme';
import { startShard } from '../support/redis';

const COPY_MS = 60_000;
const START_MS = 60_000;
const PASTE_MS = 60_000;
const REPLY_MS = 5000;
/** How soon a change of the clients must hold. */
const TAKEN_UP_MS = 1000;
/** ASCII's record separator: ends what a block has printed. */
const END_OF_BLOCK = '\x1e';

const steps = readmeSession();

/**
 * Headings of what prints where values are at the moment: on a machine that stood still the near cache is closed for a
 * while, so what comes out otherwise is tried again from the first block on.
 */
const SHOWN_SOON = ['Routes of earlier caches'];
const SHOWN_WITHIN_MS = 20_000;

/** By heading, what the blocks bring about whose output README.md does not print. */
const EFFECTS: Readonly<Record<string, (output: string) => unknown>> = {
  // That it leaves a good token in the shell, the next block shows.
  'Use it': (output) => expect(output).toBe(''),
  'See what it does': (output) => {
    const replies = output.split('\n').filter(Boolean);
    const [status, ring, live, ready] = replies.map((reply) => JSON.parse(reply));
    expect(status).toMatchObject({ engine: 'ring', ready: true });
    expect(status.shards[0].nodes).toHaveLength(4);
    expect(ring).toMatchObject({ key: 'my_key', shard: status.shards[0].name, exists: false });
    expect([live, ready]).toEqual([{ status: 'live' }, { status: 'ready' }]);
  },
  'Watch it': (output) => {
    expect(
      output.match(/^ringcache_node_up\{shard="\S+",node="\S+",role="(?:master|replica)"\} 1$/gm),
    ).toHaveLength(4);
    expect(output).toMatch(/^ringcache_near_hits_total \d+$/m);
    expect(output).toMatch(/^"latency":\{"bounds_ms":\[0\.25,.*"counts":\[\d+,.*\]\}$/m);
  },
  'Clients and their rights': (output) => {
    expect(output).toMatch(/^Client web is added.*\nrck_\S+\n/);
    expect(output).toMatch(/^web +\S+ +read,write +"web:" /m);
    expect(output).toMatch(/^Client web is revoked/m);
  },
  Production: async () => {
    const certificate = await readFile(path.join(clone.folder, 'my-certs/cert.pem'));
    expect(new X509Certificate(certificate).checkHost('cache.example.org')).toBeDefined();
  },
};

let clone: FreshClone;
/** In place of those that README.md names. */
let respPort: number;
let grpcPort: number;

beforeAll(async () => {
  respPort = await findFreePort();
  grpcPort = await findFreePort();
  clone = await makeFreshClone({ installed: true });
  await paste(['npm run build']);
}, COPY_MS + PASTE_MS);

/**
 * Runs blocks of commands in one shell in the clone; what each of them printed.
 * @throws with the shell's standard error at the first command that fails.
 */
async function paste(blocks: readonly string[], settings?: CloneSettings): Promise<string[]> {
  const script = blocks.map((block) => `${block}\nprintf '${END_OF_BLOCK}'\n`).join('');
  const { stdout } = await promisify(execFile)('bash', ['-e', '-o', 'pipefail', '-c', withPorts(script)], {
    cwd: clone.folder,
    env: clone.environment(settings),
    timeout: PASTE_MS,
  });
  return stdout.split(END_OF_BLOCK).slice(0, -1);
}

function withPorts(script: string): string {
  return script
    .replaceAll('localhost:8000', `localhost:${clone.port}`)
    .replaceAll('6380', String(respPort))
    .replaceAll('50051', String(grpcPort));
}

function post(target: string, body: object, token?: string): request.Test {
  const sent = request(`https://127.0.0.1:${clone.port}`).post(target).trustLocalhost().timeout(REPLY_MS);
  return (token === undefined ? sent : sent.auth(token, { type: 'bearer' })).send(body);
}

/** A token for the key that `npm start` wrote. */
async function login(): Promise<string> {
  const secrets = await readFile(path.join(clone.folder, '.env'), 'utf8');
  const { body } = await post('/login', { api_key: /^API_KEY=(.*)$/m.exec(secrets)?.[1] }).expect(200);
  return body.access_token;
}

function checkShown(output: string, { language, text }: ReadmeBlock): void {
  if (language === 'json') expect(JSON.parse(output)).toEqual(JSON.parse(text));
  else expect(output.trimEnd()).toBe(text);
}

function isShown(output: string, shows: ReadmeBlock): boolean {
  try {
    checkShown(output, shows);
    return true;
  } catch {
    return false;
  }
}

describe('beside the running service', () => {
  let outputs: string[];

  beforeAll(async () => {
    await clone.start({ RESP_PORT: String(respPort), GRPC_PORT: String(grpcPort) }).ready(START_MS);
    outputs = await paste(steps.map(({ commands }) => commands));
  }, START_MS + PASTE_MS);
  afterAll(() => clone.stop());

  const cases = steps.map((step, index) => ({ ...step, index, end: step.commands.split('\n').at(-1)! }));
  it.each(cases)(
    '$heading: … $end',
    async ({ index, heading, shows }) => {
      let output = outputs[index]!;
      if (shows === undefined) {
        const checkEffect = EFFECTS[heading];
        if (checkEffect === undefined) throw new Error(`nothing here checks what this prints:\n${output}`);
        await checkEffect(output);
      } else if (SHOWN_SOON.includes(heading)) {
        const again = steps.slice(0, index + 1).map(({ commands }) => commands);
        await eventually(async () => {
          if (isShown(output, shows)) return true;
          output = (await paste(again)).at(-1)!;
          return isShown(output, shows);
        }, SHOWN_WITHIN_MS).catch(() => checkShown(output, shows));
      } else {
        checkShown(output, shows);
      }
    },
    SHOWN_WITHIN_MS + PASTE_MS,
  );

  it('the development certificate can be verified instead of accepted blindly', async () => {
    const verifying = steps.slice(0, 2).map(({ commands }) => {
      expect(commands).toContain('curl -sk ');
      return commands.replaceAll('curl -sk ', 'curl -s --cacert certs/cert.pem ');
    });
    const [, written] = await paste(verifying);
    checkShown(written!, steps[1]!.shows!);
  });

  it(
    'a client that is added can log in within a second; once revoked, within a second nothing of it is good',
    async () => {
      const [added] = await paste(['npm run -s client -- add guest --scope read']);
      const api_key = /^rck_\S+$/m.exec(added!)?.[0];
      const token = await eventually(async () => {
        // A good login in between, or too many early ones would make this address wait.
        await login();
        return (await post('/login', { api_key }).expect(200)).body.access_token as string;
      }, TAKEN_UP_MS);
      const read = (): request.Test => post('/cache', { command: 'READ', key: 'k' }, token);
      await read().expect(200);

      await paste(['npm run -s client -- revoke guest']);
      await Promise.all([
        eventually(() => read().expect(401), TAKEN_UP_MS),
        eventually(() => post('/login', { api_key }).expect(401), TAKEN_UP_MS),
      ]);
    },
    2 * PASTE_MS,
  );
});

it(
  'the Redis-protocol door speaks TLS with the certificate that npm start makes',
  async () => {
    await clone.start({ RESP_PORT: String(respPort), RESP_TLS: 'true' }).ready(START_MS);
    const [reply] = await paste(['redis-cli -p 6380 --tls --cacert certs/cert.pem PING']);
    expect(reply).toBe('PONG\n');
    await clone.stop();
  },
  START_MS + PASTE_MS,
);

describe('with encryption keys', () => {
  afterEach(() => clone.stop());

  it(
    'npm run rewrap leaves no record under the old key, so that it can be dropped',
    async () => {
      const shard = await startShard({ name: 'main', replicas: 1 });
      const keys = await paste(['openssl rand -base64 32', 'openssl rand -base64 32']);
      const [oldKey, newKey] = [`old:${keys[0]!.trim()}`, `new:${keys[1]!.trim()}`];
      const settings = (...encryptionKeys: string[]): CloneSettings => ({
        REDIS_NODES: shard.setting,
        ENCRYPTION_KEYS: encryptionKeys.join(','),
      });
      const values = ['a', 'b', 'c'].map((key) => ({ key, value: `value of ${key}` }));

      await clone.start(settings(oldKey)).ready(START_MS);
      const writes = values.map((entry) => ({ command: 'WRITE', ...entry }));
      await post('/cache', writes, await login()).expect(200);
      await clone.stop();

      await clone.start(settings(newKey, oldKey)).ready(START_MS);
      const [report] = await paste(['npm run rewrap'], settings(newKey, oldKey));
      expect(report).toMatch(/^re-encrypted under new: 3$/m);
      expect(report).toMatch(/^under new \(the first key\): 3$/m);
      expect(report).toMatch(/^under old \(not the first key\): 0$/m);
      await clone.stop();

      await clone.start(settings(newKey)).ready(START_MS);
      const reads = values.map(({ key }) => ({ command: 'READ', key }));
      const { body } = await post('/cache', reads, await login()).expect(200);
      expect(body).toEqual(values.map(({ value }) => ({ command: 'READ', status: 'SUCCESS', value })));
      await shard.stop();
    },
    3 * START_MS + PASTE_MS,
  );
});

it(
  'npm run bench measures a row and writes down what it has found',
  async () => {
    // It ends with 1 when a goal is missed, which a busy machine may do: the figures are not judged here.
    const [report] = await paste(['npm run bench -- --row P8 --rounds 1 || true']);
    expect(report).toMatch(/^\| P8 +\| ring engine, 1 \+ 3 Redis +\| [\d.]+ s /m);
    const [, file] = /^Written: (\S+)\.json, \.md, \.svg$/m.exec(report!)!;
    expect(report).toContain(await readFile(path.join(clone.folder, `${file!}.md`), 'utf8'));
  },
  PASTE_MS,
);
