/** What one connection of the RESP door does with requests, replies and faults, over a socket of the test. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Credential } from '../../src/auth/access';
import { CacheError } from '../../src/core/errors';
import type { Words } from '../../src/core/ports';
import { Connection } from '../../src/doors/resp/connection';
import type { ReplyPlace } from '../../src/doors/resp/reply-line';
import type { GetHandler, RequestHandler } from '../../src/doors/resp/request-handler';
import type { RespDeps, SessionState } from '../../src/doors/resp/session-state';
import { UnreadReplies } from '../../src/doors/resp/unread-replies';
import { Budget } from '../../src/lib/budget';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import { silentObserver } from '../support/observer';
import { requestBytes } from '../support/resp-wire';
import { USUAL_LIMITS } from '../support/usual-limits';

const KIB = 1024;
const MIB = KIB * KIB;
const CHECK_MS = 500;

/** Its other end takes what is written unless it is told to let it lie. */
class TestSocket extends Duplex {
  said = '';
  isRead = true;
  bytesWritten = 0;
  readonly remoteAddress = '192.0.2.1';

  override _read(): void {
    // What arrives is pushed by `arrive`.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.isRead) return;
    this.said += chunk.toString('latin1');
    this.bytesWritten += chunk.length;
    done();
  }

  arrive(bytes: Buffer | string): void {
    this.emit('data', Buffer.from(bytes));
  }
}

class TestSession implements RequestHandler {
  taken = 0;
  hasEnded = false;
  place: ReplyPlace | undefined;
  recheckFault: Error | undefined;
  shortWay: GetHandler | undefined;

  constructor(readonly state: SessionState) {}

  handle(words: Words): Promise<void> | undefined {
    this.taken += 1;
    const { replies } = this.state;
    switch (words[0]?.toString()) {
      case 'THROW':
        throw new TypeError('a fault of ours');
      case 'REJECT':
        return Promise.reject(new TypeError('a fault of ours'));
      case 'HELD':
        this.place = replies.take();
        return undefined;
      case 'LATER':
        return new Promise(() => undefined);
      case 'BLOCK':
        this.state.isBlocked = true;
        replies.take();
        return new Promise(() => undefined);
      default:
        replies.writeBulk(words[1] ?? '');
        return undefined;
    }
  }

  recheck(): void {
    if (this.recheckFault !== undefined) throw this.recheckFault;
  }

  end(): void {
    this.hasEnded = true;
  }
}

function openDoor({ requestBytesMax = 256 * MIB, valueBytesMax = USUAL_LIMITS.valueBytesMax } = {}) {
  const log = createRecordingLog();
  const requestBytes = new Budget(requestBytesMax);
  const unread = new UnreadReplies(valueBytesMax);
  const deps = {
    ...{ log, requestBytes, unread },
    limits: { ...USUAL_LIMITS, valueBytesMax },
    clock: createFakeClock(),
    observer: silentObserver,
  } as unknown as RespDeps;
  const open = ({ isKnown = true } = {}) => {
    const socket = new TestSocket();
    let session: TestSession | undefined;
    const connection = new Connection({
      socket: socket as unknown as Socket,
      transport: socket as unknown as Socket,
      id: 1,
      deps,
      createSession: (state) => (session = new TestSession(state)),
    });
    const credential: Credential = { expiresAtMs: Infinity, principal: () => ({}) as never };
    if (isKnown) connection.state.credential = credential;
    return { socket, connection, session: session! };
  };
  return { open, log, requestBytes, unread };
}

const INTERNAL = '-ERR Something went wrong inside ringcache.\r\n';
const revoked: Credential = {
  expiresAtMs: Infinity,
  principal: () => {
    throw new CacheError('unauthenticated', 'The API key is not valid.');
  },
};

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
}

describe('requests of which a part is there', () => {
  const announced = (bytes: number) => `*2\r\n$3\r\nSET\r\n$${bytes}\r\n`;

  it('count together if they are long, and the one that is too much is refused and closed', async () => {
    const door = openDoor({ requestBytesMax: 300 * KIB });
    const [first, second, short] = [door.open(), door.open(), door.open()];
    first.socket.arrive(announced(MIB) + 'x'.repeat(200 * KIB));
    short.socket.arrive(announced(MIB) + 'x'.repeat(60 * KIB));
    second.socket.arrive(announced(MIB) + 'x'.repeat(90 * KIB));
    second.socket.arrive('x'.repeat(90 * KIB));
    await settle();
    expect(second.socket.said).toBe('-ERR Too much is being sent at once.\r\n');
    expect(second.socket.writableEnded).toBe(true);
    expect(second.connection.heldBytes).toBe(0);
    expect([first, short].map(({ socket }) => socket.said + String(socket.writableEnded))).toEqual([
      'false',
      'false',
    ]);
    expect(door.requestBytes.taken).toBeLessThan(210 * KIB);
  });

  it('give back what they took when they are whole, and when the connection ends', async () => {
    const door = openDoor();
    const [whole, torn] = [door.open(), door.open()];
    whole.socket.arrive(announced(100 * KIB) + 'x'.repeat(99 * KIB));
    torn.socket.arrive(announced(100 * KIB) + 'x'.repeat(99 * KIB));
    expect(door.requestBytes.taken).toBeGreaterThan(198 * KIB);
    whole.socket.arrive('x'.repeat(KIB) + '\r\n');
    torn.socket.destroy();
    await settle();
    expect(whole.session.taken).toBe(1);
    expect(door.requestBytes.taken).toBe(0);
  });
});

describe('replies that are not read', () => {
  it('of all connections together: who has much of them is closed, who has little is not', async () => {
    const door = openDoor();
    const large = [door.open(), door.open(), door.open()];
    const little = door.open();
    for (const { socket } of [...large, little]) socket.isRead = false;
    little.session.state.replies.write(Buffer.alloc(MIB));
    for (const { session } of large) session.state.replies.write(Buffer.alloc(80 * MIB));
    await settle();
    expect(large.map(({ socket }) => socket.destroyed)).toEqual([false, false, false]);
    large[0]!.session.state.replies.write(Buffer.alloc(20 * MIB));
    await settle();
    expect(large.map(({ socket }) => socket.destroyed)).toEqual([true, false, false]);
    expect(little.socket.destroyed).toBe(false);
    expect(door.unread.bytes).toBe(161 * MIB);
    for (const { socket } of [...large, little]) socket.destroy();
    await settle();
    expect(door.unread.bytes).toBe(0);
  });

  it('… and with 32 MiB one has little', () => {
    const unread = new UnreadReplies(USUAL_LIMITS.valueBytesMax);
    unread.change(256 * MIB + 1);
    expect([32 * MIB, 32 * MIB + 1].map((bytes) => unread.isTooMuch(bytes))).toEqual([false, true]);
  });

  it('of the largest values some are never too much by themselves', async () => {
    const { socket, session } = openDoor({ valueBytesMax: 100 * MIB }).open();
    socket.isRead = false;
    session.state.replies.write(Buffer.alloc(300 * MIB));
    await settle();
    expect(socket.destroyed).toBe(false);
  });

  const asking = (count: number) =>
    Buffer.concat(Array<Buffer>(count).fill(requestBytes(['ECHO', 'x'.repeat(1000)])));

  it('of a stranger stop its requests at 16 KiB, and end it at 64', async () => {
    const door = openDoor();
    const [stranger, known] = [door.open({ isKnown: false }), door.open()];
    for (const { socket } of [stranger, known]) {
      socket.isRead = false;
      socket.arrive(asking(200));
    }
    await settle();
    expect(known.session.taken).toBe(200);
    expect(stranger.session.taken).toBeLessThan(20);
    expect(stranger.socket.destroyed).toBe(false);
    stranger.session.state.replies.write(Buffer.alloc(60 * KIB));
    await settle();
    expect(stranger.socket.destroyed).toBe(true);
  });

  it('of one who was known and is a stranger again are its own as before', async () => {
    const { socket, session } = openDoor().open();
    socket.isRead = false;
    socket.arrive(asking(200));
    session.state.credential = undefined;
    session.state.replies.write(Buffer.from('+RESET\r\n'));
    await settle();
    expect(socket.destroyed).toBe(false);
  });
});

describe('what waits for ever', () => {
  it('is read on, so that its end is noticed however much was sent behind it', async () => {
    const { socket, session } = openDoor().open();
    socket.arrive('BLOCK\r\n');
    socket.arrive(Buffer.alloc(MIB));
    await settle();
    expect([socket.isPaused(), socket.destroyed]).toEqual([false, false]);
    socket.emit('end');
    await settle();
    expect([socket.destroyed, session.hasEnded]).toEqual([true, true]);
  });

  it('… when it was paused before it began to wait, too', () => {
    const { socket, connection } = openDoor().open();
    socket.arrive('LATER\r\n');
    socket.arrive(Buffer.alloc(100 * KIB));
    expect(socket.isPaused()).toBe(true);
    connection.state.isBlocked = true;
    connection.check(CHECK_MS);
    expect(socket.isPaused()).toBe(false);
  });

  it('… and closed when far too much was', async () => {
    const door = openDoor();
    const { socket, session } = door.open();
    socket.arrive('BLOCK\r\n');
    for (let sent = 0; sent < 4; sent += 1) socket.arrive(Buffer.alloc(MIB));
    expect(door.requestBytes.taken).toBeGreaterThan(2 * MIB);
    await settle();
    expect([socket.destroyed, session.hasEnded, door.requestBytes.taken]).toEqual([true, true, 0]);
  });

  it('does not outlive what it was told to end for', async () => {
    const { socket, connection, session } = openDoor().open();
    socket.arrive('BLOCK\r\n');
    connection.state.close();
    await settle();
    expect([socket.writableEnded, session.hasEnded]).toEqual([true, true]);
  });
});

describe('a credential that holds no more', () => {
  const NO_AUTH = '-NOAUTH The API key is not valid.\r\n';

  it('ends a connection that is idle', async () => {
    const { socket, connection } = openDoor().open();
    connection.check(CHECK_MS);
    expect(socket.said).toBe('');
    connection.state.credential = revoked;
    connection.check(CHECK_MS);
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual([NO_AUTH, true]);
  });

  it('… and one that waits or is subscribed, for which nothing goes on', async () => {
    const door = openDoor();
    const [blocked, subscribed] = [door.open(), door.open()];
    blocked.socket.arrive('BLOCK\r\n');
    subscribed.connection.state.subscriptions = 1;
    for (const { connection, socket, session } of [blocked, subscribed]) {
      connection.state.credential = revoked;
      connection.check(CHECK_MS);
      await settle();
      expect([socket.said, socket.writableEnded, session.hasEnded]).toEqual([NO_AUTH, true, true]);
    }
  });

  it('… and one that has a request at work, behind its reply', async () => {
    const { socket, connection, session } = openDoor().open();
    socket.arrive('HELD\r\n');
    connection.state.credential = revoked;
    connection.check(CHECK_MS);
    socket.arrive('ECHO x\r\n');
    await settle();
    expect([socket.said, socket.writableEnded, session.taken]).toEqual(['', false, 1]);
    session.place?.settle(Buffer.from('+held\r\n'));
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual([`+held\r\n${NO_AUTH}`, true]);
  });

  it('what was permitted once and is no more ends it too', async () => {
    const { socket, connection, session } = openDoor().open();
    connection.state.subscriptions = 1;
    session.recheckFault = new CacheError('forbidden', 'No right to that.');
    connection.check(CHECK_MS);
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual(['-NOPERM No right to that.\r\n', true]);
  });
});

describe('the short way of GET', () => {
  const GET = '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n';

  it('is asked for each GET, and what it leaves is handed over in words', async () => {
    const { socket, session, connection } = openDoor().open();
    const asked: string[] = [];
    let takes = true;
    session.shortWay = {
      beginTurn: () => asked.push('begin'),
      get: (key) => {
        asked.push(`get ${key}`);
        if (takes) connection.state.replies.writeBulk('short');
        return takes;
      },
    };
    socket.arrive(`${GET}${GET}ECHO x\r\n${GET}`);
    expect(asked).toEqual(['begin', 'get k', 'get k', 'get k']);
    takes = false;
    socket.arrive(GET);
    expect(asked.slice(4)).toEqual(['begin', 'get k']);
    await settle();
    expect(socket.said).toBe(
      ['short', 'short', 'x', 'short', 'k'].map((v) => `$${v.length}\r\n${v}\r\n`).join(''),
    );
    expect(session.taken).toBe(2);
    expect(connection.heldBytes).toBe(0);
  });
});

describe('a fault of ours ends the connection with an error and a line in the log, and nothing else', () => {
  it.each(['THROW', 'REJECT'])('in a request (%s)', async (request) => {
    const door = openDoor();
    const { socket } = door.open();
    socket.arrive(`ECHO x\r\n${request}\r\nECHO y\r\n`);
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual([`$1\r\nx\r\n${INTERNAL}`, true]);
    expect(door.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('in a look at what goes on', async () => {
    const door = openDoor();
    const { socket, connection, session } = door.open();
    session.recheckFault = new TypeError('a fault of ours');
    connection.check(CHECK_MS);
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual([INTERNAL, true]);
    expect(door.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('where nobody waits for it', async () => {
    const door = openDoor();
    const { socket, connection } = door.open();
    connection.state.fail(new TypeError('a fault of ours'));
    await settle();
    expect([socket.said, socket.writableEnded]).toEqual([INTERNAL, true]);
  });
});
