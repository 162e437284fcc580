/** Which TLS is spoken, with whom, and with which certificate. */
import { X509Certificate } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SecureVersion } from 'node:tls';
import { systemClock } from '../../src/lib/clock';
import { type Certificate, makeCertificate } from '../support/certificate';
import { makeFolder, removeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { openTestListener } from '../support/listener';
import { openRaw } from '../support/raw-http';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function validFromMs({ certFile }: Certificate): Promise<number> {
  return Date.parse(new X509Certificate(await readFile(certFile)).validFrom);
}

function answerOk(_request: unknown, response: { end(body: string): void }): void {
  response.end('ok');
}

describe('the TLS of the listener', () => {
  let folder: string;
  /** Two pairs that have nothing to do with each other. */
  let one: Certificate;
  let two: Certificate;

  beforeEach(async () => {
    folder = await makeFolder();
    [one, two] = await Promise.all(
      ['one', 'two'].map(async (name) => {
        await mkdir(path.join(folder, name));
        return makeCertificate(path.join(folder, name));
      }) as [Promise<Certificate>, Promise<Certificate>],
    );
  });
  afterEach(() => removeFolder(folder));

  async function fingerprintOf(file: string): Promise<string> {
    return new X509Certificate(await readFile(file)).fingerprint256;
  }

  async function servedFingerprint(port: number): Promise<string> {
    const client = await openRaw(port);
    const { fingerprint256 } = client.socket.getPeerCertificate();
    client.destroy();
    return fingerprint256;
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken, with forward secrecy and AEAD', async (version) => {
    const listener = await openTestListener(answerOk);
    const client = await openRaw(listener.port, { minVersion: version, maxVersion: version });
    expect(client.socket.getProtocol()).toBe(version);
    expect(client.socket.getCipher().standardName).toMatch(
      /^TLS_(ECDHE_ECDSA_WITH_)?(AES|CHACHA20).*(GCM|POLY1305)/,
    );
    client.destroy();
    await listener.close();
  });

  it.each<[string, { minVersion?: SecureVersion; maxVersion?: SecureVersion; ciphers?: string }]>([
    ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }],
    ['a CBC suite', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }],
    ['a suite without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ])('%s is not', async (_name, options) => {
    const listener = await openTestListener(answerOk);
    await expect(openRaw(listener.port, options)).rejects.toThrow(/alert|handshake|version/i);
    await listener.close();
  });

  it('a new pair is taken within a second or so, without a restart and without harm to open connections', async () => {
    const listener = await openTestListener(answerOk, one);
    const before = await openRaw(listener.port);
    await copyFile(two.certFile, one.certFile);
    await copyFile(two.keyFile, one.keyFile);
    await eventually(
      async () => (await servedFingerprint(listener.port)) === (await fingerprintOf(two.certFile)),
      3000,
    );
    before.send(GET);
    expect((await before.answer()).status).toBe(200);
    before.destroy();
    await listener.close();
  });

  it('a bad pair is logged once, changes nothing, and a good one after it is taken', async () => {
    const listener = await openTestListener(answerOk, one);
    const original = await fingerprintOf(one.certFile);
    const complaints = () => listener.log.lines.filter(({ level }) => level === 'error');

    await copyFile(two.keyFile, one.keyFile);
    await eventually(() => complaints().length === 1);
    expect(await servedFingerprint(listener.port)).toBe(original);

    await writeFile(one.certFile, 'junk');
    await eventually(() => complaints().length === 2);
    expect(await servedFingerprint(listener.port)).toBe(original);

    await copyFile(two.certFile, one.certFile);
    await eventually(
      async () => (await servedFingerprint(listener.port)) === (await fingerprintOf(two.certFile)),
      3000,
    );
    // Many looks at the two bad pairs, one complaint about each.
    expect(complaints()).toHaveLength(2);
    expect(JSON.stringify(complaints())).not.toContain('PRIVATE');
    await listener.close();
  });

  it('an expired certificate never replaces a good one', async () => {
    let wallMs = Date.now();
    const clock = { now: () => systemClock.now(), wallMs: () => wallMs };
    const listener = await openTestListener(answerOk, { ...one, clock });
    const original = await fingerprintOf(one.certFile);
    wallMs += 365 * 24 * 3600 * 1000;
    await copyFile(two.certFile, one.certFile);
    await copyFile(two.keyFile, one.keyFile);
    await eventually(() =>
      listener.log.lines.some(({ fields }) => JSON.stringify(fields).includes('has expired')),
    );
    expect(await servedFingerprint(listener.port)).toBe(original);
    await listener.close();
  });

  it('a certificate that is not valid yet never replaces a good one, and is taken when its time has come', async () => {
    let wallMs = (await validFromMs(two)) - 1;
    const clock = { now: () => systemClock.now(), wallMs: () => wallMs };
    const listener = await openTestListener(answerOk, { ...one, clock });
    const original = await fingerprintOf(one.certFile);
    await copyFile(two.certFile, one.certFile);
    await copyFile(two.keyFile, one.keyFile);
    const complaints = () => listener.log.lines.filter(({ level }) => level === 'error');
    await eventually(() => complaints().length === 1);
    expect(JSON.stringify(complaints())).toContain('is not valid yet');
    expect(await servedFingerprint(listener.port)).toBe(original);
    wallMs++;
    await eventually(
      async () => (await servedFingerprint(listener.port)) === (await fingerprintOf(two.certFile)),
      3000,
    );
    expect(complaints()).toHaveLength(1);
    await listener.close();
  });

  it('a start with a certificate that is not valid yet serves, and warns', async () => {
    const clock = { now: () => systemClock.now(), wallMs: () => Date.now() - 3600 * 1000 };
    const listener = await openTestListener(answerOk, { clock });
    expect(listener.log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'the certificate is not valid yet' }),
    );
    await listener.close();
  });

  it('a start with an expired certificate serves, and warns', async () => {
    const clock = { now: () => systemClock.now(), wallMs: () => Date.now() + 365 * 24 * 3600 * 1000 };
    const listener = await openTestListener(answerOk, { clock });
    expect(listener.log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'the certificate has expired' }),
    );
    await listener.close();
  });

  it('a start with a missing, broken or foreign file is refused with its name and nothing of its content', async () => {
    const junkFile = path.join(folder, 'junk.pem');
    await writeFile(junkFile, '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n');
    const missingFile = path.join(folder, 'missing.pem');
    await expect(openTestListener(answerOk, { certFile: missingFile })).rejects.toThrow(
      `Cannot read ${missingFile}.`,
    );
    await expect(openTestListener(answerOk, { keyFile: missingFile })).rejects.toThrow(
      `Cannot read ${missingFile}.`,
    );
    await expect(openTestListener(answerOk, { certFile: junkFile })).rejects.toThrow(
      `There is no usable certificate in ${junkFile}.`,
    );
    await expect(openTestListener(answerOk, { keyFile: junkFile })).rejects.toThrow(
      `There is no usable private key in ${junkFile}.`,
    );
    await expect(openTestListener(answerOk, { clientCaFile: junkFile })).rejects.toThrow(junkFile);
    await expect(openTestListener(answerOk, { ...one, keyFile: two.keyFile })).rejects.toThrow(
      `The key in ${two.keyFile} does not belong to the certificate in ${one.certFile}.`,
    );
  });

  it('with an authority for clients, only clients that it vouches for are heard', async () => {
    let heard = 0;
    const listener = await openTestListener(
      (_request, response) => {
        heard++;
        response.end('ok');
      },
      { clientCaFile: one.certFile },
    );
    const [known, unknown, nobody] = await Promise.all(
      [one, two, undefined].map(async (pair) => {
        if (pair === undefined) return openRaw(listener.port, { maxVersion: 'TLSv1.3' });
        return openRaw(listener.port, {
          cert: await readFile(pair.certFile),
          key: await readFile(pair.keyFile),
        });
      }),
    );
    for (const stranger of [unknown, nobody]) {
      stranger?.send(GET);
      await stranger?.ended();
    }
    expect(heard).toBe(0);
    known?.send(GET);
    expect((await known?.answer())?.status).toBe(200);
    known?.destroy();
    await listener.close();
  });

  it('a port that is taken is refused with its name', async () => {
    const listener = await openTestListener(answerOk);
    await expect(openTestListener(answerOk, { port: listener.port })).rejects.toThrow(
      `Cannot listen on 127.0.0.1:${listener.port}.`,
    );
    await listener.close();
  });
});
