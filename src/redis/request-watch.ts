/**
 * Watches over the requests that wait for one node: one alarm for all of their deadlines, since a timer for each costs
 * more than it takes to send it. A request ends at its deadline, or as soon as the node has been silent for as long as it
 * may be. Silent is who sends not one byte: a large value on its way, this one or one before it in line, is no silence.
 */
import { Alarm } from '../lib/alarm';
import type { Clock } from '../lib/clock';
import type { NodeRequest, RequestWatcher } from './node-request';
import { timedOut } from './redis-errors';

/** Silence of a node that owes an answer: shorter ones are nothing to worry about. */
const SUSPICIOUS_SILENCE_MS = 250;

/** Callers count on their deadlines. Mostly requests end before, so it seldom rings all the same. */
const COARSE_MS = 1;

export interface RequestWatchDeps {
  readonly clock: Clock;
  /** How many bytes the present connection has brought. */
  readonly heardBytes: () => number;
  /** The node owes an answer and has said nothing for 250 ms. */
  readonly onSilence: () => void;
}

export class RequestWatch implements RequestWatcher {
  readonly #deps: RequestWatchDeps;
  readonly #alarm: Alarm;
  /**
   * The last of them, each of which knows the one before. No Set: the tables that it outgrows are old by then, and until
   * the next great collection all that was in them is kept, with its promises and what waits for those: it doubled the
   * time for collecting garbage (bench, row P2).
   */
  #last: NodeRequest | undefined;
  #size = 0;
  #nowMs = 0;
  #heardBytes = 0;

  constructor(deps: RequestWatchDeps) {
    this.#deps = deps;
    this.#alarm = new Alarm(deps.clock, () => this.#look(), COARSE_MS);
  }

  /** Those that wait now. */
  get size(): number {
    return this.#size;
  }

  /** So many bytes were put on the connection for those that wait now. Goes through all of them. */
  awaitedBytes(): number {
    let bytes = 0;
    for (let request = this.#last; request !== undefined; request = request.before) bytes += request.bytes;
    return bytes;
  }

  /** To be called before those are added that leave now: they have one time, and one number of bytes. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#heardBytes = this.#deps.heardBytes();
  }

  add(request: NodeRequest): void {
    request.before = this.#last;
    if (this.#last !== undefined) this.#last.behind = request;
    this.#last = request;
    this.#size += 1;
    this.#lookAgain(request, this.#nowMs, this.#heardBytes);
    this.#alarm.setBy(request.lookAtMs);
  }

  remove(request: NodeRequest): void {
    const { before, behind } = request;
    if (before !== undefined) before.behind = behind;
    if (behind !== undefined) behind.before = before;
    else this.#last = before;
    // What has ended holds on to nobody.
    request.before = undefined;
    request.behind = undefined;
    this.#size -= 1;
  }

  /** The connection is being closed, and will tell all of them. */
  close(): void {
    this.#alarm.cancel();
  }

  #lookAgain(request: NodeRequest, nowMs: number, heardBytes: number): void {
    request.heardAtMs = nowMs;
    request.heardBytes = heardBytes;
    request.lookAtMs = Math.min(request.deadlineMs, nowMs + request.silenceMs);
  }

  #look(): void {
    const nowMs = this.#deps.clock.now();
    const heardBytes = this.#deps.heardBytes();
    const late: NodeRequest[] = [];
    let isSuspicious = false;
    let nextMs = Infinity;
    for (let request = this.#last; request !== undefined; request = request.before) {
      if (nowMs >= request.lookAtMs) {
        const isSilent = heardBytes === request.heardBytes;
        // What is left until the deadline may be less than a moment: nothing in that is no silence either.
        if (isSilent && nowMs - request.heardAtMs >= SUSPICIOUS_SILENCE_MS) isSuspicious = true;
        if (isSilent || nowMs >= request.deadlineMs) {
          late.push(request);
          continue;
        }
        this.#lookAgain(request, nowMs, heardBytes);
      }
      nextMs = Math.min(nextMs, request.lookAtMs);
    }
    // First: who is told that the node is late may ask for another one.
    if (isSuspicious) this.#deps.onSilence();
    for (const request of late.reverse()) request.expire(timedOut());
    this.#alarm.setBy(nextMs);
  }
}
