/**
 * The short way of `GET key`, on which most requests come. What a session judges for each command (who asks, is there a
 * transaction, is it subscribed) cannot change between two GETs of one turn of the event loop unless another command stands
 * between them, so it is judged once for all that follow each other; and neither words nor a look-up are needed.
 *
 * It does what `Session` does for the words, or nothing: then they are handed over as all others are, and what is to be
 * said of them is said there.
 */
import type { Key } from '../../core/command';
import type { Principal } from '../../core/grants';
import { replyToThrown } from './refusal';
import type { GetHandler } from './request-handler';
import type { SessionWork } from './session-work';
import { isNearFor, readNear } from './value-commands';

export class ShortWay implements GetHandler {
  /** Whose GETs may go this way now; undefined: to be judged anew. */
  #principal: Principal | undefined;
  #nowMs = 0;
  #deadlineMs = 0;

  constructor(private readonly work: SessionWork) {}

  /** Its requests were all there then, so the time of each counts from here. */
  beginTurn(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#deadlineMs = nowMs + this.work.state.deps.limits.requestTimeoutMs;
    this.#principal = undefined;
  }

  /** Another request comes in words, which may change anything. One that is not done at once ends the turn. */
  interrupt(): void {
    this.#principal = undefined;
  }

  get(key: Key): boolean {
    const { work } = this;
    const principal = (this.#principal ??= this.#judge());
    if (principal === undefined || !isNearFor(work, key)) return false;
    const { state } = work;
    state.lastCommand = 'get';
    state.lastCommandMs = this.#nowMs;
    state.replies.label = 'READ';
    try {
      readNear(work, principal, key, this.#deadlineMs);
    } catch (thrown) {
      state.replies.write(replyToThrown(thrown));
    }
    return true;
  }

  #judge(): Principal | undefined {
    const { credential, queued, subscriptions, protocol } = this.work.state;
    if (credential === undefined || queued !== undefined) return undefined;
    if (subscriptions > 0 && protocol !== 3) return undefined;
    try {
      return credential.principal();
    } catch {
      // It is asked again for the words, and its refusal is their reply.
      return undefined;
    }
  }
}
