import { CacheError } from '../../src/core/errors';
import { ChangeGroup } from '../../src/redis/change-group';
import type { SingleCommand } from '../../src/redis/commands';
import { NodeRequest } from '../../src/redis/node-request';
import { RequestWatch } from '../../src/redis/request-watch';
import { createFakeClock } from '../support/fake-clock';

/** How late an alarm may ring. */
const LATE_MS_MAX = 2;

const command: SingleCommand<unknown> = { words: ['GET', 'k'], parse: (reply) => reply };
const batch = { add: () => undefined, flush: () => undefined };
const client = { sendCommand: () => undefined };

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function setUp() {
  const clock = createFakeClock();
  const told: string[] = [];
  let heardBytes = 0;
  const watch = new RequestWatch({
    clock,
    heardBytes: () => heardBytes,
    onSilence: () => told.push('silent'),
  });
  return {
    told,
    watch,
    hear: () => (heardBytes += 1),
    ask: (name: string, waitMs: number, silenceMs = Infinity, group?: ChangeGroup): NodeRequest => {
      const asker = {
        settle: (reply: unknown, offset: number) => told.push(`${name}: ${String(reply)} at ${offset}`),
        fail: ({ code }: { code: string }) => told.push(`${name}: ${code}`),
      };
      const request = new NodeRequest(command, asker, clock.now() + waitMs, silenceMs, group);
      watch.begin(clock.now());
      request.leave(client as never, batch as never, watch);
      return request;
    },
    pass: (ms: number) => {
      for (let step = 0; step < ms; step++) {
        clock.advance(1);
        jest.advanceTimersByTime(1);
      }
    },
  };
}

it('each request ends at its own deadline, in the order in which they were asked, and an answered one by its answer', () => {
  const { ask, pass, hear, told, watch } = setUp();
  const first = ask('first', 100);
  ask('second', 200);
  ask('third', 200);
  const fourth = ask('fourth', 300);
  expect(watch.size).toBe(4);
  first.resolve('v');
  pass(199);
  expect(told).toEqual(['first: v at Infinity']);
  hear();
  pass(1 + LATE_MS_MAX);
  expect(told).toEqual(['first: v at Infinity', 'second: timeout', 'third: timeout']);
  fourth.resolve('v');
  expect(watch.size).toBe(0);
  pass(1000);
  expect(told).toHaveLength(4);
});

it('an answer that comes after the deadline is nobody’s', () => {
  const { ask, pass, told } = setUp();
  const request = ask('late', 100);
  pass(100 + LATE_MS_MAX);
  request.resolve('v');
  request.reject(new Error('lost'));
  expect(told).toEqual(['late: timeout']);
});

it('a node that sends nothing is passed over, and said to be silent before anybody asks another one', () => {
  const { ask, pass, told } = setUp();
  ask('patient', 1000);
  ask('read', 1000, 250);
  pass(249);
  expect(told).toEqual([]);
  pass(1 + LATE_MS_MAX);
  expect(told).toEqual(['silent', 'read: timeout']);
});

it('a node that sends something else meanwhile is waited for, until the deadline', () => {
  const { ask, pass, hear, told } = setUp();
  ask('read', 500, 250);
  pass(200);
  hear();
  pass(200);
  hear();
  expect(told).toEqual([]);
  pass(100 + LATE_MS_MAX);
  expect(told).toEqual(['read: timeout']);
});

it('a silence of less than a moment before the deadline is none', () => {
  const { ask, pass, told } = setUp();
  ask('short', 100);
  pass(100 + LATE_MS_MAX);
  expect(told).toEqual(['short: timeout']);
});

it('a change is told with the offset behind it, all of a turn in their order', () => {
  const { ask, told, watch } = setUp();
  const group = new ChangeGroup();
  const first = ask('first', 100, Infinity, group);
  const second = ask('second', 100, Infinity, group);
  first.resolve('OK');
  second.resolve('OK');
  expect(told).toEqual([]);
  expect(watch.size).toBe(2);
  group.settle(150);
  expect(told).toEqual(['first: OK at 150', 'second: OK at 150']);
  expect(watch.size).toBe(0);
});

it('a change that was answered stands when its deadline comes before the offset, or the offset never', () => {
  const { ask, pass, told } = setUp();
  const group = new ChangeGroup();
  ask('late', 100, Infinity, group).resolve('OK');
  const lost = ask('lost', 1000, Infinity, group);
  pass(100 + LATE_MS_MAX);
  expect(told).toEqual(['late: OK at Infinity']);
  lost.resolve('OK');
  group.fail();
  expect(told).toEqual(['late: OK at Infinity', 'lost: OK at Infinity']);
});

it('a reply whose meaning is an error fails the request', () => {
  const { watch, told } = setUp();
  const strict: SingleCommand<never> = {
    words: ['GET', 'k'],
    parse: () => {
      throw new Error('no such reply');
    },
  };
  const asker = { settle: () => told.push('settled'), fail: () => told.push('failed') };
  const request = new NodeRequest(strict, asker, Infinity, Infinity, undefined);
  watch.begin(0);
  request.leave(client as never, batch as never, watch);
  request.resolve('v');
  expect(told).toEqual(['failed']);
  expect(watch.size).toBe(0);
});

it('who is ended by one that expires before it hears once, and those that are left are watched on', () => {
  const { ask, pass, told, watch } = setUp();
  const asked: { second?: NodeRequest } = {};
  const first = new NodeRequest(
    command,
    {
      settle: () => undefined,
      fail: ({ code }) => {
        told.push(`first: ${code}`);
        asked.second?.refuse(new CacheError('unavailable', 'ended by the first'));
      },
    },
    100 + 1_000_000,
    Infinity,
    undefined,
  );
  watch.begin(1_000_000);
  first.leave(client as never, batch as never, watch);
  asked.second = ask('second', 100);
  ask('third', 200);
  pass(100 + LATE_MS_MAX);
  expect(told).toEqual(['first: timeout', 'second: unavailable']);
  expect(watch.size).toBe(1);
  pass(100 + LATE_MS_MAX);
  expect(told.at(-1)).toBe('third: timeout');
});

it('a node that said a byte and then nothing is silent from then on', () => {
  const { ask, pass, hear, told } = setUp();
  ask('asked', 5000, 250);
  pass(200);
  hear();
  pass(50 + LATE_MS_MAX);
  expect(told).toEqual([]);
  pass(250 + LATE_MS_MAX);
  expect(told).toEqual(['silent', 'asked: timeout']);
});
