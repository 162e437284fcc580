/**
 * Answers gateways that pull (`pull.ts`). Nothing is kept about them but their last question, and each is answered in a turn
 * of the event loop of its own, one gateway after the other; so a gateway that joins takes no more than some milliseconds at a
 * time from those that are served here, however much it has to be told.
 */
import type { Clock } from '../lib/clock';
import { BUCKETS } from './bucket-digest';
import type { Message } from './messages';
import type { Origins } from './origins';
import type { ReplicaStore } from './replica-store';
import { encodedSize, type VersionedEntry } from './versioned-entry';

/** Questions that wait; one for each gateway. */
const WAITING_MAX = 256;
/** Of the entries in one answer: less than a message may have, so that each costs a millisecond or two. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** Buckets are looked through for so long in one turn; the rest is asked for again. */
const ANSWER_MS_MAX = 2;
/** From one question of a pull to the next. */
const PAUSE_MS_MAX = 2000;

export type Question = Extract<Message, { type: 'digestRequest' | 'entriesRequest' }>;

export interface SyncAnswersDeps {
  readonly store: ReplicaStore;
  readonly origins: Origins;
  readonly clock: Clock;
  readonly isCaughtUp: () => boolean;
  readonly send: (message: Message, to: string) => Promise<unknown>;
}

export class SyncAnswers {
  readonly #deps: SyncAnswersDeps;
  /** The last question of each, first come first served. */
  readonly #waiting = new Map<string, Question>();
  #askedMs = -Infinity;

  constructor(deps: SyncAnswersDeps) {
    this.#deps = deps;
  }

  /** Somebody is pulling from here. */
  get isAsked(): boolean {
    return this.#deps.clock.now() - this.#askedMs < PAUSE_MS_MAX;
  }

  asked(peer: string, question: Question): void {
    // What is here may be what the others have dropped as too old.
    if (question.type === 'digestRequest' && question.isCaughtUp && !this.#deps.isCaughtUp()) return;
    this.#askedMs = this.#deps.clock.now();
    if (this.#waiting.size >= WAITING_MAX && !this.#waiting.has(peer)) return;
    if (this.#waiting.size === 0) setImmediate(() => this.#answerNext());
    this.#waiting.set(peer, question);
  }

  close(): void {
    this.#waiting.clear();
  }

  #answerNext(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [peer, question] = next;
    this.#waiting.delete(peer);
    if (this.#waiting.size > 0) setImmediate(() => this.#answerNext());
    const answer = question.type === 'digestRequest' ? this.#digest(question) : this.#entries(question);
    // It is asked again where this is lost.
    this.#deps.send(answer, peer).catch(() => undefined);
  }

  #digest({ request }: Extract<Question, { type: 'digestRequest' }>): Message {
    const { store, origins, clock, isCaughtUp } = this.#deps;
    return {
      type: 'digest',
      request,
      isCaughtUp: isCaughtUp(),
      horizon: store.horizon,
      vector: origins.vector(clock.now()),
      digest: store.digest(),
    };
  }

  #entries({ request, buckets }: Extract<Question, { type: 'entriesRequest' }>): Message {
    const { store, clock } = this.#deps;
    const startedMs = clock.now();
    const entries: VersionedEntry[] = [];
    let leftBytes = ANSWER_BYTES_MAX;
    let done = 0;
    for (const { bucket, fingerprints } of buckets) {
      if (done > 0 && clock.now() - startedMs > ANSWER_MS_MAX) break;
      const missing = bucket < BUCKETS ? store.missing(bucket, fingerprints, leftBytes) : NOTHING;
      for (const entry of missing.entries) {
        const size = encodedSize(entry);
        // One that is larger than a message travels alone.
        if (size > leftBytes && entries.length > 0) return { type: 'entriesReply', request, done, entries };
        leftBytes -= size;
        entries.push(entry);
      }
      if (missing.more || leftBytes <= 0) {
        return { type: 'entriesReply', request, done: missing.more ? done : done + 1, entries };
      }
      done += 1;
    }
    return { type: 'entriesReply', request, done, entries };
  }
}

const NOTHING = { entries: [], more: false };
