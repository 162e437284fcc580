/** The RESP listener: real sockets, plain and TLS, in front of a session of the test. */
import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import path from 'node:path';
import { makeCertificate, type Certificate } from '../support/certificate';
import { makeFolder, removeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { API_KEY } from '../support/http-door';
import { openTestRespListener, type TestRespListener, type TestRespOptions } from '../support/resp-listener';
import { requestBytes } from '../support/resp-wire';

let listener: TestRespListener;
afterEach(() => listener.close());

async function open(options: TestRespOptions = {}): Promise<TestRespListener> {
  return (listener = await openTestRespListener(options));
}

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;

describe.each([
  ['plain TCP', false],
  ['TLS', true],
])('over %s', (_name, tls) => {
  it('ten thousand requests in one packet are answered in their order', async () => {
    await open({ tls });
    const client = await listener.connect();
    const texts = Array.from({ length: 10_000 }, (_, n) => String(n));
    const replies = await client.askTogether(
      texts.map((text) => [Number(text) % 7 === 0 ? 'LATER' : 'ECHO', text]),
    );
    const expected = texts.map((text) => (Number(text) % 7 === 0 ? `+${text}\r\n` : bulk(text)));
    expect(replies.map(String)).toEqual(expected);
  });

  it('a client that closes its side behind a pipeline gets all replies, then the end', async () => {
    await open({ tls });
    const client = await listener.connect();
    client.socket.allowHalfOpen = true;
    client.socket.end(
      Buffer.concat(['1', '2', '3'].map((n) => requestBytes([n === '2' ? 'LATER' : 'ECHO', n]))),
    );
    const replies = [await client.next(), await client.next(), await client.next()];
    expect(replies.map(String)).toEqual([bulk('1'), '+2\r\n', bulk('3')]);
    await eventually(() => client.hasEnded);
    await eventually(() => listener.sessions[0]?.hasEnded);
  });

  it('QUIT is answered, ends the connection, and what is behind it is not carried out', async () => {
    await open({ tls });
    const client = await listener.connect();
    client.write(
      Buffer.concat([requestBytes(['LATER', 'x']), requestBytes(['QUIT']), requestBytes(['ECHO', 'y'])]),
    );
    expect([String(await client.next()), String(await client.next())]).toEqual(['+x\r\n', '+OK\r\n']);
    await eventually(() => client.hasEnded);
    expect(listener.sessions[0]?.taken).toBe(2);
  });

  it('what is no request is answered in Redis’s words behind what is owed, and ends the connection', async () => {
    await open({ tls });
    const client = await listener.connect();
    client.write(Buffer.concat([requestBytes(['LATER', 'x']), Buffer.from('*1\r\n:1\r\n')]));
    expect(String(await client.next())).toBe('+x\r\n');
    expect(String(await client.next())).toBe("-ERR Protocol error: expected '$', got ':'\r\n");
    await eventually(() => client.hasEnded);
  });

  it.each(['POST / HTTP/1.1\r\nHost: x\r\n\r\nECHO x\r\n', 'host: x\r\nECHO x\r\n'])(
    'a page’s request is not answered at all (%#)',
    async (text) => {
      await open({ tls });
      const client = await listener.connect();
      client.write(text);
      await expect(client.next()).rejects.toThrow();
      expect(listener.sessions[0]?.taken).toBe(0);
    },
  );

  it('one connection over the limit is told so, and its place is free when another one ends', async () => {
    await open({ tls, listener: { maxConnections: 2 } });
    const [first] = [await listener.connect(), await listener.connect()];
    const third = await listener.connect();
    expect(String(await third.next())).toBe('-ERR max number of clients reached\r\n');
    await eventually(() => third.hasEnded);
    first.close();
    await eventually(async () => {
      const fourth = await listener.connect();
      return String(await fourth.ask('ECHO', 'x')) === bulk('x');
    });
    await eventually(() => listener.lines.some(({ message }) => message === 'too many connections'));
  });

  it('stops: what is at work is answered, what is idle or blocked is closed at once, nobody else is let in', async () => {
    await open({ tls });
    const [atWork, idle, blocked] = [
      await listener.connect(),
      await listener.connect(),
      await listener.connect(),
    ];
    atWork.write(Buffer.concat([requestBytes(['HOLD']), requestBytes(['ECHO', 'never'])]));
    blocked.write(requestBytes(['BLOCK']));
    expect(String(await idle.ask('ECHO', 'x'))).toBe(bulk('x'));
    await eventually(() => listener.sessions.every(({ taken }) => taken === 1));
    const stopped = listener.stop();
    await eventually(() => idle.hasEnded && blocked.hasEnded, 1000);
    await expect(listener.connect()).rejects.toThrow();
    expect(atWork.hasEnded).toBe(false);
    listener.sessions[0]?.release();
    expect(String(await atWork.next())).toBe('+held\r\n');
    await stopped;
    expect(listener.sessions.map(({ taken, hasEnded }) => [taken, hasEnded])).toEqual([
      [1, true],
      [1, true],
      [1, true],
    ]);
  });
});

it('nothing is handed over while a request is being carried out', async () => {
  await open();
  const client = await listener.connect();
  client.write(Buffer.concat([requestBytes(['HOLD']), requestBytes(['ECHO', 'a'])]));
  const [session] = await eventually(() => listener.sessions.length === 1 && listener.sessions);
  await eventually(() => session?.taken === 1);
  client.write(requestBytes(['ECHO', 'b']));
  session?.release();
  const replies = [await client.next(), await client.next(), await client.next()];
  expect(replies.map(String)).toEqual(['+held\r\n', bulk('a'), bulk('b')]);
});

it('a blocked session ends when its client goes, also behind a request of its own', async () => {
  await open();
  const [gone, piped] = [await listener.connect(), await listener.connect()];
  gone.write(requestBytes(['BLOCK']));
  await eventually(() => listener.sessions[0]?.taken === 1);
  gone.socket.end();
  piped.socket.allowHalfOpen = true;
  piped.socket.end(Buffer.concat([requestBytes(['BLOCK']), requestBytes(['ECHO', 'x'])]));
  await eventually(
    () => listener.sessions.length === 2 && listener.sessions.every(({ hasEnded }) => hasEnded),
  );
});

it('a hundred thousand requests in one go leave the event loop to others after each thousand', async () => {
  await open();
  const [busy, other] = [await listener.connect(), await listener.connect()];
  const count = 100_000;
  busy.socket.removeAllListeners('data').resume();
  busy.write(Buffer.concat(Array<Buffer>(count).fill(requestBytes(['ECHO', 'x']))));
  await eventually(() => (listener.sessions[0]?.taken ?? 0) > 0);
  expect(String(await other.ask('ECHO', 'y'))).toBe(bulk('y'));
  expect(listener.sessions[0]?.taken).toBeLessThan(count);
  await eventually(() => listener.sessions[0]?.taken === count, 20_000);
  // Two reads in one turn at most: one that did not fill its thousand, and one that did.
  expect(listener.sessions[0]?.mostInTurn).toBeLessThanOrEqual(2000);
});

it('a client that is torn away harms nobody else', async () => {
  await open();
  const [torn, other] = [await listener.connect(), await listener.connect()];
  torn.write(Buffer.concat(Array<Buffer>(500).fill(requestBytes(['BIG', '20000']))));
  torn.socket.resetAndDestroy();
  await eventually(() => listener.sessions[0]?.hasEnded);
  expect(String(await other.ask('ECHO', 'x'))).toBe(bulk('x'));
});

it('a client that speaks no TLS where it has to is closed', async () => {
  await open({ tls: true });
  const socket = connect(listener.port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write('PING\r\n');
  await eventually(() => socket.destroyed);
  expect(received).not.toContain('PONG');
  expect(listener.sessions).toHaveLength(0);
});

it('with an authority for clients, only who shows a certificate of it gets in', async () => {
  const folders = [await makeFolder(), await makeFolder()];
  const [known, unknown] = await Promise.all(folders.map(makeCertificate));
  await open({ tls: true, clientCaFile: known!.certFile });
  const answer = (pair: Certificate | undefined): Promise<string> =>
    new Promise((resolve) => {
      const identity = pair && { cert: readFileSync(pair.certFile), key: readFileSync(pair.keyFile) };
      const socket = connectTls({
        host: '127.0.0.1',
        port: listener.port,
        rejectUnauthorized: false,
        ...identity,
      });
      let received = '';
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(received));
      socket.write(requestBytes(['ECHO', 'x']));
    });
  expect(await answer(undefined)).toBe('');
  expect(await answer(unknown)).toBe('');
  expect(listener.sessions).toHaveLength(0);
  expect(await answer(known)).toBe(bulk('x'));
  for (const folder of folders) await removeFolder(folder);
});

it('shows a new certificate to those who come after it, and keeps the old one when the new one is no good', async () => {
  await open({ tls: true });
  const { certFile, keyFile } = listener.certificate;
  const early = await listener.connect();
  const before = await fingerprint(listener.port);
  const folder = await makeFolder();
  const next = await makeCertificate(folder);
  await copyFile(next.certFile, certFile);
  await copyFile(next.keyFile, keyFile);
  const after = await eventually(async () => {
    const now = await fingerprint(listener.port);
    return now !== before && now;
  });
  expect(String(await early.ask('ECHO', 'x'))).toBe(bulk('x'));
  await writeFile(path.join(certFile), 'no certificate');
  await eventually(() =>
    listener.lines.some(({ level, message }) => level === 'error' && /kept the old/.test(message)),
  );
  expect(await fingerprint(listener.port)).toBe(after);
  await removeFolder(folder);
});

it('authenticates by API key, by name and key, and by token; the log knows who failed where, and no secret', async () => {
  await open();
  const client = await listener.connect();
  const wrong = 'wrong-key-0123456789-0123456789';
  expect(String(await client.ask('AUTH', wrong))).toBe(
    '-WRONGPASS invalid username-password pair or user is disabled.\r\n',
  );
  expect(String(await client.ask('AUTH', 'somebody', API_KEY))).toMatch(/^-WRONGPASS /);
  for (const words of [[API_KEY], ['default', API_KEY], ['api-key', API_KEY], [listener.door.token]]) {
    expect(String(await client.ask('AUTH', ...words))).toBe('+OK\r\n');
    expect(String(await client.ask('ACL', 'WHOAMI'))).toBe(bulk('api-key'));
    expect(String(await client.ask('RESET'))).toBe('+RESET\r\n');
    expect(String(await client.ask('ACL', 'WHOAMI'))).toMatch(/^-NOAUTH /);
  }
  const failed = listener.lines.filter(({ message }) => message === 'authentication failed');
  expect(failed).toHaveLength(2);
  expect(failed[0]).toMatchObject({ level: 'info', fields: { address: '127.0.0.1', cause: 'unknown key' } });
  const logged = JSON.stringify(listener.lines);
  for (const secret of [wrong, API_KEY, listener.door.token]) expect(logged).not.toContain(secret);
});

it('says how long to wait when an address has failed too often', async () => {
  await open();
  const client = await listener.connect();
  const replies: string[] = [];
  for (let n = 0; n < 7; n += 1) replies.push(String(await client.ask('AUTH', 'wrong')));
  expect(replies.slice(0, 6).every((reply) => reply.startsWith('-WRONGPASS '))).toBe(true);
  expect(replies[6]).toBe('-ERR Too many failed logins; try again in 1 second.\r\n');
});

/** Of the certificate that is shown. */
function fingerprint(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
