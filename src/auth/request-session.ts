/**
 * The session that a request carries, and its way back in the answer, whatever the door calls the
 * field that it travels in.
 */
import type { Command, Reply } from '../core/command';
import type { Session } from '../core/session';
import type { SessionTokens } from './session-tokens';

export class RequestSession {
  readonly #tokens: SessionTokens;
  readonly #show: (token: string) => void;
  readonly #session: Session;

  /**
   * `show` puts a token on the answer in place of any before it. It gets the session as it came at once: whatever
   * becomes of the request, its answer carries it, and a caller who keeps what the last answer had never loses it.
   * Sealed anew, so that it outlives a change of secret.
   */
  constructor(tokens: SessionTokens, show: (token: string) => void, session: Session) {
    this.#tokens = tokens;
    this.#show = show;
    this.#session = session;
    show(tokens.seal(session));
  }

  /** The command as it is carried out in this session: a READ is a `session` read unless it asks for more. */
  carry(command: Command): Command {
    if (command.command !== 'READ') return { ...command, session: this.#session };
    if (command.consistency === 'strong') return command;
    return { ...command, consistency: 'session', session: this.#session };
  }

  /** The answer will carry what these replies have brought. To be called before it leaves. */
  renew(replies: readonly Reply[]): void {
    const renewed: Session[] = [];
    for (const reply of replies) {
      if (reply.status === 'ERROR' || reply.command === 'READ' || reply.session === undefined) continue;
      if (reply.session !== this.#session) renewed.push(reply.session);
    }
    if (renewed.length > 0) this.#show(this.#tokens.seal(this.#session.mergeRenewed(renewed)));
  }
}
