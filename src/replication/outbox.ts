/**
 * What this gateway announces: the entries of one turn of the event loop, cut into messages that are numbered without a gap.
 * Nothing is kept to be sent again. While the bus is away, or takes less than is written, messages are left out; their
 * numbers are used up all the same, so the others see that they lack something and ask for it (`sync.ts`).
 *
 * An announcement is through as soon as the others can know of it: the bus has taken the message, or a later heartbeat, which
 * tells how far the numbers go. So a reader that has heard everything the bus took until some moment (`barrier`) knows of
 * every write that was acked before, or at least that it lacks one.
 *
 *   1. a message is sent  2. the connection ends, nobody knows whether it was taken  3. the next connection is up, and the
 *   heartbeat that is sent first on it is taken: now the announcement is through, whether 1. arrived or not
 */
import { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';
import { encodeMessage, ENTRIES_BYTES_MAX } from './messages';
import type { Origins } from './origins';
import type { PublisherState } from './pubsub-link';
import { encodedSize, type VersionedEntry } from './versioned-entry';

/** Of messages that are sent and not taken yet; what comes on top is left out. */
const SENT_BYTES_MAX = 64 * 1024 * 1024;

export interface OutboxDeps {
  readonly id: string;
  readonly clock: Clock;
  readonly origins: Origins;
  /** Of the bus, at this moment. */
  readonly publisher: () => PublisherState;
  /** Resolves when the bus has taken it; rejects when it has not, or nobody knows. */
  readonly publish: (message: Buffer) => Promise<unknown>;
}

interface Announcement {
  readonly entries: readonly VersionedEntry[];
  readonly wantsAck: boolean;
  readonly deadlineMs: number;
  readonly through: (seq: number) => void;
  readonly fail: (error: CacheError) => void;
}

interface Waiting {
  readonly seq: number;
  readonly deadlineMs: number;
  readonly through: (seq: number) => void;
  readonly fail: (error: CacheError) => void;
}

export class Outbox {
  readonly #deps: OutboxDeps;
  /** Of this turn. */
  #announcements: Announcement[] = [];
  #seq = 0;
  /** Others can know of everything up to here. */
  #takenSeq = 0;
  #sentBytes = 0;
  /** In the order of their numbers. */
  #waiting: Waiting[] = [];

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
  }

  /** The number of the last message; 0: there was none. */
  get seq(): number {
    return this.#seq;
  }

  /** Uses up a number for what is here and was never announced, so that others ask for it. */
  skip(): void {
    this.#seq += 1;
    this.#deps.origins.received(this.#deps.id, this.#seq, this.#deps.clock.now());
  }

  /**
   * Resolves with the number of the message that has the last of the entries, when it is through or the bus is away.
   * @throws CacheError `timeout` when neither is known by the deadline; the entries reach the others nevertheless
   */
  announce(
    entries: readonly VersionedEntry[],
    options: { readonly wantsAck: boolean; readonly deadlineMs: number },
  ): Promise<number> {
    return new Promise((through, fail) => {
      if (this.#announcements.length === 0) setImmediate(() => this.flush());
      this.#announcements.push({ entries, ...options, through, fail });
    });
  }

  /** Sends what was announced in this turn. */
  flush(): void {
    const announcements = this.#announcements;
    this.#announcements = [];
    let message: VersionedEntry[] = [];
    let bytes = 0;
    let wantsAck = false;
    const send = (): void => {
      if (message.length > 0) this.#send(message, bytes, wantsAck);
      message = [];
      bytes = 0;
      wantsAck = false;
    };
    for (const { entries, wantsAck: isWanted, deadlineMs, through, fail } of announcements) {
      for (const entry of entries) {
        const size = encodedSize(entry);
        if (bytes + size > ENTRIES_BYTES_MAX) send();
        message.push(entry);
        bytes += size;
        wantsAck ||= isWanted;
      }
      // The message that the last of them is in has the next number.
      this.#waiting.push({ seq: this.#seq + (message.length > 0 ? 1 : 0), deadlineMs, through, fail });
    }
    send();
    this.taken(this.#deps.publisher() === 'down' ? this.#seq : this.#takenSeq);
  }

  /** The bus has taken a message that tells of all numbers up to this one. */
  taken(seq: number): void {
    this.#takenSeq = Math.max(this.#takenSeq, seq);
    let count = 0;
    for (const waiting of this.#waiting) {
      if (waiting.seq > seq) break;
      waiting.through(waiting.seq);
      count += 1;
    }
    if (count > 0) this.#waiting.splice(0, count);
  }

  /** The bus is away: nobody waits for it. */
  away(): void {
    this.taken(this.#seq);
  }

  /** To be called at a steady pace: tells those whose time is up. */
  tick(): void {
    const nowMs = this.#deps.clock.now();
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { fail } of late) {
      fail(new CacheError('timeout', 'The bus did not take it in time. A WRITE or DELETE may stand.'));
    }
  }

  #send(entries: readonly VersionedEntry[], bytes: number, wantsAck: boolean): void {
    const { id, clock, origins, publisher, publish } = this.#deps;
    const seq = ++this.#seq;
    origins.received(id, seq, clock.now());
    if (publisher() !== 'up' || (this.#sentBytes > 0 && this.#sentBytes + bytes > SENT_BYTES_MAX)) return;
    this.#sentBytes += bytes;
    publish(encodeMessage(id, { type: 'entries', seq, wantsAck, entries })).then(
      () => {
        this.#sentBytes -= bytes;
        this.taken(seq);
      },
      () => {
        this.#sentBytes -= bytes;
        // A refusal of the bus; where the connection has ended, a heartbeat on the next one follows.
        if (publisher() === 'up') this.taken(seq);
      },
    );
  }
}
