/** `admit`: what a connection shows once, and what it may do from then on. */
import { readFile, writeFile } from 'node:fs/promises';
import { openAccess, type Access, type AccessOptions, type Credential } from '../../src/auth/access';
import { keyFromText } from '../../src/core/key';
import { eventually } from '../support/eventually';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import {
  addClient,
  failureOf,
  openFolder,
  OTHER_SECRET,
  runClient,
  SECRET,
  type Folder,
} from './auth-support';

const SETTING_KEY = 'the-key-of-the-setting-API_KEY';
const DAY_SECONDS = 24 * 3600;
const TOKENS = { secret: SECRET, previousSecret: undefined, ttlSeconds: 900 };
/** How long a change of the clients file may take to hold. */
const CHANGE_MS = 1000;

let folder: Folder;
let clock: ReturnType<typeof createFakeClock>;
const opened: Access[] = [];

beforeEach(async () => {
  folder = await openFolder();
  clock = createFakeClock();
});

afterEach(async () => {
  for (const access of opened.splice(0)) access.close();
  await folder.remove();
});

async function open(changes: Partial<AccessOptions> = {}): Promise<Access> {
  const access = await openAccess({
    tokens: TOKENS,
    apiKey: SETTING_KEY,
    clientsFile: folder.clientsFile,
    clock,
    log: createRecordingLog(),
    ...changes,
  });
  opened.push(access);
  return access;
}

const add = (...args: string[]) => addClient(folder.clientsFile, args, () => clock.wallMs());
const command = (...args: string[]) => runClient(folder.clientsFile, args, () => clock.wallMs());
const codeOf = (act: () => unknown) => failureOf(act).code;
const isGood = (credential: Credential) => {
  try {
    credential.principal();
    return true;
  } catch {
    return false;
  }
};

describe.each([
  ['an API key', (_access: Access, apiKey: string) => apiKey],
  ['a token', (access: Access, apiKey: string) => access.login(apiKey, '10.9.9.9').accessToken],
])('with %s', (_name, secretOf) => {
  it('lets in whoever holds it, with the rights of the client and no others', async () => {
    const apiKey = await add('billing', '--scope', 'read,write', '--prefix', 'bill:');
    const access = await open();
    const { name, grants } = access.admit(secretOf(access, apiKey), '127.0.0.1').principal();
    expect({ name, scopes: grants.scopes }).toEqual({ name: 'billing', scopes: ['read', 'write'] });
    expect(grants.covers(keyFromText('bill:1'))).toBe(true);
    expect(grants.covers(keyFromText('other'))).toBe(false);
  });

  it('lets in the client of API_KEY with all rights', async () => {
    const access = await open();
    const { name, grants } = access.admit(secretOf(access, SETTING_KEY), '127.0.0.1').principal();
    expect({ name, scopes: grants.scopes }).toEqual({
      name: 'api-key',
      scopes: ['read', 'write', 'delete', 'admin'],
    });
  });

  it('asks for the right name where one is given; `default` is any', async () => {
    const apiKey = await add('billing');
    await add('other');
    const access = await open();
    const secret = secretOf(access, apiKey);
    for (const name of ['billing', 'default', undefined]) {
      expect(access.admit(secret, '127.0.0.1', name).principal().name).toBe('billing');
    }
    for (const [n, name] of ['other', 'Billing', '', 'nobody', 'default '].entries()) {
      expect(codeOf(() => access.admit(secret, `10.0.0.${n}`, name))).toBe('unauthenticated');
    }
  });

  it('gives nobody anything any more within a second of the client’s revocation', async () => {
    const apiKey = await add('billing');
    const access = await open();
    const credential = access.admit(secretOf(access, apiKey), '127.0.0.1');
    const other = access.admit(secretOf(access, SETTING_KEY), '127.0.0.1');
    expect((await command('revoke', 'billing')).exitCode).toBe(0);
    await eventually(() => !isGood(credential), CHANGE_MS);
    expect(codeOf(() => credential.principal())).toBe('unauthenticated');
    expect(isGood(other)).toBe(true);
  });

  it('ends with the client', async () => {
    const apiKey = await add('billing', '--expires', '1');
    const access = await open({ tokens: { ...TOKENS, ttlSeconds: 2 * DAY_SECONDS } });
    const credential = access.admit(secretOf(access, apiKey), '127.0.0.1');
    const lifeMs = credential.expiresAtMs - clock.wallMs();
    expect(lifeMs).toBe(DAY_SECONDS * 1000);
    clock.advance(lifeMs - 1);
    expect(isGood(credential)).toBe(true);
    clock.advance(1);
    expect(codeOf(() => credential.principal())).toBe('unauthenticated');
    expect(codeOf(() => access.admit(apiKey, '127.0.0.1'))).toBe('unauthenticated');
  });
});

it('an end that the client was given later is the end of what its key had opened', async () => {
  const apiKey = await add('billing');
  const access = await open();
  const credential = access.admit(apiKey, '127.0.0.1');
  const endMs = clock.wallMs() + DAY_SECONDS * 1000;
  const file = JSON.parse(await readFile(folder.clientsFile, 'utf8')) as { clients: object[] };
  const clients = file.clients.map((client) => ({ ...client, expires: new Date(endMs).toISOString() }));
  await writeFile(folder.clientsFile, JSON.stringify({ ...file, clients }));
  await eventually(() => isGood(credential) && credential.expiresAtMs === endMs, CHANGE_MS);
  clock.advance(DAY_SECONDS * 1000 - 1);
  expect(isGood(credential)).toBe(true);
  clock.advance(1);
  expect(isGood(credential)).toBe(false);
});

it('a client that was made anew with another key: the old one opens nothing, and what it had opened has ended', async () => {
  const apiKey = await add('billing');
  const access = await open();
  const credential = access.admit(apiKey, '127.0.0.1');
  await command('revoke', 'billing');
  const next = await add('billing');
  await eventually(() => !isGood(credential), CHANGE_MS);
  expect(codeOf(() => access.admit(apiKey, '127.0.0.1'))).toBe('unauthenticated');
  expect(access.admit(next, '127.0.0.1').principal().name).toBe('billing');
});

it('while JWT_SECRET is being replaced, tokens of the one before are good', async () => {
  const token = (await open()).login(SETTING_KEY, '127.0.0.1').accessToken;
  const replaced = await open({ tokens: { ...TOKENS, secret: OTHER_SECRET, previousSecret: SECRET } });
  expect(replaced.admit(token, '127.0.0.1').principal().name).toBe('api-key');
});

it('a token that was revoked gives nobody anything within a second, and others stay', async () => {
  const access = await open();
  const tokens = [1, 2].map(() => access.login(SETTING_KEY, '127.0.0.1').accessToken);
  const [revoked, other] = tokens.map((token) => access.admit(token, '127.0.0.1'));
  expect((await command('revoke-token', tokens[0] ?? '')).exitCode).toBe(0);
  await eventually(() => !isGood(revoked!), CHANGE_MS);
  expect(isGood(other!)).toBe(true);
});

it('a key has no end of its own', async () => {
  const apiKey = await add('billing');
  const access = await open();
  expect(access.admit(apiKey, '127.0.0.1').expiresAtMs).toBe(Infinity);
  expect(access.admit(SETTING_KEY, '127.0.0.1').expiresAtMs).toBe(Infinity);
});

it('a token lets in for as long as it lives', async () => {
  const access = await open();
  const credential = access.admit(access.login(SETTING_KEY, '127.0.0.1').accessToken, '127.0.0.1');
  clock.advance(credential.expiresAtMs - clock.wallMs() - 1);
  expect(isGood(credential)).toBe(true);
  clock.advance(1);
  expect(codeOf(() => credential.principal())).toBe('unauthenticated');
});

it('a token of another secret, or with a changed signature, lets nobody in', async () => {
  const access = await open();
  const other = await open({ tokens: { secret: OTHER_SECRET, previousSecret: undefined, ttlSeconds: 60 } });
  const token = access.login(SETTING_KEY, '127.0.0.1').accessToken;
  expect(codeOf(() => other.admit(token, '127.0.0.1'))).toBe('unauthenticated');
  const changed = token.slice(0, -2) + (token.endsWith('AA') ? 'BB' : 'AA');
  expect(codeOf(() => access.admit(changed, '127.0.0.1'))).toBe('unauthenticated');
});

it('a token narrows nothing and widens nothing: a login’s rights and today’s are both needed', async () => {
  const apiKey = await add('billing', '--scope', 'read');
  const access = await open();
  const token = access.login(apiKey, '127.0.0.1').accessToken;
  expect(access.admit(token, '127.0.0.1').principal().grants.scopes).toEqual(['read']);
});

it('guesses are throttled by their address, together with those of login', async () => {
  const access = await open();
  const guess = () => codeOf(() => access.admit('a-guess', '10.0.0.1'));
  const login = () => codeOf(() => access.login('a-guess', '10.0.0.1'));
  expect([guess(), login(), guess(), login(), guess(), guess()]).toEqual(
    Array<string>(6).fill('unauthenticated'),
  );
  expect(failureOf(() => access.admit(SETTING_KEY, '10.0.0.1'))).toMatchObject({
    code: 'throttled',
    retryAfterSeconds: 1,
  });
  expect(codeOf(() => access.login(SETTING_KEY, '10.0.0.1'))).toBe('throttled');
  expect(access.admit(SETTING_KEY, '10.0.0.2').principal().name).toBe('api-key');
  clock.advance(1000);
  expect(access.admit(SETTING_KEY, '10.0.0.1').principal().name).toBe('api-key');
});

it('the right key under another name counts as a guess', async () => {
  const access = await open();
  for (let n = 0; n < 6; n += 1) {
    expect(codeOf(() => access.admit(SETTING_KEY, '10.0.0.1', 'somebody'))).toBe('unauthenticated');
  }
  expect(codeOf(() => access.admit(SETTING_KEY, '10.0.0.1'))).toBe('throttled');
});

it('the right key of a named client is never throttled', async () => {
  const apiKey = await add('billing');
  const access = await open();
  for (let n = 0; n < 8; n += 1) failureOf(() => access.admit('a-guess', '10.0.0.1'));
  expect(access.admit(apiKey, '10.0.0.1').principal().name).toBe('billing');
});

it.each([
  '',
  ' ',
  'x',
  'x'.repeat(100_000),
  'eyJ..',
  `eyJ${'x'.repeat(10_000)}.x.x`,
  '\0',
  'rck__',
  '__proto__',
])('nonsense lets nobody in (%#)', async (secret) => {
  const access = await open();
  expect(codeOf(() => access.admit(secret, '127.0.0.1'))).toBe('unauthenticated');
  expect(codeOf(() => access.admit(secret, '127.0.0.1', 'default'))).toBe('unauthenticated');
});
