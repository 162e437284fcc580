/** Near entries under leases: served for as long as changes are known to be announced, and not a moment longer. */
import type { Key } from '../../src/core/command';
import { NearCache } from '../../src/core/near-cache';
import type { Lease } from '../../src/core/ports';
import { createFakeClock } from '../support/fake-clock';

const K = 'k' as Key;

function createNear() {
  const clock = createFakeClock();
  const near = new NearCache({ entries: 1000, bytes: 1e6, ttlMs: 300_000, clock });
  const lease = (forMs: number): { endsMs: number } => ({ endsMs: clock.now() + forMs });
  const put = (key: string, value: string, under: Lease): void => {
    near.fill(near.takeTicket(key as Key), value, Infinity, under);
  };
  return { near, clock, lease, put };
}

it('R3: a hit ends with the lease, to the millisecond', () => {
  const { near, clock, lease, put } = createNear();
  put('k', 'v', lease(1000));
  clock.advance(999.9);
  expect(near.holds(K)).toBe(true);
  expect(near.get(K)).toBe('v');
  clock.advance(0.1);
  expect(near.holds(K)).toBe(false);
  expect(near.get(K)).toBeUndefined();
});

it('R3: a process that stood still serves nothing on waking, whatever it was told before', () => {
  const { near, clock, lease, put } = createNear();
  const held = lease(1000);
  put('k', 'v', held);
  const askedAtMs = clock.now();
  clock.advance(5000);
  // The answer lay in the socket all the time; it speaks of the moment of its question.
  held.endsMs = Math.max(held.endsMs, askedAtMs + 1000);
  expect(near.get(K)).toBeUndefined();
});

it('what was passed by under a lease that ran out is served again when that is extended: no gap, nothing lost', () => {
  const { near, clock, lease, put } = createNear();
  const held = lease(1000);
  put('k', 'v', held);
  clock.advance(1500);
  expect(near.get(K)).toBeUndefined();
  held.endsMs = clock.now() + 1000;
  expect(near.get(K)).toBe('v');
});

it('an announcement reaches what is passed by, too', () => {
  const { near, clock, lease, put } = createNear();
  const held = lease(1000);
  put('k', 'v', held);
  clock.advance(1500);
  near.forget(K);
  held.endsMs = clock.now() + 1000;
  expect(near.get(K)).toBeUndefined();
});

it('a gap voids all entries at once and for ever, and those of other nodes stay', () => {
  const { near, lease, put } = createNear();
  const [ended, other] = [lease(1000), lease(1000)];
  for (let n = 0; n < 100; n += 1) put(`ended-${n}`, 'v', ended);
  put('other', 'v', other);
  ended.endsMs = -Infinity;
  for (let n = 0; n < 100; n += 1) expect(near.get(`ended-${n}` as Key)).toBeUndefined();
  expect(near.get('other' as Key)).toBe('v');
  expect(near.status().entries).toBe(1);
});

it('R1: a value that comes after a gap is not kept, though its question was asked before', () => {
  const { near, lease } = createNear();
  const before = lease(1000);
  const ticket = near.takeTicket(K);
  before.endsMs = -Infinity;
  near.fill(ticket, 'old', Infinity, before);
  expect(near.status().entries).toBe(0);
});

it('a value that is kept before its lease was first confirmed is not served until it is', () => {
  const { near, clock, put } = createNear();
  const unconfirmed = { endsMs: 0 };
  put('k', 'v', unconfirmed);
  expect(near.get(K)).toBeUndefined();
  unconfirmed.endsMs = clock.now() + 1000;
  expect(near.get(K)).toBe('v');
});

it('a lease that runs on does not prolong the life of the key (R7)', () => {
  const { near, clock, lease } = createNear();
  near.fill(near.takeTicket(K), 'v', clock.now() + 500, lease(1000));
  clock.advance(500);
  expect(near.get(K)).toBeUndefined();
});
