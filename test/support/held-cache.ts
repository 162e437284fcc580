/** The core over an engine whose answers the test holds back, so that each interleaving happens as written. */
import { Cache, type CacheOptions } from '../../src/core/cache';
import type { Command, Key, Reply } from '../../src/core/command';
import { Grants, type Principal, type Scope } from '../../src/core/grants';
import { NearCache } from '../../src/core/near-cache';
import { LEASE_WITHOUT_END, type Change, type Engine, type Found } from '../../src/core/ports';

export const DEADLINE_MS = 2000;

export function principal(scopes: readonly Scope[], prefixes: readonly string[] = []): Principal {
  return { id: 'id', name: 'name', grants: new Grants(scopes, prefixes as Key[]) };
}
export const anyone = principal(['read', 'write', 'delete', 'admin']);

/** One question to the engine that the test answers. */
export interface Asked {
  readonly what: 'read' | 'write' | 'remove';
  readonly key: string;
  readonly details: object;
  /** A change may be answered with whether it was made. */
  answer(result: Found | Change | boolean | undefined): void;
  fail(error: Error): void;
}

/** What the engine says of a change, from what the test says. */
function changed(answer: Change | boolean): Change {
  return typeof answer === 'boolean' ? { done: answer, session: undefined } : answer;
}

export function createHeldCache(options: Partial<CacheOptions> & { nearEntries?: number } = {}) {
  const clock = { nowMs: 0, now: () => clock.nowMs, wallMs: () => 0 };
  const asked: Asked[] = [];
  const ask = (what: Asked['what'], key: Key, details: object): Promise<never> =>
    new Promise((resolve, reject) => {
      asked.push({ what, key, details, answer: resolve as unknown as Asked['answer'], fail: reject });
    });
  const engine: Engine = {
    kind: 'held',
    relay: undefined,
    read: (key, details) => ask('read', key, details),
    write: (key, bytes, details) => ask('write', key, { ...details, text: bytes.toString() }).then(changed),
    remove: (key, details) => ask('remove', key, details).then(changed),
    // eslint-disable-next-line @typescript-eslint/require-await
    scan: async function* () {
      yield [];
    },
    locate: () => Promise.resolve({ hash: 1, shard: 's', node: 'n', remainingMs: undefined }),
    placement: () => undefined,
    ready: () => true,
    status: () => [],
    close: () => Promise.resolve(),
  };
  const near = new NearCache({
    entries: options.nearEntries ?? 100,
    bytes: 1e6,
    ttlMs: 300_000,
    clock,
  });
  const cache = new Cache({
    engine,
    near,
    cipher: undefined,
    encryptByDefault: false,
    defaultTtlMs: 0,
    coherence: 'none',
    clock,
    ...options,
  });
  const run = (command: Command, by = anyone): Promise<Reply> =>
    Promise.resolve(cache.execute(by, command, DEADLINE_MS));
  return { cache, near, asked, run, clock };
}

export function found(text: string, more: Partial<Found> = {}): Found {
  const lease = LEASE_WITHOUT_END;
  return { bytes: Buffer.from(text), remainingMs: Infinity, askedAtMs: 0, source: 'replica', lease, ...more };
}
