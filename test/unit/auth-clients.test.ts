import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { openClients, type Clients } from '../../src/auth/clients';
import { createClientsFile, parseClientsFile } from '../../src/auth/clients-file';
import { eventually } from '../support/eventually';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import { addClient, failureOf, openFolder, type Folder } from './auth-support';

const client = {
  id: '0123456789abcdef',
  name: 'billing',
  hash: 'a'.repeat(64),
  scopes: ['read'],
  prefixes: ['b:'],
  created: '2030-01-01T00:00:00.000Z',
  expires: null,
};
const token = { jti: '123e4567-e89b-12d3-a456-426614174000', exp: 1_900_000_000 };
const file = { version: 1, hash_key: 'b'.repeat(64), clients: [client], revoked_tokens: [token] };
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const withClient = (changes: object) => ({ ...file, clients: [{ ...client, ...changes }] });

describe('a clients file', () => {
  it('is read as it was written', () => {
    expect(parseClientsFile(bytesOf(file))).toEqual(file);
    expect(parseClientsFile(bytesOf(createClientsFile()))).toMatchObject({ clients: [], revoked_tokens: [] });
  });

  const faulty: [string, unknown, string][] = [
    ['a list', [], 'the file must be an object'],
    ['null', null, 'the file must be an object'],
    ['of another version', { ...file, version: 2 }, 'version must be 1'],
    ['without a field', { ...file, hash_key: undefined }, 'the field hash_key'],
    ['with a field too many', { ...file, admins: [] }, 'no fields but version'],
    ['with a short hash key', { ...file, hash_key: 'b' }, 'hash_key must be 64 hex digits'],
    ['with clients by name', { ...file, clients: { billing: client } }, 'clients must be a list'],
    ['with a repeated id', { ...file, clients: [client, { ...client, name: 'x' }] }, 'without a repeated id'],
    [
      'with a repeated name',
      { ...file, clients: [client, { ...client, id: 'f'.repeat(16) }] },
      'without a repeated name',
    ],
    ['with a client null', { ...file, clients: [null] }, 'clients[0] must be an object'],
    [
      'with a misspelt right',
      withClient({ prefix: ['b:'] }),
      'clients[0] must be an object with no fields but',
    ],
    ['without prefixes', withClient({ prefixes: undefined }), 'the field prefixes'],
    ['with a bad id', withClient({ id: '__proto__' }), 'clients[0].id must be 16 hex digits'],
    ['with a bad name', withClient({ name: 'a b' }), 'clients[0].name must be'],
    ['with the name of API_KEY’s client', withClient({ name: 'api-key' }), 'clients[0].name must be'],
    ['with a bad hash', withClient({ hash: 'A'.repeat(64) }), 'clients[0].hash must be'],
    [
      'with an unknown scope',
      withClient({ scopes: ['read', 'root'] }),
      'clients[0].scopes[1] must be one of',
    ],
    ['with scopes as text', withClient({ scopes: 'read' }), 'clients[0].scopes must be a list'],
    ['with an empty prefix', withClient({ prefixes: [''] }), 'clients[0].prefixes[0] must be text'],
    ['with half a character', withClient({ prefixes: ['a\ud800'] }), 'clients[0].prefixes[0] must be text'],
    ['with a prefix that is no text', withClient({ prefixes: [1] }), 'clients[0].prefixes[0] must be text'],
    ['with an expiry of no time', withClient({ expires: 'tomorrow' }), 'clients[0].expires must be a time'],
    [
      'with a day that is none',
      withClient({ expires: '2030-02-30T00:00:00.000Z' }),
      'expires must be a time',
    ],
    [
      'with an expiry in seconds',
      withClient({ expires: 1_900_000_000 }),
      'clients[0].expires must be a time',
    ],
    ['with a revoked name', { ...file, revoked_tokens: ['billing'] }, 'revoked_tokens[0] must be an object'],
    ['with a bad token id', { ...file, revoked_tokens: [{ ...token, jti: '' }] }, 'revoked_tokens[0].jti'],
    ['with a bad exp', { ...file, revoked_tokens: [{ ...token, exp: 1.5 }] }, 'revoked_tokens[0].exp'],
  ];
  it.each(faulty)('%s is refused with the place of the fault', (_, value, message) => {
    expect(failureOf(() => parseClientsFile(bytesOf(value))).message).toContain(message);
  });

  it('that is no JSON or no UTF-8 is refused without quoting it', () => {
    const broken = [Buffer.from('{"hash_key":"canary'), Buffer.from(''), Buffer.from([0x22, 0xff, 0x22])];
    for (const bytes of broken) {
      const failure = failureOf(() => parseClientsFile(bytes));
      expect([failure.message, failure.cause]).toEqual(['the file must be JSON in UTF-8', undefined]);
    }
  });
});

describe('a gateway that follows its clients file', () => {
  const clock = createFakeClock();
  let folder: Folder;
  let log: ReturnType<typeof createRecordingLog>;
  let clients: Clients | undefined;

  beforeEach(async () => {
    folder = await openFolder();
    log = createRecordingLog();
  });

  afterEach(async () => {
    clients?.close();
    clients = undefined;
    await folder.remove();
  });

  const open = async () => (clients = await openClients({ file: folder.clientsFile, clock, log }));
  const errors = () => log.lines.filter((line) => line.level === 'error');
  const write = (value: unknown) => writeFile(folder.clientsFile, JSON.stringify(value));

  it('starts without one and takes it over when it appears', async () => {
    const followed = await open();
    expect(followed.get(client.id)).toBeUndefined();
    await write(file);
    await eventually(() => followed.get(client.id)?.name === 'billing');
  });

  it('does not start with a faulty one, and says where it is wrong', async () => {
    await write({ ...file, version: 2 });
    await expect(open()).rejects.toThrow(`${folder.clientsFile} is not usable: version must be 1`);
  });

  it('keeps the old clients while the file is faulty, with one line for each change', async () => {
    await write(file);
    const followed = await open();
    await writeFile(folder.clientsFile, '{');
    await eventually(() => errors().length === 1);
    expect(followed.get(client.id)?.name).toBe('billing');
    await writeFile(folder.clientsFile, '{ ');
    await eventually(() => errors().length === 2);
    // Two more looks at a file that did not change are over when a third change is seen.
    await write({ ...file, clients: [] });
    await eventually(() => followed.get(client.id) === undefined);
    expect(errors()).toHaveLength(2);
  });

  it('reports a folder in place of the file once, not at each look', async () => {
    const followed = await open();
    const looks = jest.spyOn(followed, 'refresh');
    await mkdir(folder.clientsFile);
    await eventually(() => errors().length === 1);
    const seen = looks.mock.calls.length;
    await eventually(() => looks.mock.calls.length >= seen + 2, 2000);
    expect(errors()).toHaveLength(1);
  });

  it('knows no clients once the file is deleted, and knows them again when it is back', async () => {
    await write(file);
    const followed = await open();
    await rename(folder.clientsFile, `${folder.clientsFile}.away`);
    await eventually(() => followed.get(client.id) === undefined);
    await rename(`${folder.clientsFile}.away`, folder.clientsFile);
    await eventually(() => followed.get(client.id)?.name === 'billing');
  });

  it('sees a file of the same size and time put in its place', async () => {
    await write(file);
    const time = new Date(1_800_000_000_000);
    await utimes(folder.clientsFile, time, time);
    const followed = await open();
    await writeFile(`${folder.clientsFile}.new`, JSON.stringify(file).replace('billing', 'invoice'));
    await utimes(`${folder.clientsFile}.new`, time, time);
    await rename(`${folder.clientsFile}.new`, folder.clientsFile);
    await eventually(() => followed.get(client.id)?.name === 'invoice');
  });

  it('voids what was derived from the file only when it changes', async () => {
    await write(file);
    const followed = await open();
    // From here on only this test looks.
    followed.close();
    const { generation } = followed;
    await followed.refresh();
    expect(followed.generation).toBe(generation);
    await write({ ...file, revoked_tokens: [] });
    await followed.refresh();
    expect(followed.generation).toBe(generation + 1);
  });

  it('stops looking when it is closed', async () => {
    const followed = await open();
    const looks = jest.spyOn(followed, 'refresh');
    followed.close();
    followed.follow();
    await addClient(folder.clientsFile, ['billing']);
    expect(looks).not.toHaveBeenCalled();
    expect(await readFile(folder.clientsFile, 'utf8')).toContain('billing');
    await rm(folder.clientsFile);
  });
});
