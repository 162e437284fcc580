/**
 * When this gateway asks another one for what it lacks (`pull.ts`), and when it has everything.
 *
 * What can be missing shows in three ways: a number was left out (`origins.ts`), a peer has reached what is not reached here, or
 * digests differ though nothing is missing and nothing on its way. On one subscription nothing is lost, and what a gateway
 * published before a heartbeat of its own comes before that: so a number that the heartbeat of its own origin tells of, and that is not
 * here, will not come any more.
 *
 *   1. This gateway's subscription is cut, W publishes 7, the subscription is made anew: nothing tells of 7. So a new
 *      subscription begins with a heartbeat that asks everybody for theirs, and W's says 7. Until they have come, `isSettled` is
 *      false and nobody is told that everything acked is here.
 *   2. The same, and W ends before it is asked. Others have 7 in their vectors: it is pulled from them.
 *   3. W's 7 is on its way, P has it already and says so in its heartbeat. It is no gap: P's word is believed after
 *      HEARSAY_MS only, W's own at once.
 *   4. W's 7 was never taken by the bus, and W ended. Its 8 had been taken: a gap that nobody can fill. It is in nobody's
 *      vector, so nobody is asked for it.
 *   5. Three start together, each waiting for the others to be ready. Those that are not ready answer one another.
 *   6. A pulls from B, and meanwhile C from A: C gets half of what B has, but not A's claim to have it, since vectors are
 *      merged at the end of a pull; and A is not ready. C asks B as well.
 *   7. A gateway was away for longer than deletions are remembered (`pull.ts`, third story). It is not ready until it has
 *      dropped what is too old and has pulled from everybody.
 *   8. A gateway starts with a snapshot, and has in it what nobody else has. No message ever told of it, so it uses up a
 *      number for it, and the others pull when it is ready.
 *   9. A peer answers no more in the middle of a pull: it is not asked again for a while, and another one is.
 *  10. The bus comes back, and a gateway that starts meanwhile is on it before the others are: it counts nobody. So it waits for them as
 *      for those that are counted and silent.
 */
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { GroupClock } from './group-clock';
import type { Origins } from './origins';
import type { Peer, Peers } from './peers';
import { CONTACT_MARGIN_MS, PullFailed, type Puller } from './pull';
import type { ReplicaStore } from './replica-store';
import { timeOf } from './version';

/** How long a new subscription waits for those that were there, or are said to be. */
const SETTLE_MS = 600;
/** How long a gateway that starts waits for gateways that the bus counts, but that say nothing. */
const SILENT_START_MS = 1200;
/** How long what one gateway says of another one's messages may run ahead of these. */
const HEARSAY_MS = 250;
/** Heartbeats running with another digest, before it is believed. */
const MISMATCHES_MAX = 2;
/** For a peer that does not answer, or from which nothing came that was said to differ: the first pause and the longest. */
const PAUSE_MS = 500;
const PAUSE_MS_MAX = 60_000;

/** How often a peer is asked in vain, before a gateway is content with what the others have. */
const FAILURES_MAX = 3;

type Reason = 'start' | 'gap' | 'digest';

interface Errand {
  readonly peer: Peer;
  readonly reason: Reason;
}

export interface SyncDeps {
  readonly id: string;
  readonly clock: Clock;
  readonly groupClock: GroupClock;
  readonly log: Log;
  readonly store: ReplicaStore;
  readonly origins: Origins;
  readonly peers: Peers;
  readonly puller: Puller;
  /** Something may have arrived for which somebody waits. */
  readonly onProgress: () => void;
}

export class Sync {
  readonly #deps: SyncDeps;
  #isCaughtUp = false;
  /** Since when this gateway tries to become so. */
  #startedMs: number;
  /** Until the present subscription: the others may be on their way back too, and are not counted yet. */
  #wasBusAway = false;
  /** Of the present subscription; undefined: there is none. */
  #subscribedMs: number | undefined;
  /** Something of one's own has come back on it. */
  #isProven = false;
  #isSettled = false;
  /** How many others the bus counts; undefined: not known yet. */
  #others: number | undefined;
  /** Who was there before the present subscription and has not been heard on it, and who has. */
  #awaited = new Set<string>();
  #heard = new Set<string>();
  #isPulling = false;
  /** Since when an origin has a gap; -Infinity: by its own word. */
  readonly #gaps = new Map<string, number>();

  constructor(deps: SyncDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
  }

  /** Everything that was there at the start is here, and nothing of it is too old. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** Whatever the bus took before the present subscription is here, or is known to be missing. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Something is known to be missing that somebody has who is there, and who can have told of a SUCCESS. */
  get isBehind(): boolean {
    const { clock, origins, peers } = this.#deps;
    const nowMs = clock.now();
    const holders = peers.present(nowMs).filter(({ heartbeat }) => heartbeat.isCaughtUp);
    return holders.some(
      ({ id, heartbeat }) => origins.hasGap(id) || !origins.includes(heartbeat.vector, nowMs),
    );
  }

  subscribed(wasBusAway: boolean): void {
    this.#subscribedMs = this.#deps.clock.now();
    this.#others = undefined;
    this.#awaited = new Set(this.#deps.peers.all().map(({ id }) => id));
    this.#heard.clear();
    if (this.#isCaughtUp) return;
    this.#startedMs = this.#subscribedMs;
    this.#wasBusAway = wasBusAway;
  }

  unsubscribed(): void {
    this.#subscribedMs = undefined;
    this.#isProven = false;
    this.#isSettled = false;
    this.#deps.puller.abort();
  }

  /** The bus counts so many others. */
  counted(others: number): void {
    this.#others = others;
    this.evaluate();
  }

  /** A heartbeat of one's own that was sent at that group time has come back on the present subscription. */
  proven(sentGroupMs: number): void {
    const { store } = this.#deps;
    this.#isProven = true;
    this.evaluate();
    if (this.#isCaughtUp && this.#isSettled && !this.#isPulling && !this.isBehind) {
      store.contact = Math.max(store.contact, sentGroupMs - CONTACT_MARGIN_MS);
    }
  }

  /** A peer's heartbeat was taken. */
  heard(peer: Peer): void {
    const { id, store, origins, clock } = this.#deps;
    const nowMs = clock.now();
    const { vector, horizon, epoch, rootDigest } = peer.heartbeat;
    this.#awaited.delete(peer.id);
    this.#heard.add(peer.id);
    origins.toldAll(vector, nowMs);
    this.#noteGap(peer.id, -Infinity);
    const isQuiet = peer.reached === origins.reachedOf(id) && origins.includes(vector, nowMs);
    const isComparable = isQuiet && epoch !== 0 && epoch === store.epoch && horizon === store.horizon;
    peer.mismatches = isComparable && rootDigest !== store.rootDigest() ? peer.mismatches + 1 : 0;
    this.evaluate();
  }

  /** Entries of this origin have been applied. */
  received(origin: string): void {
    if (this.#noteGap(origin, -Infinity)) this.evaluate();
  }

  /** What is here is older than what others have forgotten. */
  becomeStale(): void {
    if (!this.#isCaughtUp) return;
    this.#isCaughtUp = false;
    this.#startedMs = this.#deps.clock.now();
    for (const peer of this.#deps.peers.all()) peer.isPulled = false;
  }

  /** To be called at a steady pace; all else that happens calls it by itself. */
  evaluate(): void {
    if (this.#subscribedMs === undefined || !this.#isProven || !this.#deps.groupClock.isKnown) return;
    const nowMs = this.#deps.clock.now();
    const isHeardOut =
      this.#others !== undefined && this.#heard.size >= this.#others && this.#awaited.size === 0;
    this.#isSettled ||= isHeardOut || nowMs - this.#subscribedMs > SETTLE_MS;
    if (this.#isPulling) return;
    const errand = this.#nextErrand(nowMs);
    if (errand !== undefined) void this.#run(errand, nowMs);
    else if (!this.#isCaughtUp && this.#hasEverybody(nowMs)) this.#catchUp(nowMs);
    this.#deps.onProgress();
  }

  async #run({ peer, reason }: Errand, startedMs: number): Promise<void> {
    const { clock, log, origins, puller } = this.#deps;
    const subscribedMs = this.#subscribedMs;
    this.#isPulling = true;
    try {
      const { entries, applied } = await puller.pull(peer.id);
      const ms = Math.round(clock.now() - startedMs);
      log.info({ peer: peer.id, reason, entries, applied, ms }, 'synchronized with another gateway');
      peer.isPulled = true;
      peer.mismatches = 0;
      const isInVain = applied === 0 && (reason === 'digest' || origins.hasGap(peer.id));
      if (isInVain) this.#pause(peer);
      else peer.failures = 0;
    } catch (cause) {
      // It was not the peer's fault; the next subscription begins with another look.
      if (subscribedMs !== this.#subscribedMs) return;
      this.#pause(peer);
      const reasonOfFailure = cause instanceof PullFailed ? cause.message : 'internal';
      log.warn(
        { peer: peer.id, reason, cause: reasonOfFailure },
        'synchronization with another gateway failed',
      );
    } finally {
      this.#isPulling = false;
      this.evaluate();
    }
  }

  /** What to do now, if anything; finds out, too, whether this gateway has been away for too long. */
  #nextErrand(nowMs: number): Errand | undefined {
    const { peers, store } = this.#deps;
    this.#noteGaps(nowMs);
    const askable = peers
      .present(nowMs)
      .filter((peer) => peer.askableMs <= nowMs && (peer.heartbeat.isCaughtUp || !this.#isCaughtUp));
    if (askable.some(({ heartbeat }) => heartbeat.horizon > timeOf(store.contact))) this.becomeStale();
    if (!this.#isCaughtUp) {
      const unpulled = askable.filter(({ isPulled }) => !isPulled);
      const peer = unpulled.find(({ heartbeat }) => heartbeat.isCaughtUp) ?? unpulled[0];
      if (peer !== undefined) return { peer, reason: 'start' };
    }
    const holder = this.#holderOfGap(askable, nowMs);
    if (holder !== undefined) return { peer: holder, reason: 'gap' };
    const differing = askable.find(({ mismatches }) => mismatches >= MISMATCHES_MAX);
    return differing && { peer: differing, reason: 'digest' };
  }

  /** Somebody who can fill a gap that has been there for long enough. */
  #holderOfGap(askable: readonly Peer[], nowMs: number): Peer | undefined {
    const { origins } = this.#deps;
    for (const [origin, sinceMs] of this.#gaps) {
      if (nowMs - sinceMs <= HEARSAY_MS) continue;
      const reached = origins.reachedOf(origin);
      const holders = askable.filter(
        ({ id, heartbeat }) =>
          id === origin || heartbeat.vector.some((each) => each.origin === origin && each.seq > reached),
      );
      const holder = holders.find(({ id }) => id === origin) ?? holders[0];
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  /** Whether there is nobody whose data this gateway still waits for. */
  #hasEverybody(nowMs: number): boolean {
    const present = this.#deps.peers.present(nowMs);
    const isAnyPulled = present.some(({ isPulled, heartbeat }) => isPulled && heartbeat.isCaughtUp);
    // Who is not ready either and cannot be asked, as when its subscription fails, must not hold up all who start.
    const isDone = present.every(
      ({ isPulled, failures, heartbeat }) =>
        isPulled || (failures >= FAILURES_MAX && (isAnyPulled || !heartbeat.isCaughtUp)),
    );
    if (!isDone) return false;
    const hasAll = this.#others !== undefined && present.length >= this.#others;
    if (hasAll && !this.#wasBusAway) return true;
    // The bus counts somebody who does not speak: a gateway that stands still for a moment has what others may lack.
    const isMissing = this.#others !== undefined || present.length === 0;
    return nowMs - this.#startedMs > (isMissing ? SILENT_START_MS : SETTLE_MS);
  }

  #catchUp(nowMs: number): void {
    const { groupClock, log, peers, store } = this.#deps;
    this.#isCaughtUp = true;
    store.contact = Math.max(store.contact, groupClock.nowMs() - CONTACT_MARGIN_MS);
    log.info({ peers: peers.present(nowMs).length, entries: store.size }, 'replication is caught up');
  }

  #pause(peer: Peer): void {
    peer.askableMs = this.#deps.clock.now() + Math.min(PAUSE_MS * 2 ** peer.failures, PAUSE_MS_MAX);
    peer.failures += 1;
  }

  #noteGap(origin: string, sinceMs: number): boolean {
    const isGap = this.#deps.origins.hasGap(origin);
    if (isGap) this.#gaps.set(origin, sinceMs);
    return isGap;
  }

  #noteGaps(nowMs: number): void {
    const gaps = this.#deps.origins.gaps();
    for (const origin of gaps) if (!this.#gaps.has(origin)) this.#gaps.set(origin, nowMs);
    for (const origin of this.#gaps.keys()) {
      if (!this.#deps.origins.hasGap(origin)) this.#gaps.delete(origin);
    }
  }
}
