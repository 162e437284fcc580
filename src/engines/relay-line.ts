/**
 * The order of relayed requests whose keys are at one place, whatever becomes of them. All go to one connection as long
 * as nothing goes wrong, and the server keeps their order there. What cannot leave, and what was refused as not done and
 * is to be sent again, stands in one line, first in, first out, and everything that comes meanwhile behind it.
 *
 * 1. **A demoted master refuses w1 and w2 while w3 arrives.** w1's refusal closes the way: w3 is held. The answers to all
 *    that left behind w1 are awaited: w2 joins w1. Then both go to the new master in their order, and w3 behind them. A
 *    read that left behind w1 and was answered has not seen w1: its answer is dropped, and it joins them too.
 * 2. **w1 is refused, and w2 behind it is done** (no replica was there to take w1, then one was). Sent again w1 would
 *    undo w2 where they have a key in common: so it is not, and fails as not done.
 * 3. **The master is another one while the old one owes answers.** Whatever comes goes to the new one only when those
 *    have come: what the old one refuses must be in front of it. An old one that stays silent is given up (GIVE_UP_MS):
 *    what it owes fails as what may have been done.
 *    One that is slow, with the answers to other lines on their way, is waited for: closing it would fail those too.
 * 4. **The connection ends between w1's answer and that to the ROLE behind it.** w1 is done, and answered so
 *    (`offset-group.ts`); what has no answer fails, and only what never left is sent again.
 * 5. **A script is refused, or says itself what a node says that refuses.** It may have been carried out, so it fails and is
 *    never sent again. The way is closed as in 1 until it is known whether the node is the right one, so that of a row of
 *    scripts only those fail that were under way.
 * 6. **PUBLISH left behind a script that was refused, and is answered.** Asked again it would be published twice: its answer
 *    counts, as those of all that is not repeatable.
 */
import type { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';
import { MaybeRefused, NotDone, Overloaded, Redirected, unreachable } from '../redis/redis-errors';
import { HOLD_MS } from './master-wait';
import type { RelayChannel } from './relay-channel';
import type { RelayEntry, RelayJudge } from './relay-entry';
import type { RelayHold } from './relay-hold';
import { RelayRefused } from './relay-refused';
import { Spell } from './spell';

export interface RelayLineDeps {
  readonly clock: Clock;
  readonly hold: RelayHold;
  /** See `RelayJudge`. */
  readonly slot: number | undefined;
  /** On which the entry would leave now; undefined: on none, and what can be done for it is under way. */
  channelFor(entry: RelayEntry): RelayChannel | undefined;
  /**
   * These were refused. Resolves when it may be otherwise. What must not be sent again gets an `untilMs` that is past.
   * Never rejects.
   */
  recover(refused: readonly RelayEntry[], pauseMs: number): Promise<void>;
}

/** Between two attempts, at first; twice as long each time. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 80;
/** How often those that are held are looked after, besides when something happens. */
const TICK_MS = 10;
/** How long those that are held wait for answers of a node that they do not go to. */
const GIVE_UP_MS = 250;

export class RelayLine implements RelayJudge {
  readonly slot: number | undefined;
  readonly #deps: RelayLineDeps;
  /** Without an answer, all on the channel `#via`. */
  #underWay = 0;
  #via: RelayChannel | undefined;
  /** How many were sent. */
  #sent = 0;
  /** Refused, while others that left behind them have no answer yet. */
  readonly #refused = new RelayRefused();
  /** Failed as `MaybeRefused`: why is to be looked into before anything else leaves. */
  #maybeRefused: RelayEntry | undefined;
  /** Held back, in their order. */
  #held: RelayEntry[] = [];
  #isRecovering = false;
  #pauseMs = PAUSE_MS_MIN;
  /** There is nobody to send to. After HOLD_MS of that, whatever comes is refused at once. */
  readonly #missing = new Spell();
  /** What is sent is refused. After HOLD_MS of that, nothing is sent again. */
  readonly #refusing = new Spell();
  /** Since when those that are held wait for others on another channel. */
  #blockedSinceMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: RelayLineDeps) {
    this.#deps = deps;
    this.slot = deps.slot;
  }

  /** Sends it now or, behind those that are held, as soon as it can leave. */
  send(entry: RelayEntry): void {
    if (!this.#isClosed) {
      const channel = this.#deps.channelFor(entry);
      if (channel !== undefined && (this.#underWay === 0 || channel === this.#via)) {
        this.#dispatch(entry, channel);
        return;
      }
      if (channel === undefined) this.#missing.meet(this.#deps.clock.now());
    }
    entry.untilMs = entry.deadlineMs;
    if (this.#isOver(entry, this.#deps.clock.now()) || !this.#deps.hold.take(entry)) {
      // Whoever sends may not be ready to hear of it yet.
      queueMicrotask(() => entry.request.fail(unreachable()));
      return;
    }
    this.#held.push(entry);
    this.#tickSoon();
  }

  accepts(entry: RelayEntry): boolean {
    this.#underWay -= 1;
    const { request } = entry;
    if (this.#refused.size === 0) {
      // Reads are answered by those that refuse writes, too.
      if (request.isWrite) this.#calm();
      if (this.#maybeRefused !== undefined) this.#drained();
      else if (this.#held.length > 0) this.#pump();
      return true;
    }
    if (request.isRepeatable && this.#refused.hasBefore(entry)) {
      this.#joinRefused(entry, entry.refusal ?? unreachable());
      return false;
    }
    if (request.isWrite) this.#failOvertaken(entry);
    this.#drained();
    return true;
  }

  fails(entry: RelayEntry, error: CacheError): void {
    this.#underWay -= 1;
    if (error instanceof NotDone && !(error instanceof Overloaded)) {
      this.#joinRefused(entry, error);
      return;
    }
    if (error instanceof MaybeRefused) {
      entry.refusal = error.refusal;
      this.#maybeRefused ??= entry;
    } else if (entry.request.isWrite && !(error instanceof NotDone)) this.#failOvertaken(entry);
    this.#drained();
    entry.request.fail(error);
  }

  /** Something has changed: those that are held may leave. */
  wake(): void {
    if (this.#held.length > 0) this.#pump();
  }

  /** Whatever comes is held. */
  get #isClosed(): boolean {
    return this.#held.length > 0 || this.#isStopped;
  }

  /** Nothing leaves before it is known why something was refused. */
  get #isStopped(): boolean {
    return this.#isRecovering || this.#refused.size > 0 || this.#maybeRefused !== undefined;
  }

  #dispatch(entry: RelayEntry, channel: RelayChannel): void {
    this.#missing.end();
    this.#underWay += 1;
    this.#sent += 1;
    entry.order = this.#sent;
    this.#via = channel;
    channel.send(entry);
  }

  #joinRefused(entry: RelayEntry, refusal: CacheError): void {
    const nowMs = this.#deps.clock.now();
    entry.refusal = refusal;
    entry.untilMs = entry.deadlineMs;
    // Where a slot moves, what it meets on its way is no outage.
    if (!(refusal instanceof Redirected)) {
      this.#refusing.meet(nowMs);
      entry.untilMs = Math.min(entry.deadlineMs, this.#refusing.sinceMs + HOLD_MS);
    }
    if (!this.#isOver(entry, nowMs) && this.#deps.hold.take(entry)) {
      this.#refused.add(entry);
      this.#tickSoon();
      this.#drained();
    } else {
      this.#drained();
      entry.request.fail(refusal);
    }
  }

  /** These would undo what was done behind them, or may have been: they are not sent again. */
  #failOvertaken(by: RelayEntry): void {
    for (const entry of this.#refused.takeBefore(by)) this.#drop(entry);
  }

  /** When all have their answers, those that were refused are tried again, in front of those that came meanwhile. */
  #drained(): void {
    if (this.#underWay > 0 || this.#isRecovering) return;
    if (!this.#isStopped) {
      this.wake();
      return;
    }
    const refused = this.#refused.takeAll();
    const maybeRefused = this.#maybeRefused;
    this.#maybeRefused = undefined;
    this.#held = [...refused, ...this.#held];
    this.#isRecovering = true;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    const reasons = maybeRefused === undefined ? refused : [...refused, maybeRefused];
    void this.#deps.recover(reasons, pauseMs).then(() => {
      this.#isRecovering = false;
      this.#expire();
      this.#drained();
    });
  }

  /** Sends what can leave. */
  #pump(): void {
    if (this.#isStopped) return;
    let sent = 0;
    let isBlocked = false;
    for (const entry of this.#held) {
      const channel = this.#deps.channelFor(entry);
      if (channel === undefined) {
        this.#missing.meet(this.#deps.clock.now());
        break;
      }
      isBlocked = this.#underWay > 0 && channel !== this.#via;
      if (isBlocked) break;
      this.#deps.hold.release(entry);
      this.#dispatch(entry, channel);
      sent += 1;
    }
    if (sent > 0) this.#held = this.#held.slice(sent);
    if (!isBlocked || sent > 0) this.#blockedSinceMs = undefined;
    if (isBlocked) this.#blockedSinceMs ??= this.#deps.clock.now();
    this.#tickSoon();
  }

  #tickSoon(): void {
    if (this.#held.length + this.#refused.size === 0) return;
    this.#deps.hold.waiting.add(this);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tick();
    }, TICK_MS);
  }

  #tick(): void {
    this.#expire();
    if (this.#held.length > 0) this.#pump();
    else if (this.#refused.size === 0) this.#deps.hold.waiting.delete(this);
    const blockedSinceMs = this.#blockedSinceMs;
    const isBlocked = blockedSinceMs !== undefined && this.#deps.clock.now() - blockedSinceMs >= GIVE_UP_MS;
    if (isBlocked && this.#via !== undefined && this.#via.silentMs >= GIVE_UP_MS) {
      this.#blockedSinceMs = undefined;
      this.#via.close();
    }
    this.#tickSoon();
  }

  /** Those that have waited long enough are refused. */
  #expire(): void {
    const nowMs = this.#deps.clock.now();
    const isOver = (entry: RelayEntry): boolean => this.#isOver(entry, nowMs);
    const refusedOver = [...this.#refused.all()].filter(isOver);
    const over = [...refusedOver, ...this.#held.filter(isOver)];
    if (over.length === 0) return;
    for (const entry of refusedOver) this.#refused.delete(entry);
    this.#held = this.#held.filter((entry) => !isOver(entry));
    for (const entry of over) this.#drop(entry);
  }

  #drop(entry: RelayEntry): void {
    this.#deps.hold.release(entry);
    entry.request.fail(entry.refusal ?? unreachable());
  }

  /** It has waited long enough, or everybody has for a way to leave. */
  #isOver({ untilMs }: RelayEntry, nowMs: number): boolean {
    return nowMs >= Math.min(untilMs, this.#missing.sinceMs + HOLD_MS);
  }

  #calm(): void {
    this.#refusing.end();
    this.#pauseMs = PAUSE_MS_MIN;
  }
}
