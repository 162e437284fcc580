/**
 * The session that a request carries in the header `Ringcache-Session`, and its way back in the answer
 * (`contract.md` 4). A request without the header costs one look at the head and nothing else.
 */
import type { ServerResponse } from 'node:http';
import type { SessionTokens } from '../../auth/session-tokens';
import type { Command, Reply } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Session } from '../../core/session';
import type { Exchange } from './exchange';

const HEADER = 'Ringcache-Session';

export class RequestSession {
  readonly #tokens: SessionTokens;
  readonly #response: ServerResponse;
  readonly #session: Session;

  /**
   * Puts the session as it came on the response at once: whatever becomes of the request, its answer carries it, and
   * a caller who keeps what the last answer had never loses it. Sealed anew, so that it outlives a change of secret.
   */
  constructor(tokens: SessionTokens, response: ServerResponse, session: Session) {
    this.#tokens = tokens;
    this.#response = response;
    this.#session = session;
    response.setHeader(HEADER, tokens.seal(session));
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
    if (renewed.length === 0) return;
    const session = this.#session.mergeRenewed(renewed);
    this.#response.setHeader(HEADER, this.#tokens.seal(session));
  }
}

/**
 * undefined: the request has no such header.
 * @throws CacheError `bad_request` when it has two, or one that is no token of ours
 */
export function openRequestSession(exchange: Exchange, tokens: SessionTokens): RequestSession | undefined {
  if (!exchange.head.hasSession) return undefined;
  const [token = '', ...others] = exchange.request.headersDistinct[HEADER.toLowerCase()] ?? [];
  if (others.length > 0) throw new CacheError('bad_request', `There is more than one ${HEADER} field.`);
  return new RequestSession(tokens, exchange.response, tokens.open(token));
}
