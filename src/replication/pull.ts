/**
 * Gets from one peer what it has and this gateway has not. The peer keeps nothing about it and is asked one small
 * question at a time, so whoever pulls sets the pace, and both go on serving:
 *
 *   DIGEST_REQUEST   ->                        what do you have?
 *                    <-  DIGEST                its version vector and one fingerprint for each bucket of keys, of one moment
 *   ENTRIES_REQUEST  ->                        of these buckets, in which we differ, I have entries with these fingerprints
 *                    <-  ENTRIES_REPLY         the others, as many as fit; so many of the buckets are done
 *   …until all are done; then everything of that moment is here, and the vector is ours too.
 *
 * 1. The peer says DIGEST with k deleted in it  2. it forgets that deletion, which has become old  3. it is asked for k's
 *    bucket and has nothing to say of k: k would stay here. So nobody forgets while somebody pulls (`SyncAnswers`).
 * 1. A bucket is answered in part  2. some of it was refused here, being older than what is here  3. the rest is asked for: the
 *    refused ones are not here, and would be sent again, for ever. So what has come already is named as known too.
 * 1. This gateway was away  2. meanwhile k was deleted, and the deletion forgotten  3. k is still here, and the peer's digest
 *    says nothing of it. The peer's horizon, which comes with the digest, tells: then all that is not later than it goes.
 */
import type { Key } from '../core/command';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import {
  bucketOf,
  differingBuckets,
  fingerprintOf,
  FINGERPRINT_BYTES,
  hashKey,
  writeFingerprint,
} from './bucket-digest';
import type { GroupClock } from './group-clock';
import type { KnownBucket, Message } from './messages';
import type { Origins } from './origins';
import type { ReplicaStore } from './replica-store';
import { msOf, timeOf, type HybridClock } from './version';
import type { VersionedEntry } from './versioned-entry';

/** In one question, so that the answer costs the peer little. */
const ASKED_BUCKETS_MAX = 16;
const ASKED_BYTES_MAX = 32 * 1024;
/** For one answer, and how often it is asked for. */
const ANSWER_MS_MAX = 1000;
const ATTEMPTS_MAX = 3;
/** Contact errs early, by more than clocks are apart. */
export const CONTACT_MARGIN_MS = 1000;

type Digest = Extract<Message, { type: 'digest' }>;
type Answer = Digest | Extract<Message, { type: 'entriesReply' }>;

export interface PullDeps {
  readonly store: ReplicaStore;
  readonly origins: Origins;
  readonly versions: HybridClock;
  readonly groupClock: GroupClock;
  readonly clock: Clock;
  readonly log: Log;
  readonly isCaughtUp: () => boolean;
  /** What is here is older than deletions that others have forgotten: until the pull is over it is not to be served. */
  readonly onStale: () => void;
  readonly onApplied: (keys: readonly Key[]) => void;
  /** An entry lies so far in the future that it was not taken. */
  readonly onRefused: () => void;
  /** Gives how many gateways got it: one or none. */
  readonly send: (message: Message, to: string) => Promise<number>;
}

/** It did not come to its end: the peer does not answer, or the bus was lost. */
export class PullFailed extends Error {
  override readonly name = 'PullFailed';
}

/** What a pull has brought. */
export interface Pulled {
  readonly entries: number;
  /** Of them, how many were news. */
  readonly applied: number;
}

export class Puller {
  readonly #deps: PullDeps;
  #request = 0;
  #isAborted = false;
  #awaited:
    | {
        readonly peer: string;
        readonly request: number;
        readonly settle: (answer: Answer) => void;
        readonly fail: (error: Error) => void;
      }
    | undefined;

  constructor(deps: PullDeps) {
    this.#deps = deps;
  }

  /** One at a time. @throws PullFailed */
  async pull(peer: string): Promise<Pulled> {
    const { store, origins, versions, groupClock, clock, isCaughtUp } = this.#deps;
    this.#isAborted = false;
    const digest = await this.#ask(peer, (request) => ({
      type: 'digestRequest',
      request,
      isCaughtUp: isCaughtUp(),
    }));
    if (digest.type !== 'digest') throw new PullFailed('not the answer to the question');
    if (!versions.observe(digest.horizon)) throw new PullFailed('a horizon that lies too far ahead');
    const asOfMs = groupClock.nowMs() - CONTACT_MARGIN_MS;
    await this.#dropStale(digest.horizon);
    const pulled = await this.#pullBuckets(peer, differingBuckets(store.digest(), digest.digest));
    origins.merge(digest.vector, clock.now());
    store.horizon = Math.max(store.horizon, digest.horizon);
    const cleanMs = digest.horizon > 0 ? msOf(digest.horizon) + 1 : 0;
    store.contact = Math.max(store.contact, digest.isCaughtUp ? asOfMs : 0, cleanMs);
    return pulled;
  }

  /** Takes what a peer answers. Late and unasked answers are dropped. */
  answered(peer: string, answer: Answer): void {
    if (this.#awaited?.peer !== peer || this.#awaited.request !== answer.request) return;
    this.#awaited.settle(answer);
  }

  /** The bus was lost: what is under way fails now. */
  abort(): void {
    this.#isAborted = true;
    this.#awaited?.fail(lost());
  }

  #fail(request: number, failure: PullFailed): void {
    if (this.#awaited?.request === request) this.#awaited.fail(failure);
  }

  /** Frees this gateway of what may have been deleted while it was away; page by page, since nobody reads meanwhile. */
  async #dropStale(horizon: number): Promise<void> {
    const { store, log, onStale, onApplied } = this.#deps;
    if (horizon === 0 || horizon <= timeOf(store.contact)) return;
    onStale();
    let dropped = 0;
    for (const keys of store.dropUpTo(horizon)) {
      dropped += keys.length;
      onApplied(keys);
      await nextTurn();
    }
    if (dropped > 0) {
      log.warn(
        { dropped },
        'away for longer than deletions are remembered: what may have been deleted was dropped',
      );
    }
  }

  async #pullBuckets(peer: string, buckets: readonly number[]): Promise<Pulled> {
    const { store } = this.#deps;
    let [at, entries, applied] = [0, 0, 0];
    // Of the first bucket that is not done, as fingerprints.
    let cameBefore: Buffer = Buffer.alloc(0);
    while (at < buckets.length) {
      const asked: KnownBucket[] = [];
      let bytes = 0;
      for (const bucket of buckets.slice(at, at + ASKED_BUCKETS_MAX)) {
        const here = store.fingerprints(bucket);
        const fingerprints = asked.length === 0 ? Buffer.concat([here, cameBefore]) : here;
        bytes += fingerprints.length;
        if (asked.length > 0 && bytes > ASKED_BYTES_MAX) break;
        asked.push({ bucket, fingerprints });
      }
      const reply = await this.#ask(peer, (request) => ({ type: 'entriesRequest', request, buckets: asked }));
      if (reply.type !== 'entriesReply' || reply.done > asked.length) {
        throw new PullFailed('not the answer to the question');
      }
      if (reply.done === 0 && reply.entries.length === 0) throw new PullFailed('an answer without an end');
      applied += applyEntries(reply.entries, this.#deps).length;
      entries += reply.entries.length;
      at += reply.done;
      const came = fingerprintsIn(reply.entries, buckets[at]);
      cameBefore = reply.done === 0 ? Buffer.concat([cameBefore, came]) : came;
    }
    return { entries, applied };
  }

  async #ask(peer: string, question: (request: number) => Message): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#isAborted) throw lost();
      const request = (this.#request = (this.#request + 1) >>> 0);
      const answer = new Promise<Answer>((settle, fail) => {
        this.#awaited = { peer, request, settle, fail };
      });
      try {
        this.#deps.send(question(request), peer).then(
          (receivers) => {
            if (receivers === 0) this.#fail(request, new PullFailed('the peer has gone'));
          },
          // A question that was not taken is like one that is not answered.
          () => undefined,
        );
        return await withDeadline(answer, ANSWER_MS_MAX, () => new Error('no answer'));
      } catch (cause) {
        if (cause instanceof PullFailed) throw cause;
        if (attempt === ATTEMPTS_MAX) throw new PullFailed('the peer does not answer', { cause });
      } finally {
        this.#awaited = undefined;
      }
    }
  }
}

function lost(): PullFailed {
  return new PullFailed('the bus was lost');
}

/** Merges entries of others, and gives the keys under which something changed. */
export function applyEntries(
  entries: readonly VersionedEntry[],
  deps: Pick<PullDeps, 'store' | 'versions' | 'onApplied' | 'onRefused'>,
): readonly Key[] {
  const keys: Key[] = [];
  for (const entry of entries) {
    // What lies far in the future would win over everything for as long.
    if (!deps.versions.observe(entry.time)) deps.onRefused();
    else if (deps.store.apply(entry)) keys.push(entry.key);
  }
  if (keys.length > 0) deps.onApplied(keys);
  return keys;
}

function fingerprintsIn(entries: readonly VersionedEntry[], bucket: number | undefined): Buffer {
  const fingerprints: Buffer[] = [];
  for (const entry of entries) {
    const hash = hashKey(entry.key);
    if (bucketOf(hash) !== bucket) continue;
    const fingerprint = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    writeFingerprint(fingerprintOf(hash, entry), fingerprint, 0);
    fingerprints.push(fingerprint);
  }
  return Buffer.concat(fingerprints);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
