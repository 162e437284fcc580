import { writeFileSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseApiKey } from '../../src/auth/api-key';
import { parseClientsFile, type ClientsFile } from '../../src/auth/clients-file';
import { updateClientsFile } from '../../src/auth/update-clients-file';
import { addClient, openFolder, runClient, signRaw, type Folder } from './auth-support';

const DAY_MS = 24 * 3600 * 1000;
const JTI = '123e4567-e89b-12d3-a456-426614174000';

let folder: Folder;
beforeEach(async () => {
  folder = await openFolder();
});
afterEach(() => folder.remove());

const run = (...args: string[]) => runClient(folder.clientsFile, args);
const read = async (): Promise<ClientsFile> => parseClientsFile(await readFile(folder.clientsFile));
const names = async () => (await read()).clients.map((client) => client.name);

describe('client add', () => {
  it('prints the key once and stores only its keyed hash, for no other user to read', async () => {
    const { exitCode, lines } = await run('add', 'billing');
    expect(exitCode).toBe(0);
    expect(lines[0]).toContain('will not be shown again');
    const key = parseApiKey(lines.at(-1) ?? '');
    expect(key?.secret).toMatch(/^[0-9a-f]{64}$/);
    const text = await readFile(folder.clientsFile, 'utf8');
    expect(text).not.toContain(key?.secret);
    expect((await read()).clients).toMatchObject([
      {
        id: key?.clientId,
        name: 'billing',
        scopes: ['read', 'write', 'delete'],
        prefixes: [],
        expires: null,
      },
    ]);
    expect((await stat(folder.clientsFile)).mode & 0o777).toBe(0o600);
  });

  it('takes scopes, prefixes and an expiry', async () => {
    const nowMs = Date.UTC(2030, 0, 1);
    const args = ['--scope', 'admin,read', '--prefix', 'a:', '--prefix', 'ü b', '--expires', '30'];
    const { exitCode } = await runClient(folder.clientsFile, ['add', 'billing', ...args], () => nowMs);
    expect(exitCode).toBe(0);
    expect((await read()).clients).toMatchObject([
      {
        scopes: ['read', 'admin'],
        prefixes: ['a:', 'ü b'],
        created: '2030-01-01T00:00:00.000Z',
        expires: new Date(nowMs + 30 * DAY_MS).toISOString(),
      },
    ]);
  });

  it('refuses a name that is taken, and gives it out again once that client has expired or is revoked', async () => {
    await run('add', 'billing', '--expires', '1');
    const taken = await run('add', 'billing');
    expect([taken.exitCode, taken.lines, taken.errors[0]]).toEqual([
      1,
      [],
      expect.stringContaining('already'),
    ]);
    const later = await runClient(folder.clientsFile, ['add', 'billing'], () => Date.now() + 2 * DAY_MS);
    expect(later.exitCode).toBe(0);
    expect(await names()).toEqual(['billing']);
    const { id } = (await read()).clients[0] ?? {};
    await run('revoke', 'billing');
    expect((await run('add', 'billing')).exitCode).toBe(0);
    expect((await read()).clients[0]?.id).not.toBe(id);
  });

  it('leaves nothing but the clients file behind', async () => {
    await run('add', 'billing');
    await run('add', 'billing');
    expect(await readdir(dirname(folder.clientsFile))).toEqual(['clients.json']);
  });

  it('does not touch a file that it cannot understand', async () => {
    await writeFile(folder.clientsFile, '{"clients":[]}');
    const { exitCode, errors } = await run('add', 'billing');
    expect([exitCode, errors[0]]).toEqual([1, expect.stringContaining('the field version')]);
    expect(await readFile(folder.clientsFile, 'utf8')).toBe('{"clients":[]}');
  });
});

describe('client list', () => {
  it('shows every client and no hash', async () => {
    await run('add', 'billing', '--prefix', 'b:\u001b[2J');
    await run('add', 'ops', '--scope', 'admin', '--expires', '1');
    const { exitCode, lines } = await runClient(folder.clientsFile, ['list'], () => Date.now() + 2 * DAY_MS);
    expect(exitCode).toBe(0);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^NAME +ID +SCOPES +PREFIXES +CREATED +EXPIRES$/);
    expect(lines[1]).toMatch(/^billing +[0-9a-f]{16} +read,write,delete +"b:\\u001b\[2J" +\S+ +never$/);
    expect(lines[2]).toMatch(/^ops +[0-9a-f]{16} +admin +every key +\S+ +\S+ \(expired\)$/);
    const { hash_key: hashKey, clients } = await read();
    for (const secret of [hashKey, ...clients.map((client) => client.hash)]) {
      expect(lines.join('\n')).not.toContain(secret);
    }
  });

  it('says so when there is nobody', async () => {
    expect(await run('list')).toMatchObject({ exitCode: 0, lines: [expect.stringContaining('no clients')] });
  });
});

describe('client revoke', () => {
  it('takes away that client and no other', async () => {
    await run('add', 'billing');
    await run('add', 'ops');
    expect((await run('revoke', 'billing')).exitCode).toBe(0);
    expect(await names()).toEqual(['ops']);
  });

  it('fails for a name that nobody has', async () => {
    expect(await run('revoke', 'billing')).toMatchObject({
      exitCode: 1,
      errors: ['There is no client billing.'],
    });
  });
});

describe('client revoke-token', () => {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const token = signRaw('{"alg":"HS256","typ":"JWT"}', JSON.stringify({ jti: JTI, exp }));

  it('writes a token down until it expires by itself', async () => {
    expect((await run('revoke-token', token)).exitCode).toBe(0);
    expect((await read()).revoked_tokens).toEqual([{ jti: JTI, exp }]);
    await runClient(folder.clientsFile, ['add', 'x'], () => (exp + 5) * 1000);
    expect((await read()).revoked_tokens).toEqual([{ jti: JTI, exp }]);
    await runClient(folder.clientsFile, ['add', 'y'], () => (exp + 6) * 1000);
    expect((await read()).revoked_tokens).toEqual([]);
  });

  it('writes a bare id down for as long as any token can live', async () => {
    await run('revoke-token', token);
    await run('revoke-token', JTI);
    const [entry, ...others] = (await read()).revoked_tokens;
    expect(others).toEqual([]);
    expect(entry?.exp).toBeGreaterThan(Date.now() / 1000 + 30 * 24 * 3600);
  });

  it.each([
    ['a name', 'billing'],
    ['a token without an id', signRaw('{"alg":"HS256","typ":"JWT"}', JSON.stringify({ exp }))],
    ['a token without an end', signRaw('{"alg":"HS256","typ":"JWT"}', JSON.stringify({ jti: JTI }))],
    ['a token that is no JSON', signRaw('{"alg":"HS256","typ":"JWT"}', '{')],
  ])('refuses %s', async (_, word) => {
    expect((await run('revoke-token', word)).exitCode).toBe(2);
  });
});

describe('words that make no sense', () => {
  it.each([
    [[]],
    [['remove', 'billing']],
    [['add']],
    [['add', '']],
    [['add', 'a b']],
    [['add', 'x'.repeat(65)]],
    [['add', '../x']],
    [['add', 'api-key']],
    [['add', 'a', 'b']],
    [['add', 'a', '--scope', 'read,root']],
    [['add', 'a', '--scope', '']],
    [['add', 'a', '--scope']],
    [['add', 'a', '--prefix', '']],
    [['add', 'a', '--expires', '0']],
    [['add', 'a', '--expires', '-1']],
    [['add', 'a', '--expires', '1.5']],
    [['add', 'a', '--expires', '1e9']],
    [['add', 'a', '--expires', '36501']],
    [['add', 'a', '--admin']],
    [['list', 'a']],
    [['list', '--scope', 'read']],
    [['revoke']],
    [['revoke', 'a', '--prefix', 'b']],
    [['revoke-token']],
  ])('%j: usage, exit code 2, nothing done', async (args) => {
    const { exitCode, lines, errors } = await run(...args);
    expect([exitCode, lines]).toEqual([2, []]);
    expect(errors.at(-1)).toMatch(/^usage: /);
    expect(await readdir(dirname(folder.clientsFile))).toEqual([]);
  });
});

describe('calls at the same time', () => {
  it('lose none of their changes', async () => {
    const wanted = Array.from({ length: 12 }, (_, n) => `client-${n}`);
    const results = await Promise.all(wanted.map((name) => run('add', name)));
    expect(results.map((result) => result.exitCode)).toEqual(wanted.map(() => 0));
    expect([...(await names())].sort()).toEqual([...wanted].sort());
  });

  it('wait for the one that holds the lock', async () => {
    await run('add', 'earlier');
    const { clients, ...rest } = await read();
    const lock = `${folder.clientsFile}.lock`;
    await writeFile(lock, 'the holder');
    const waiting = run('add', 'later');
    // Time in which a call that does not mind the lock is done.
    for (let n = 0; n < 5; n += 1) await addClient(`${folder.clientsFile}.other`, [`other-${n}`]);
    const holders = clients.map((client) => ({ ...client, name: 'holder' }));
    await writeFile(folder.clientsFile, JSON.stringify({ ...rest, clients: holders }));
    await rm(lock);
    expect((await waiting).exitCode).toBe(0);
    expect(await names()).toEqual(['holder', 'later']);
  });

  it('break a lock that a dead process left', async () => {
    const lock = `${folder.clientsFile}.lock`;
    await writeFile(lock, 'dead');
    await utimes(lock, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
    expect((await run('add', 'billing')).exitCode).toBe(0);
    expect(await readdir(dirname(folder.clientsFile))).toEqual(['clients.json']);
  });

  it('lose nothing without saying so when they break the same lock', async () => {
    const lock = `${folder.clientsFile}.lock`;
    await writeFile(lock, 'dead');
    await utimes(lock, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
    const wanted = Array.from({ length: 8 }, (_, n) => `client-${n}`);
    const results = await Promise.all(wanted.map((name) => run('add', name)));
    const done = wanted.filter((_, n) => results[n]?.exitCode === 0);
    expect(await names()).toEqual(expect.arrayContaining(done));
  });

  it('give up rather than write after their lock was broken', async () => {
    await run('add', 'billing');
    const before = await readFile(folder.clientsFile, 'utf8');
    const lock = `${folder.clientsFile}.lock`;
    const update = updateClientsFile(folder.clientsFile, Date.now, (file) => {
      writeFileSync(lock, 'another');
      return { ...file, clients: [] };
    });
    await expect(update).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(folder.clientsFile, 'utf8')).toBe(before);
    expect(await readFile(lock, 'utf8')).toBe('another');
    expect(await readdir(dirname(folder.clientsFile))).toHaveLength(2);
  });
});
