/** The interleavings of relay-line.ts, with connections whose answers the test gives. */
import type { Key } from '../../src/core/command';
import type { RelayRequest } from '../../src/core/ports';
import type { RelayChannel } from '../../src/engines/relay-channel';
import { RelayEntry } from '../../src/engines/relay-entry';
import { RelayHold } from '../../src/engines/relay-hold';
import { RelayLine } from '../../src/engines/relay-line';
import { NotDone, Overloaded } from '../../src/redis/redis-errors';
import { CacheError } from '../../src/core/errors';

jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick', 'setImmediate', 'hrtime'] });

class Channel {
  readonly sent: RelayEntry[] = [];
  isClosed = false;
  silentMs = 0;

  send(entry: RelayEntry): void {
    this.sent.push(entry);
  }

  mark(): void {
    // Marks are tested elsewhere.
  }

  close(): void {
    this.isClosed = true;
    for (const entry of this.sent.splice(0)) entry.fail(new CacheError('unavailable', 'It may stand.'));
  }

  /** The oldest one gets this reply. */
  answer(reply: string): void {
    this.sent.shift()?.settle(Buffer.from(`${reply}\r\n`));
  }

  get names(): string[] {
    return this.sent.map(({ request }) => request.commands[0]!.join(' '));
  }
}

function createLine({ slot, hold = new RelayHold() }: { slot?: number; hold?: RelayHold } = {}) {
  const clock = { now: () => performance.now(), wallMs: () => 0 };
  const a = new Channel();
  const b = new Channel();
  const state: { to: Channel | undefined; recovered: () => void } = { to: a, recovered: () => undefined };
  const line = new RelayLine({
    clock,
    hold,
    slot,
    channelFor: () => state.to as unknown as RelayChannel | undefined,
    recover: () =>
      new Promise((resolve) => {
        state.recovered = resolve;
      }),
  });
  const told: string[] = [];
  const send = (text: string, more: Partial<RelayRequest> = {}): void => {
    const [name = '', key = ''] = text.split(' ');
    const request: RelayRequest = {
      commands: [text.split(' ').map((word) => Buffer.from(word))],
      isTransaction: false,
      keys: [key as Key],
      isUnbounded: false,
      announced: [],
      isWrite: name !== 'GET',
      changesUnnamed: false,
      isRepeatable: name === 'GET',
      protocol: 2,
      from: 'master',
      deadlineMs: clock.now() + 2000,
      settle: (reply) => told.push(`${text}: ${reply.toString().trim()}`),
      fail: ({ message }) => told.push(`${text}: ${message}`),
      ...more,
    };
    line.send(new RelayEntry(request, line));
  };
  /** What was refused may be sent again, to `to`. */
  const recover = async (to: Channel | undefined): Promise<void> => {
    state.to = to;
    state.recovered();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { a, b, state, line, send, told, recover };
}

const READONLY = "-READONLY You can't write against a read only replica.";
const NOT_DONE = 'Nothing was done.';

describe('1. a demoted master refuses w1 and w2 while w3 arrives', () => {
  it('all go to the new one in their order', async () => {
    const { a, b, send, told, recover } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.answer(READONLY);
    send('SET k 3');
    expect(a.names).toEqual(['SET k 2']);
    a.answer(READONLY);
    await recover(b);
    expect(b.names).toEqual(['SET k 1', 'SET k 2', 'SET k 3']);
    for (let n = 0; n < 3; n += 1) b.answer('+OK');
    expect(told).toEqual(['SET k 1: +OK', 'SET k 2: +OK', 'SET k 3: +OK']);
  });

  it('what arrives waits for the answers to those that left, also where the new one is known already', async () => {
    const { a, b, send, recover } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.answer(READONLY);
    await recover(b);
    send('SET k 3');
    expect([...a.names, ...b.names]).toEqual(['SET k 2']);
    a.answer(READONLY);
    await recover(b);
    expect(b.names).toEqual(['SET k 1', 'SET k 2', 'SET k 3']);
  });

  it('a read between them that was answered has not seen w1, and is asked again behind it', async () => {
    const { a, b, send, told, recover } = createLine();
    send('SET k 1');
    send('GET k');
    send('GET other');
    a.answer(READONLY);
    a.answer('$3\r\nold');
    a.answer('$1\r\nx');
    expect(told).toEqual(['GET other: $1\r\nx']);
    await recover(b);
    expect(b.names).toEqual(['SET k 1', 'GET k']);
  });

  it('and nothing overtakes those that are held, when others are sent between', async () => {
    const { a, b, state, send, recover } = createLine();
    send('SET k 1');
    a.answer(READONLY);
    await recover(undefined);
    send('SET k 2');
    state.to = b;
    send('SET k 3');
    jest.advanceTimersByTime(20);
    expect(b.names).toEqual(['SET k 1', 'SET k 2', 'SET k 3']);
  });
});

describe('2. w1 is refused, and w2 behind it is done', () => {
  const NOREPLICAS = '-NOREPLICAS Not enough good replicas to write.';

  it('w1 is not sent again, and fails as not done', async () => {
    const { a, b, send, told, recover } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.answer(NOREPLICAS);
    a.answer('+OK');
    expect(told[0]).toContain(NOT_DONE);
    expect(told[1]).toBe('SET k 2: +OK');
    await recover(b);
    expect(b.names).toEqual([]);
  });

  it('w1 is not sent again where w2 may have been done', () => {
    const { a, send, told } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.answer(NOREPLICAS);
    a.close();
    expect(told).toEqual([expect.stringContaining(NOT_DONE), 'SET k 2: It may stand.']);
  });

  it('w1 is sent again where they have no key in common', async () => {
    const { a, send, told, recover } = createLine();
    send('SET k 1');
    send('SET other 2');
    a.answer(NOREPLICAS);
    a.answer('+OK');
    await recover(a);
    expect(a.names).toEqual(['SET k 1']);
    a.answer('+OK');
    expect(told).toEqual(['SET other 2: +OK', 'SET k 1: +OK']);
  });

  it('what may be about any key has one in common with all', () => {
    const { a, send, told } = createLine();
    send('SET k 1');
    send('FLUSHALL', { keys: [], isUnbounded: true, changesUnnamed: true });
    a.answer(NOREPLICAS);
    a.answer('+OK');
    expect(told[0]).toContain(NOT_DONE);
  });
});

describe('3. the master is another one while the old one owes answers', () => {
  it('nothing goes to the new one before they have come', () => {
    const { a, b, state, send } = createLine();
    send('SET k 1');
    state.to = b;
    send('SET k 2');
    expect(b.names).toEqual([]);
    a.answer('+OK');
    expect(b.names).toEqual(['SET k 2']);
  });

  it('an old one that stays silent is given up, and what it owes may have been done', () => {
    const { a, b, state, send, told } = createLine();
    send('SET k 1');
    state.to = b;
    send('SET k 2');
    a.silentMs = 300;
    jest.advanceTimersByTime(300);
    expect(a.isClosed).toBe(true);
    expect(told).toEqual(['SET k 1: It may stand.']);
    expect(b.names).toEqual(['SET k 2']);
  });

  it('one that answers others meanwhile is waited for, so that these do not fail', () => {
    const { a, b, state, send, told } = createLine();
    send('SET k 1');
    state.to = b;
    send('SET k 2');
    a.silentMs = 200;
    jest.advanceTimersByTime(1000);
    expect([a.isClosed, told]).toEqual([false, []]);
    a.answer('+OK');
    expect(b.names).toEqual(['SET k 2']);
  });
});

describe('5. a script is refused, or says itself what a node says that refuses', () => {
  const script = { keys: [] as Key[], isUnbounded: true, changesUnnamed: true };
  const MAYBE_DONE = 'What was sent may have been done.';

  it.each([
    'MOVED 1 127.0.0.1:1',
    'ASK 1 127.0.0.1:1',
    'MOVED 1 me',
    'READONLY',
    'READONLY mine',
    'TRYAGAIN',
    'TRYAGAIN later',
    'NOREPLICAS x',
    'LOADING my data',
    'BUSY',
    'CLUSTERDOWN so it is',
  ])('what it says itself is its reply: %s', (said) => {
    const { a, send, told } = createLine({ slot: 2 });
    for (const more of [script, { ...script, changesUnnamed: false, isWrite: false, isRepeatable: true }]) {
      send('EVAL s', more);
      a.answer(`-${said}`);
    }
    expect(told).toEqual([`EVAL s: -${said}`, `EVAL s: -${said}`]);
  });

  const SCRIPTED = `${READONLY} script: ${'0'.repeat(40)}, on @user_script:1.`;
  it.each([
    READONLY,
    SCRIPTED,
    '-LOADING Redis is loading the dataset in memory',
    '-NOREPLICAS Not enough good replicas to write.',
    '-MOVED 2 127.0.0.1:7000',
    '-TRYAGAIN Multiple keys request during rehashing of slot',
    '-CLUSTERDOWN Hash slot not served',
    '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  ])('fails as what may have been done, and is not sent again: %s', async (refusal) => {
    const { a, b, send, told, recover } = createLine({ slot: 2 });
    send('EVAL s', script);
    a.answer(refusal);
    await recover(b);
    expect(told).toEqual([`EVAL s: The shard of this key does not take commands now. ${MAYBE_DONE}`]);
    expect([...a.names, ...b.names]).toEqual([]);
  });

  it('and what comes behind it is held until it is known whom to ask', async () => {
    const { a, b, send, told, recover } = createLine();
    send('SET k 1');
    send('EVAL s', script);
    send('EVAL t', script);
    for (let n = 0; n < 3; n += 1) a.answer(READONLY);
    send('EVAL u', script);
    expect(a.names).toEqual([]);
    expect(told.filter((text) => text.endsWith(MAYBE_DONE))).toHaveLength(2);
    await recover(b);
    expect(b.names).toEqual(['SET k 1', 'EVAL u']);
  });

  it('what comes behind one that nothing was refused with is held as well', async () => {
    const { a, b, send, recover } = createLine();
    send('EVAL s', script);
    a.answer(READONLY);
    send('EVAL u', script);
    expect(a.names).toEqual([]);
    await recover(b);
    expect(b.names).toEqual(['EVAL u']);
  });
});

describe('6. what is not repeatable', () => {
  it('is not asked for again behind what was refused', async () => {
    const { a, b, send, told, recover } = createLine();
    send('SCRIPT', { keys: [] });
    send('PUBLISH c', { isWrite: false, isRepeatable: false });
    a.answer('-NOREPLICAS Not enough good replicas to write.');
    a.answer(':1');
    expect(told).toEqual(['PUBLISH c: :1']);
    await recover(b);
    expect(b.names).toEqual(['SCRIPT']);
  });
});

describe('bounds', () => {
  it('what finds no way waits for 450 ms from the first on, and is refused at once from then on', async () => {
    const { state, send, told } = createLine();
    state.to = undefined;
    send('SET k 1');
    jest.advanceTimersByTime(400);
    send('SET k 2');
    expect(told).toEqual([]);
    jest.advanceTimersByTime(70);
    expect(told).toEqual([expect.stringContaining(NOT_DONE), expect.stringContaining(NOT_DONE)]);
    send('SET k 3');
    await Promise.resolve();
    expect(told).toHaveLength(3);
  });

  it('and waits again after a time without any trouble', () => {
    const { a, state, send, told } = createLine();
    state.to = undefined;
    send('SET k 1');
    jest.advanceTimersByTime(2000);
    expect(told).toHaveLength(1);
    send('SET k 2');
    state.to = a;
    jest.advanceTimersByTime(20);
    expect(a.names).toEqual(['SET k 2']);
  });

  it('nobody waits beyond the own deadline', () => {
    const { state, send, told } = createLine();
    state.to = undefined;
    send('SET k 1', { deadlineMs: performance.now() + 50 });
    jest.advanceTimersByTime(70);
    expect(told).toEqual([expect.stringContaining(NOT_DONE)]);
  });

  it('more than may be held is refused at once, and takes nothing from those that are', async () => {
    const { a, state, send, told } = createLine();
    state.to = undefined;
    const value = 'x'.repeat(40 * 1024 * 1024);
    send(`SET k ${value}`);
    send(`SET k ${value}`);
    await Promise.resolve();
    expect(told).toHaveLength(1);
    state.to = a;
    jest.advanceTimersByTime(20);
    expect(a.sent).toHaveLength(1);
    send(`SET k ${value}`);
    expect(a.sent).toHaveLength(2);
  });

  it('what the connection has no room for fails at once, and holds nobody back', () => {
    const { a, send, told } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.sent.pop()?.fail(new Overloaded('unavailable', 'Too much to do. Nothing was done.'));
    expect(told).toEqual(['SET k 2: Too much to do. Nothing was done.']);
    send('SET k 3');
    expect(a.names).toEqual(['SET k 1', 'SET k 3']);
    a.answer('+OK');
    expect(told[1]).toBe('SET k 1: +OK');
  });

  it('an answer to what left before a refused one does not overtake it', async () => {
    const { a, send, told, recover } = createLine();
    send('SET k 1');
    send('GET k');
    send('SET k 2');
    a.sent.pop()?.fail(new NotDone('unavailable', 'It did not leave.'));
    a.answer('+OK');
    a.answer('$1\r\n1');
    expect(told).toEqual(['SET k 1: +OK', 'GET k: $1\r\n1']);
    await recover(a);
    expect(a.names).toEqual(['SET k 2']);
  });

  it('what was refused in another order goes on in the one in which it came', async () => {
    const { a, b, send, recover } = createLine();
    send('SET k 1');
    send('SET k 2');
    a.sent.pop()?.fail(new NotDone('unavailable', 'It did not leave.'));
    a.answer(READONLY);
    await recover(b);
    expect(b.names).toEqual(['SET k 1', 'SET k 2']);
  });

  it('a demotion with tens of thousands under way takes no longer for each of them', async () => {
    const { a, b, send, told, recover } = createLine();
    const count = 20_000;
    for (let n = 0; n < count; n += 1) {
      send(`SET k${n} v`);
      send(`GET other${n}`);
    }
    const startedNs = process.hrtime.bigint();
    const sent = a.sent.splice(0);
    for (const entry of sent)
      entry.settle(Buffer.from(`${entry.request.isWrite ? READONLY : '$1\r\nx'}\r\n`));
    await recover(b);
    expect(Number(process.hrtime.bigint() - startedNs) / 1e6).toBeLessThan(4000);
    expect([told.length, b.sent.length]).toEqual([count, count]);
  });

  it('a refusal that another attempt does not change is told at once', () => {
    const { a, send, told } = createLine();
    send('SET k 1');
    a.answer('-NOPERM this user has no permissions');
    expect(told).toEqual([expect.stringContaining('does not take commands')]);
  });

  it('all other errors are replies, byte for byte', () => {
    const { a, send, told } = createLine();
    const errors = ['-WRONGTYPE Operation', '-OOM command not allowed', '-BUSYKEY Target key', '-ERR x'];
    for (const error of errors) {
      send('SET k 1');
      a.answer(error);
    }
    expect(told).toEqual(errors.map((error) => `SET k 1: ${error}`));
  });
});
