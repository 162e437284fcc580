/**
 * What each route does that carries out commands: who asks, in which session, until when; then the command, whose
 * reply is handed over in the same turn of the event loop where the near cache has it.
 */
import type { Access } from '../../auth/access';
import type { RequestSession } from '../../auth/request-session';
import type { SessionTokens } from '../../auth/session-tokens';
import type { CacheService } from '../../core/cache';
import type { Command, Reply } from '../../core/command';
import type { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Limits } from '../../core/limits';
import type { Clock } from '../../lib/clock';
import type { AnyExchange } from './exchange';
import { observeBatch } from '../../core/observe-batch';
import { openRequestSession } from './request-session';

export interface RouteDeps {
  readonly cache: CacheService;
  readonly access: Pick<Access, 'verify'>;
  readonly sessionTokens: SessionTokens;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly encryptionConfigured: boolean;
}

/** On whose behalf, and in which session; undefined: the request came without one. */
export interface Caller {
  readonly principal: Principal;
  readonly session: RequestSession | undefined;
}

/** A reply that is no failure. */
export type GoodReply = Exclude<Reply, { readonly status: 'ERROR' }>;

/** @throws CacheError `unauthenticated`, `bad_request` */
export function identify(exchange: AnyExchange, { access, sessionTokens }: RouteDeps): Caller {
  return {
    principal: exchange.authenticate(access),
    session: openRequestSession(exchange, sessionTokens),
  };
}

/**
 * Carries out one command; a failure is the request's answer, unless `onError` gives another. To be called when the
 * request has arrived as a whole: the time that a slow sender takes is not the core's, neither in the deadline nor in
 * the latency.
 */
export function perform(
  { cache, limits, clock }: RouteDeps,
  exchange: AnyExchange,
  { principal, session }: Caller,
  command: Command,
  onReply: (reply: GoodReply) => unknown,
  onError: (error: CacheError) => void = (error) => exchange.fail(error),
): void {
  const nowMs = clock.now();
  exchange.beginCommand(command.command, nowMs);
  const deadlineMs = nowMs + limits.requestTimeoutMs;
  const reply = cache.execute(principal, session?.carry(command) ?? command, deadlineMs);
  if (reply instanceof Promise) {
    exchange.attempt(async () => conclude(await reply));
  } else {
    conclude(reply);
  }

  function conclude(reply: Reply): unknown {
    session?.renew([reply]);
    if (reply.status === 'ERROR') {
      onError(reply.error);
      return undefined;
    }
    if (reply.command === 'READ' && reply.status === 'SUCCESS') exchange.source = reply.source;
    return onReply(reply);
  }
}

/**
 * Carries out commands as one batch; `onReplies` gets a reply to each, in order, failures among them, and until when
 * the request may take. To be called as `perform` is.
 */
export function performBatch(
  { cache, limits, clock }: RouteDeps,
  exchange: AnyExchange,
  { principal, session }: Caller,
  commands: readonly Command[],
  onReplies: (replies: readonly Reply[], deadlineMs: number) => unknown,
): void {
  const nowMs = clock.now();
  exchange.beginCommand('BATCH', nowMs, commands.length);
  const deadlineMs = nowMs + limits.requestTimeoutMs;
  const replies = cache.executeBatch(
    principal,
    commands.map((command) => session?.carry(command) ?? command),
    deadlineMs,
  );
  exchange.attempt(() => (replies instanceof Promise ? replies.then(conclude) : conclude(replies)));

  function conclude(all: readonly Reply[]): unknown {
    session?.renew(all);
    observeBatch(exchange.door.observer, all);
    return onReplies(all, deadlineMs);
  }
}
