/** What the store tells of itself in INFO, remembered for some seconds: clients ask on each connect. */
import type { CacheService } from '../../../core/cache';
import type { Principal } from '../../../core/grants';
import type { Limits } from '../../../core/limits';
import type { CacheRelay, RelayedCommand } from '../../../core/relay';
import type { Clock } from '../../../lib/clock';

/** Of the masters of all shards: numbers are sums, words are those of the first one. */
export interface Facts {
  readonly redisVersion: string;
  readonly usedMemoryBytes: number;
  readonly maxMemoryBytes: number;
  readonly maxMemoryPolicy: string;
  readonly keys: number;
  readonly keysWithExpiry: number;
}

export interface StoreFacts {
  /** Asked in the name of that caller. What could not be learnt is as it was before. Never rejects. */
  read(principal: Principal): Promise<Facts>;
}

const REMEMBERED_MS = 5000;

/** Before anything was learnt, and for values that are in this process; the version whose protocol the door speaks. */
const UNKNOWN: Facts = {
  redisVersion: '7.0.0',
  usedMemoryBytes: 0,
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  keys: 0,
  keysWithExpiry: 0,
};

const INFO: RelayedCommand = {
  words: [Buffer.from('INFO')],
  isWrite: false,
  changesStrings: false,
  changesUnnamed: false,
  isRepeatable: true,
  values: [],
  scopes: [],
  keys: [],
  isUnbounded: false,
};

/** Asks nothing yet, so there is nothing to close. */
export function createStoreFacts(
  { relay }: Pick<CacheService, 'relay'>,
  clock: Clock,
  { requestTimeoutMs }: Pick<Limits, 'requestTimeoutMs'>,
): StoreFacts {
  let facts = UNKNOWN;
  let askedMs = -Infinity;
  let asking: Promise<Facts> | undefined;

  async function ask(store: CacheRelay, principal: Principal): Promise<Facts> {
    const deadlineMs = clock.now() + requestTimeoutMs;
    const shards = Array.from({ length: store.shardCount }, (_, shard) => shard);
    const texts = await Promise.all(shards.map((shard) => askShard(store, shard, principal, deadlineMs)));
    // One shard that said nothing would make the sums jump.
    if (texts.every((text) => text !== undefined)) facts = factsIn(texts);
    asking = undefined;
    askedMs = clock.now();
    return facts;
  }

  return {
    read(principal) {
      if (relay === undefined || clock.now() - askedMs < REMEMBERED_MS) return Promise.resolve(facts);
      return (asking ??= ask(relay, principal));
    },
  };
}

/** undefined: it did not say. */
function askShard(
  relay: CacheRelay,
  shard: number,
  principal: Principal,
  deadlineMs: number,
): Promise<string | undefined> {
  return new Promise<string | undefined>((resolve) => {
    relay.send(
      shard,
      principal,
      INFO,
      { protocol: 2, from: 'master', deadlineMs },
      {
        settle: (reply) => resolve(reply.toString('latin1')),
        fail: () => resolve(undefined),
      },
    );
  }).catch(() => undefined);
}

function factsIn(texts: readonly string[]): Facts {
  const [first = ''] = texts;
  const word = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(first)?.[1];
  const sum = (pattern: RegExp): number =>
    texts.map((text) => Number(pattern.exec(text)?.[1] ?? 0)).reduce((all, one) => all + one, 0);
  return {
    redisVersion: word('redis_version') ?? UNKNOWN.redisVersion,
    usedMemoryBytes: sum(/^used_memory:(\d+)/m),
    maxMemoryBytes: sum(/^maxmemory:(\d+)/m),
    maxMemoryPolicy: word('maxmemory_policy') ?? UNKNOWN.maxMemoryPolicy,
    keys: sum(/^db0:keys=(\d+)/m),
    keysWithExpiry: sum(/^db0:.*\bexpires=(\d+)/m),
  };
}
