/** `scripts/certs.sh`: what it makes, and what it leaves alone. */
import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, removeFolder } from '../support/child';

const SCRIPT = path.join(__dirname, '../../scripts/certs.sh');

let folder: string;
beforeEach(async () => {
  folder = await makeFolder();
});
afterEach(() => removeFolder(folder));

async function run(...args: string[]): Promise<{ code: number; stderr: string }> {
  try {
    const { stderr } = await promisify(execFile)('sh', [SCRIPT, ...args], { cwd: folder, timeout: 60_000 });
    return { code: 0, stderr };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, stderr };
  }
}

async function made(name = 'certs') {
  const keyFile = path.join(folder, name, 'key.pem');
  return {
    keyMode: (await stat(keyFile)).mode & 0o777,
    key: createPrivateKey(await readFile(keyFile)),
    certificate: new X509Certificate(await readFile(path.join(folder, name, 'cert.pem'))),
  };
}

it('makes a P-256 key for its owner alone and a certificate for this machine', async () => {
  expect(await run()).toMatchObject({ code: 0 });
  const { key, keyMode, certificate } = await made();
  expect(keyMode).toBe(0o600);
  expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkIP('::1')).toBe('::1');
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
  expect(days).toBe(825);
});

it('makes an RSA key of 4096 bits and adds names on request, in the folder it is given', async () => {
  const names = ['--name', 'cache.example.org', '--name', '10.1.2.3', '--name', 'fe80::1'];
  expect(await run('--rsa', ...names, 'a folder/inside')).toMatchObject({ code: 0 });
  const { key, keyMode, certificate } = await made('a folder/inside');
  expect(keyMode).toBe(0o600);
  expect([key.asymmetricKeyType, key.asymmetricKeyDetails?.modulusLength]).toEqual(['rsa', 4096]);
  expect(certificate.checkHost('cache.example.org')).toBe('cache.example.org');
  expect(certificate.checkIP('10.1.2.3')).toBe('10.1.2.3');
  expect(certificate.checkIP('fe80::1')).toBe('fe80::1');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
}, 60_000);

it.each(['key.pem', 'cert.pem'])('overwrites no %s unless it is forced to', async (name) => {
  const file = path.join(folder, name);
  await writeFile(file, 'precious');
  const refused = await run('.');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`./${name} is there already; --force overwrites it`);
  expect(await readFile(file, 'utf8')).toBe('precious');

  expect(await run('--force', '.')).toMatchObject({ code: 0 });
  const { key, certificate } = await made('.');
  expect(certificate.checkPrivateKey(key)).toBe(true);
});

it('follows no link that leads nowhere', async () => {
  await symlink(path.join(folder, 'elsewhere'), path.join(folder, 'key.pem'));
  expect(await run('.')).toMatchObject({ code: 1 });
});

it.each([
  [['--what'], 'unknown option --what'],
  [['--name'], '--name needs'],
  [['--name', 'a b'], 'no host name'],
  [['--name', 'a,DNS:b'], 'no host name'],
  [['a', 'b'], 'one folder only'],
])('refuses %j and writes nothing', async (args, message) => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(1);
  expect(stderr).toContain(message);
  await expect(made()).rejects.toThrow('ENOENT');
});
