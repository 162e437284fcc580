/** Links of sessions to a store that opens and ends them as the test says. */
import type { Key } from '../../src/core/command';
import type { LinkOptions } from '../../src/core/ports';
import { OwnLink } from '../../src/doors/resp/own-link';
import type { SessionWork } from '../../src/doors/resp/session-work';
import { Budget } from '../../src/lib/budget';

const KEY = 'k' as Key;

function open(upstreamsMax: number) {
  const upstreams = new Budget(upstreamsMax);
  const opened: LinkOptions[] = [];
  let closed = 0;
  let nowMs = 0;
  let fault: Error | undefined;
  const work = {
    state: { deps: { upstreams, clock: { now: () => nowMs } } },
    relay: {
      placeOf: () => 0,
      open: (_at: Key, options: LinkOptions) => {
        opened.push(options);
        return fault === undefined ? Promise.resolve({ close: () => (closed += 1) }) : Promise.reject(fault);
      },
    },
  } as unknown as SessionWork;
  return {
    upstreams,
    opened,
    closed: () => closed,
    advance: (ms: number) => (nowMs += ms),
    fail: (error: Error) => (fault = error),
    link: () => new OwnLink(work),
  };
}

test('there are only so many of all sessions, and each that ends makes room', async () => {
  const { upstreams, opened, link } = open(2);
  const [first, second, third] = [link(), link(), link()];
  await first.open(KEY, 2, 0);
  await first.open(KEY, 2, 0);
  await second.open(KEY, 2, 0);
  await expect(third.open(KEY, 2, 0)).rejects.toMatchObject({ code: 'throttled' });
  expect(opened).toHaveLength(2);
  first.drop();
  await third.open(KEY, 2, 0);
  expect(upstreams.taken).toBe(2);
  opened[1]!.onEnd();
  second.close();
  expect(upstreams.taken).toBe(1);
  third.close();
  third.close();
  expect(upstreams.taken).toBe(0);
});

test('one that could not be opened takes up no room', async () => {
  const { upstreams, fail, link } = open(1);
  fail(new Error('no'));
  await expect(link().open(KEY, 2, 0)).rejects.toThrow('no');
  expect(upstreams.taken).toBe(0);
  const ended = link();
  ended.close();
  await expect(ended.open(KEY, 2, 0)).rejects.toThrow();
  expect(upstreams.taken).toBe(0);
});

test('one that rests is closed after half a minute', async () => {
  const { closed, advance, link } = open(1);
  const held = link();
  await held.open(KEY, 2, 0);
  advance(100_000);
  held.rest();
  held.dropIdle();
  advance(29_000);
  held.dropIdle();
  expect(closed()).toBe(0);
  advance(2000);
  held.dropIdle();
  expect(closed()).toBe(1);
});
