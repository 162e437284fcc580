/** The near cache against the simplest thing that keeps its rules: an array of entries in the order of their last use. */
import * as fc from 'fast-check';
import { Json, type Key, type Value } from '../../src/core/command';
import { NearCache, type Ticket } from '../../src/core/near-cache';
import type { Lease } from '../../src/core/ports';
import { sizeOf } from '../../src/core/near-entries';

const TTL_MS = 100;

interface Entry {
  readonly key: Key;
  readonly value: Value;
  readonly expiresAtMs: number;
  readonly lease: Lease;
  isVoid: boolean;
}

/** Every look-up goes through all entries, and every one is an object: slow, and easy to believe. */
class Model {
  entries: Entry[] = [];
  evictions = 0;
  constructor(
    readonly entriesMax: number,
    readonly bytesMax: number,
  ) {}

  get bytes(): number {
    return this.entries.reduce((sum, { key, value }) => sum + sizeOf(key, value), 0);
  }

  get live(): Entry[] {
    return this.entries.filter(({ isVoid }) => !isVoid);
  }

  drop(key: Key): Entry | undefined {
    const entry = this.entries.find((each) => each.key === key);
    this.entries = this.entries.filter((each) => each !== entry);
    return entry;
  }

  get(key: Key, nowMs: number): Value | undefined {
    const entry = this.drop(key);
    if (entry === undefined) return undefined;
    const isKept = !entry.isVoid && nowMs < entry.expiresAtMs;
    // Used, whether it is served or passed by.
    if (isKept && entry.lease.endsMs !== -Infinity) this.entries.push(entry);
    return isKept && nowMs < entry.lease.endsMs ? entry.value : undefined;
  }

  fill(entry: Entry): void {
    this.drop(entry.key);
    const size = sizeOf(entry.key, entry.value);
    if (size > this.bytesMax) return;
    while (this.entries.length >= this.entriesMax || this.bytes + size > this.bytesMax) {
      if (this.entries.shift()?.isVoid === false) this.evictions += 1;
    }
    this.entries.push(entry);
  }
}

const keys = fc.integer({ min: 0, max: 30 }).map((number) => `k${number}` as Key);
const values = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.json({ maxDepth: 1 }).map((text) => new Json(text)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(1023, 1024, 1025, 1500).map((length) => Buffer.alloc(length, 0xe9)),
);
const leaseAt = fc.integer({ min: 0, max: 2 });
const acts = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('get' as const), key: keys }) },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('fill' as const),
      key: keys,
      value: values,
      lifeMs: fc.constantFrom(Infinity, Infinity, 0, 30),
      leaseAt,
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('take' as const), key: keys }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('give' as const), value: values }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('forget' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('forgetAll' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('lease' as const),
      leaseAt,
      forMs: fc.constantFrom(-Infinity, 0, 50, 500),
    }),
  },
);

it('answers, evicts, counts and lists as the model does, whatever happens', () => {
  const limits = fc.record({
    entries: fc.integer({ min: 1, max: 20 }),
    bytes: fc.integer({ min: 300, max: 6000 }),
  });
  fc.assert(
    fc.property(limits, fc.array(acts, { maxLength: 200 }), ({ entries, bytes }, list) => {
      let nowMs = 1000;
      const clock = { now: () => nowMs, wallMs: () => 0 };
      const near = new NearCache({ entries, bytes, ttlMs: TTL_MS, clock });
      const model = new Model(entries, bytes);
      const leases = [0, 1, 2].map(() => ({ endsMs: 2000 }));
      const out: { ticket: Ticket; key: Key; isValid: boolean }[] = [];
      const fill = (ticket: Ticket, entry: Entry, isValid: boolean): void => {
        near.fill(ticket, entry.value, entry.expiresAtMs, entry.lease);
        const expiresAtMs = Math.min(nowMs + TTL_MS, entry.expiresAtMs);
        const isWanted = isValid && expiresAtMs > nowMs && entry.lease.endsMs !== -Infinity;
        if (isWanted) model.fill({ ...entry, expiresAtMs });
      };
      for (const act of list) {
        switch (act.what) {
          case 'get':
            expect(near.get(act.key)).toStrictEqual(model.get(act.key, nowMs));
            break;
          case 'fill': {
            const { key, value, lifeMs } = act;
            const lease = leases[act.leaseAt] as Lease;
            fill(
              near.takeTicket(key),
              { key, value, expiresAtMs: nowMs + lifeMs, lease, isVoid: false },
              true,
            );
            break;
          }
          case 'take':
            out.push({ ticket: near.takeTicket(act.key), key: act.key, isValid: true });
            break;
          case 'give': {
            const given = out.shift();
            if (given === undefined) break;
            const { ticket, key, isValid } = given;
            const lease = leases[0] as Lease;
            fill(ticket, { key, value: act.value, expiresAtMs: Infinity, lease, isVoid: false }, isValid);
            break;
          }
          case 'forget':
            near.forget(act.key);
            model.drop(act.key);
            for (const each of out) if (each.key === act.key) each.isValid = false;
            break;
          case 'forgetAll':
            near.forgetAll();
            for (const entry of model.entries) entry.isVoid = true;
            for (const each of out) each.isValid = false;
            break;
          case 'wait':
            nowMs += act.ms;
            break;
          case 'lease': {
            // What has ended for ever is followed by another one.
            const lease = leases[act.leaseAt] as { endsMs: number };
            if (lease.endsMs === -Infinity) leases[act.leaseAt] = { endsMs: nowMs + 500 };
            else lease.endsMs = nowMs + act.forMs;
            break;
          }
        }
        const { live } = model;
        expect(near.status()).toMatchObject({
          entries: live.length,
          bytes: live.reduce((sum, { key, value }) => sum + sizeOf(key, value), 0),
          evictions: model.evictions,
        });
      }
      const listed = [...near.keyPages(3)].flat();
      const kept = model.live.filter(({ expiresAtMs }) => nowMs < expiresAtMs);
      expect(listed).toEqual(kept.map(({ key }) => key).reverse());
      for (const { key, expiresAtMs, lease } of kept)
        expect(near.holds(key)).toBe(nowMs < Math.min(expiresAtMs, lease.endsMs));
    }),
    { numRuns: 300 },
  );
});
