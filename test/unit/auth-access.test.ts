import { createHash } from 'node:crypto';
import { writeFile, readFile, rm } from 'node:fs/promises';
import { openAccess, type Access, type AccessOptions } from '../../src/auth/access';
import { LEEWAY_SECONDS } from '../../src/auth/tokens';
import type { ClientsFile } from '../../src/auth/clients-file';
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
  textsOf,
  type Folder,
} from './auth-support';

const SETTING_KEY = 'the-key-of-the-setting-API_KEY';
const TTL_SECONDS = 900;
/** How long a change of the clients file may take to hold. */
const CHANGE_MS = 1000;

let folder: Folder;
let clock: ReturnType<typeof createFakeClock>;
let log: ReturnType<typeof createRecordingLog>;
const opened: Access[] = [];

beforeEach(async () => {
  folder = await openFolder();
  clock = createFakeClock();
  log = createRecordingLog();
});

afterEach(async () => {
  for (const access of opened.splice(0)) access.close();
  await folder.remove();
});

async function open(changes: Partial<AccessOptions> = {}): Promise<Access> {
  const access = await openAccess({
    tokens: { secret: SECRET, previousSecret: undefined, ttlSeconds: TTL_SECONDS },
    apiKey: SETTING_KEY,
    clientsFile: folder.clientsFile,
    clock,
    log,
    ...changes,
  });
  opened.push(access);
  return access;
}

const add = (...args: string[]) => addClient(folder.clientsFile, args, () => clock.wallMs());
const command = (...args: string[]) => runClient(folder.clientsFile, args, () => clock.wallMs());
const tokenOf = (access: Access, apiKey: string) => access.login(apiKey, '127.0.0.1').accessToken;
const jtiOf = (token: string) => (JSON.parse(textsOf(token).payload) as { jti: string }).jti;
const isRefused = (access: Access, token: string) => {
  try {
    access.verify(token);
    return false;
  } catch {
    return true;
  }
};

/** Each try comes from another address, or the throttle would end them. */
async function untilKnown(access: Access, apiKey: string): Promise<void> {
  let tries = 0;
  await eventually(() => access.login(apiKey, `10.9.9.${tries++}`).scope !== '', CHANGE_MS);
}

async function editFile(change: (file: ClientsFile) => unknown): Promise<void> {
  const file = JSON.parse(await readFile(folder.clientsFile, 'utf8')) as ClientsFile;
  await writeFile(folder.clientsFile, JSON.stringify(change(file)));
}

describe('login', () => {
  it('gives the client of API_KEY a token with all rights on every key', async () => {
    const access = await open();
    const login = access.login(SETTING_KEY, '127.0.0.1');
    expect(login).toMatchObject({ expiresInSeconds: TTL_SECONDS, scope: 'read write delete admin' });
    const { id, name, grants } = access.verify(login.accessToken);
    expect({ name, scopes: grants.scopes }).toEqual({
      name: 'api-key',
      scopes: ['read', 'write', 'delete', 'admin'],
    });
    expect(id).toMatch(/^api-key-[0-9a-f]{8}$/);
    expect(grants.covers(keyFromText('any key'))).toBe(true);
  });

  it('gives a named client the rights of its entry and no others', async () => {
    const apiKey = await add('billing', '--scope', 'read,write', '--prefix', 'bill:', '--prefix', 'straße:');
    const access = await open();
    const login = access.login(apiKey, '127.0.0.1');
    expect(login.scope).toBe('read write');
    const { name, grants } = access.verify(login.accessToken);
    expect({ name, scopes: grants.scopes }).toEqual({ name: 'billing', scopes: ['read', 'write'] });
    expect(grants.covers(keyFromText('bill:1'))).toBe(true);
    expect(grants.covers(keyFromText('straße:1'))).toBe(true);
    expect(grants.covers(keyFromText('bil'))).toBe(false);
    expect(grants.covers(keyFromText('other'))).toBe(false);
  });

  it('refuses every wrong key in one shape', async () => {
    const apiKey = await add('billing');
    const other = await addClient(`${folder.clientsFile}.other`, ['billing']);
    const wrong = [
      '',
      'x',
      SETTING_KEY.slice(0, -1),
      `${SETTING_KEY} `,
      SETTING_KEY.toUpperCase(),
      'x'.repeat(100_000),
      apiKey.slice(0, -1),
      `${apiKey}0`,
      apiKey.slice(0, -1) + (apiKey.endsWith('0') ? '1' : '0'),
      ` ${apiKey}`,
      apiKey.toUpperCase(),
      apiKey.replace('rck_', 'rck-'),
      other,
    ];
    const access = await open();
    for (const [index, key] of wrong.entries()) {
      const { code, message } = failureOf(() => access.login(key, `10.0.0.${index}`));
      expect({ key, code, message }).toEqual({
        key,
        code: 'unauthenticated',
        message: 'The API key is not valid.',
      });
    }
  });

  it('refuses the empty key when API_KEY is not set', async () => {
    const access = await open({ apiKey: undefined });
    expect(failureOf(() => access.login('', '127.0.0.1')).code).toBe('unauthenticated');
    expect(failureOf(() => access.login(SETTING_KEY, '127.0.0.1')).code).toBe('unauthenticated');
  });

  it('refuses the id of one client with the secret of another', async () => {
    const [first = [], second = []] = [await add('first'), await add('second')].map((key) => key.split('_'));
    const access = await open();
    const mixed = withChecksum(`rck_${first[1] ?? ''}_${second[2] ?? ''}`);
    expect(failureOf(() => access.login(mixed, '127.0.0.1')).code).toBe('unauthenticated');
  });

  it('says 429 with a time to wait after repeated failures from one address, to API_KEY and wrong keys', async () => {
    const access = await open();
    const codes = Array.from({ length: 7 }, () => failureOf(() => access.login('wrong', '10.0.0.1')).code);
    expect(codes).toEqual([...Array<string>(6).fill('unauthenticated'), 'throttled']);
    expect(failureOf(() => access.login(SETTING_KEY, '10.0.0.1'))).toMatchObject({
      code: 'throttled',
      retryAfterSeconds: 1,
    });
    clock.advance(1000);
    expect(access.login(SETTING_KEY, '10.0.0.1').scope).toContain('read');
  });

  it('lets the right key of a named client in whatever its address has failed at', async () => {
    const apiKey = await add('billing');
    const access = await open();
    for (let n = 0; n < 7; n += 1) failureOf(() => access.login('wrong', '10.0.0.1'));
    expect(access.login(apiKey, '10.0.0.1').client).toBe('billing');
    expect(failureOf(() => access.login(wrongSecretOf(apiKey), '10.0.0.1')).code).toBe('throttled');
  });

  it('with API_KEY takes the failures of its address back', async () => {
    const access = await open();
    for (let round = 0; round < 3; round += 1) {
      for (let n = 0; n < 5; n += 1) failureOf(() => access.login('wrong', '10.0.0.1'));
      expect(access.login(SETTING_KEY, '10.0.0.1').client).toBe('api-key');
    }
  });

  it('with a key of one’s own in between does not make guesses at API_KEY free', async () => {
    const apiKey = await add('billing');
    const access = await open();
    const codes = Array.from({ length: 7 }, () => {
      access.login(apiKey, '10.0.0.1');
      return failureOf(() => access.login('a-guess-at-the-setting-API_KEY', '10.0.0.1')).code;
    });
    expect(codes).toEqual([...Array<string>(6).fill('unauthenticated'), 'throttled']);
  });

  it('lets the right key in from another address while somebody guesses', async () => {
    const apiKey = await add('billing');
    const wrong = wrongSecretOf(apiKey);
    const access = await open();
    const codes = Array.from(
      { length: 8 },
      (_, n) => failureOf(() => access.login(wrong, `10.0.0.${n}`)).code,
    );
    expect(codes).toEqual([...Array<string>(6).fill('unauthenticated'), 'throttled', 'throttled']);
    expect(access.login(apiKey, '10.0.1.1').scope).toBe('read write delete');
    expect(access.login(SETTING_KEY, '10.0.1.1').scope).toContain('admin');
  });
});

describe('a token', () => {
  it('ends for everybody at the same instant, remembered or not', async () => {
    const [one, two] = [await open(), await open()];
    const token = tokenOf(one, SETTING_KEY);
    one.verify(token);
    clock.advance((TTL_SECONDS + LEEWAY_SECONDS) * 1000 - 1);
    expect([isRefused(one, token), isRefused(two, token)]).toEqual([false, false]);
    clock.advance(1);
    expect([isRefused(one, token), isRefused(two, token)]).toEqual([true, true]);
  });

  it('that was verified is remembered, and one that was refused is not', async () => {
    const access = await open();
    const token = tokenOf(access, SETTING_KEY);
    expect(access.verify(token)).toBe(access.verify(token));
    expect(failureOf(() => access.verify(`${token}x`))).not.toBe(failureOf(() => access.verify(`${token}x`)));
  });

  it('has the rights that it was issued with and its client still has', async () => {
    const apiKey = await add('billing', '--scope', 'read,write');
    const access = await open();
    const token = tokenOf(access, apiKey);
    expect(access.verify(token).grants.scopes).toEqual(['read', 'write']);
    await editFile((file) => ({
      ...file,
      clients: file.clients.map((client) => ({ ...client, scopes: ['write', 'admin'], prefixes: ['b:'] })),
    }));
    await eventually(() => access.verify(token).grants.scopes.length === 1, CHANGE_MS);
    const { grants } = access.verify(token);
    expect(grants.scopes).toEqual(['write']);
    expect(grants.covers(keyFromText('a'))).toBe(false);
  });

  it('is refused within a second after its client was revoked, remembered or not', async () => {
    const apiKey = await add('billing');
    const access = await open();
    const [used, unused] = [tokenOf(access, apiKey), tokenOf(access, apiKey)];
    access.verify(used);
    expect((await command('revoke', 'billing')).exitCode).toBe(0);
    await eventually(() => isRefused(access, used), CHANGE_MS);
    expect(isRefused(access, unused)).toBe(true);
    expect(failureOf(() => access.verify(used)).cause).toBe('token: unknown or expired client');
    expect(failureOf(() => access.login(apiKey, '127.0.0.1')).code).toBe('unauthenticated');
  });

  it.each(['the token', 'its id'])(
    'is refused within a second after %s was revoked, and no other',
    async (by) => {
      const access = await open();
      const [revoked, other] = [tokenOf(access, SETTING_KEY), tokenOf(access, SETTING_KEY)];
      access.verify(revoked);
      access.verify(other);
      const { exitCode } = await command('revoke-token', by === 'the token' ? revoked : jtiOf(revoked));
      expect(exitCode).toBe(0);
      await eventually(() => isRefused(access, revoked), CHANGE_MS);
      expect(isRefused(access, other)).toBe(false);
    },
  );

  it('that was revoked stays dead when the clients file is deleted or replaced', async () => {
    const access = await open();
    const token = tokenOf(access, SETTING_KEY);
    await command('revoke-token', token);
    await eventually(() => isRefused(access, token), CHANGE_MS);
    await rm(folder.clientsFile);
    await eventually(() => log.lines.filter((line) => line.level === 'info').length === 3, CHANGE_MS);
    expect(isRefused(access, token)).toBe(true);
    const apiKey = await add('billing');
    await untilKnown(access, apiKey);
    expect(isRefused(access, token)).toBe(true);
  });

  it('does not come alive again when the name of its revoked client is given out anew', async () => {
    const apiKey = await add('billing');
    const access = await open();
    const token = tokenOf(access, apiKey);
    await command('revoke', 'billing');
    const newKey = await add('billing');
    await untilKnown(access, newKey);
    expect(isRefused(access, token)).toBe(true);
  });

  it('ends with its client, remembered or not, and so does the key', async () => {
    const apiKey = await add('billing', '--expires', '1');
    const access = await open();
    clock.advance(24 * 3600 * 1000 - 1000);
    const [used, unused] = [tokenOf(access, apiKey), tokenOf(access, apiKey)];
    access.verify(used);
    clock.advance(999);
    expect([isRefused(access, used), isRefused(access, unused)]).toEqual([false, false]);
    clock.advance(1);
    expect([isRefused(access, used), isRefused(access, unused)]).toEqual([true, true]);
    expect(failureOf(() => access.login(apiKey, '127.0.0.1')).code).toBe('unauthenticated');
  });

  it('of an old API_KEY is refused under a new one', async () => {
    const token = tokenOf(await open(), SETTING_KEY);
    expect(isRefused(await open({ apiKey: 'another-key-of-the-setting' }), token)).toBe(true);
    expect(isRefused(await open({ apiKey: undefined }), token)).toBe(true);
    expect(isRefused(await open(), token)).toBe(false);
  });

  it('outlives a change of the secret, of named clients and of API_KEY alike', async () => {
    const apiKey = await add('billing');
    const before = await open();
    const issued = [tokenOf(before, apiKey), tokenOf(before, SETTING_KEY)];
    const after = await open({
      tokens: { secret: OTHER_SECRET, previousSecret: SECRET, ttlSeconds: TTL_SECONDS },
    });
    expect(issued.map((token) => after.verify(token).name)).toEqual(['billing', 'api-key']);
    expect(after.verify(tokenOf(after, SETTING_KEY)).id).toBe(after.verify(issued[1] ?? '').id);
    expect(after.login(apiKey, '127.0.0.1').scope).toBe('read write delete');
  });

  it('is verified by more distinct tokens than are remembered', async () => {
    const access = await open({ clientsFile: `${folder.clientsFile}.none` });
    const first = tokenOf(access, SETTING_KEY);
    const principal = access.verify(first);
    for (let n = 0; n < 10_000; n += 1) access.verify(tokenOf(access, SETTING_KEY));
    expect(access.verify(first)).not.toBe(principal);
    expect(access.verify(first)).toEqual(principal);
  });
});

describe('the log', () => {
  it('can tell why a login was refused and whose key was tried, and hears no part of the key', async () => {
    const apiKey = await add('billing');
    const soonExpired = await add('guest', '--expires', '1');
    const [, id = '', secret = ''] = apiKey.split('_');
    const access = await open();
    clock.advance(24 * 3600 * 1000);
    const unknown = withChecksum(`rck_${'0'.repeat(16)}_${secret}`);
    const causeOf = (key: string) => failureOf(() => access.login(key, '10.0.0.1')).cause;
    const causes = ['x', apiKey.slice(0, -1), unknown, soonExpired, wrongSecretOf(apiKey), 'x'].map(causeOf);
    expect(causes).toEqual([
      'unknown key',
      'unknown key',
      `unknown client, client id ${'0'.repeat(16)}`,
      `expired client, client id ${soonExpired.split('_')[1] ?? ''}`,
      `wrong secret, client id ${id}`,
      'unknown key',
    ]);
    expect([causeOf('x'), causeOf(wrongSecretOf(apiKey))]).toEqual([
      'address has to wait',
      `address has to wait, client id ${id}`,
    ]);
    expect(JSON.stringify(causes)).not.toContain(secret.slice(0, 8));
  });

  it('never holds a key, a token, a hash or a secret', async () => {
    const apiKey = await add('billing');
    const access = await open();
    const token = tokenOf(access, apiKey);
    access.verify(token);
    const causes = [
      failureOf(() => access.verify(`${token}x`)).cause,
      failureOf(() => access.verify(token.replace('.', '.x'))).cause,
      failureOf(() => access.login(`${apiKey}x`, '127.0.0.1')).cause,
    ];
    const { hash_key: hashKey, clients } = JSON.parse(
      await readFile(folder.clientsFile, 'utf8'),
    ) as ClientsFile;
    const text = await readFile(folder.clientsFile, 'utf8');
    await writeFile(folder.clientsFile, text.replace(`"${hashKey}`, `x${hashKey}`));
    await eventually(() => log.lines.some((line) => line.level === 'error'), CHANGE_MS);
    await writeFile(folder.clientsFile, text.replace(hashKey, `${hashKey}!`));
    await eventually(() => log.lines.filter((line) => line.level === 'error').length === 2, CHANGE_MS);
    const logged = JSON.stringify([log.lines, causes]);
    expect(logged).toContain('clients file');
    const [, , secret = apiKey] = apiKey.split('_');
    const canaries = [
      apiKey,
      secret,
      ...token.split('.'),
      SECRET,
      SETTING_KEY,
      hashKey,
      clients[0]?.hash ?? text,
    ];
    for (const canary of canaries) for (const part of piecesOf(canary)) expect(logged).not.toContain(part);
  });
});

/** The id of that key, in the right form, with another secret. */
function wrongSecretOf(apiKey: string): string {
  return withChecksum(`rck_${apiKey.split('_')[1] ?? ''}_${'0'.repeat(64)}`);
}

/** A key that only its secret can be wrong with. */
function withChecksum(body: string): string {
  return `${body}_${createHash('sha256').update(body).digest('hex').slice(0, 8)}`;
}

/** A leak is often cut short: every stretch of eight characters counts. */
function piecesOf(canary: string): string[] {
  return Array.from({ length: canary.length - 7 }, (_, start) => canary.slice(start, start + 8));
}
