/**
 * Commands that may wait: BLPOP and its like, XREAD BLOCK. Each goes alone, on a connection that the session has for
 * itself (`own-link.ts`), and holds no place among the requests at work. There is no deadline while the client is there;
 * what ends it is the command's own timeout, the client's going, the loss of the link, or that of the right to it:
 *
 *   1. BLPOP waits; its caller is revoked, or loses the right to the key
 *   2. `recheck` closes the link: Redis forgets the BLPOP, and the caller is told why
 *   3. what is pushed from then on stays in the list
 *
 * What is pushed between 1 and 2, within half a second, is popped, and kept from who may not have it any more.
 */
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Words } from '../../core/ports';
import { permit, type RelayedCommand } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { prepare } from './keyed-commands';
import { principalOf } from './local/local-command';
import { OwnLink } from './own-link';
import { replyToThrown } from './refusal';
import { asked, type SessionWork } from './session-work';

export class BlockingCommands {
  readonly #work: SessionWork;
  readonly #link: OwnLink;
  #waiting: RelayedCommand | undefined;

  constructor(work: SessionWork) {
    this.#work = work;
    this.#link = new OwnLink(work);
  }

  /** @throws CacheError, Refusal */
  async perform(principal: Principal, spec: CommandSpec, words: Words): Promise<void> {
    const { state } = this.#work;
    const { command, read } = prepare(this.#work, principal, spec, words);
    const [key] = command.keys;
    if (key === undefined) throw new CacheError('bad_request', 'syntax error');
    permit(principal, command);
    await state.replies.settled();
    const line = state.replies.take();
    state.isBlocked = true;
    try {
      const { protocol } = state;
      const link = await this.#link.open(key, protocol, this.#work.deadlineMs);
      this.#waiting = command;
      const reply = await asked((caller) => {
        link.send(principal, command, { protocol, from: 'master', deadlineMs: Infinity }, caller);
      });
      // Perhaps the slot has moved: the next time it is opened where the key is then.
      if (isErrorReply(reply)) this.#link.drop();
      // It may have waited for longer than what the client was let in with is good for.
      this.#permitAgain(command);
      line.settle(read === undefined ? reply : read(reply));
    } catch (thrown) {
      line.settle(replyToThrown(thrown));
    } finally {
      this.#waiting = undefined;
      this.#link.rest();
      state.isBlocked = false;
    }
  }

  /** To be called about twice a second. */
  recheck(): void {
    if (this.#waiting === undefined) {
      if (!this.#work.state.isBlocked) this.#link.dropIdle();
      return;
    }
    try {
      this.#permitAgain(this.#waiting);
    } catch {
      // Whoever waits is told by what is permitted again then.
      this.#link.drop();
    }
  }

  end(): void {
    this.#link.close();
  }

  /** @throws CacheError */
  #permitAgain(command: RelayedCommand): void {
    permit(principalOf(this.#work.state), command);
  }
}
