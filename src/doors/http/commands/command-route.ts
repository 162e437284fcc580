/**
 * `POST /cache`: one command or a batch of them. The way of a READ that the near cache answers has no promise in it:
 * it is answered in the same turn of the event loop in which its body ended.
 */
import type { Access } from '../../../auth/access';
import type { SessionTokens } from '../../../auth/session-tokens';
import type { CacheService } from '../../../core/cache';
import type { Reply } from '../../../core/command';
import type { Principal } from '../../../core/grants';
import type { Limits } from '../../../core/limits';
import type { Clock } from '../../../lib/clock';
import type { Exchange, Outcome } from '../exchange';
import { bodyBytesMax, decodeText, readBody } from '../read-body';
import { CommandParser, type ParsedBody, type ParsedCommand } from './parse-commands';
import { CACHE_STATUS, CACHE_STATUS_MISS, type ReplyContext, replyText } from './reply-text';
import { openRequestSession, type RequestSession } from './request-session';

export interface CommandRouteDeps {
  readonly cache: CacheService;
  readonly access: Pick<Access, 'verify'>;
  readonly sessionTokens: SessionTokens;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly encryptionConfigured: boolean;
}

/** What an answer depends on beside its replies. */
interface AnswerContext extends ReplyContext {
  /** undefined: the request came without one. */
  readonly session: RequestSession | undefined;
}

/** The handler of `POST /cache`. */
export function createCommandRoute(deps: CommandRouteDeps): (exchange: Exchange) => void {
  const { access, sessionTokens, limits } = deps;
  const parser = new CommandParser(limits, deps.encryptionConfigured);
  const bytesMax = bodyBytesMax(limits.valueBytesMax);

  return (exchange) => {
    const principal = exchange.authenticate(access);
    const session = openRequestSession(exchange, sessionTokens);
    readBody(exchange, bytesMax, (bytes) => {
      exchange.beginWork();
      execute(deps, exchange, principal, session, parser.parse(decodeText(bytes)));
    });
  };
}

function execute(
  { cache, limits, clock }: CommandRouteDeps,
  exchange: Exchange,
  principal: Principal,
  session: RequestSession | undefined,
  { isBatch, commands }: ParsedBody,
): void {
  // A request has arrived when its last byte has: the time that a slow sender takes is not the core's.
  const deadlineMs = clock.now() + limits.requestTimeoutMs;
  const context: AnswerContext = {
    requestId: exchange.requestId,
    minimal: exchange.head.prefersMinimal,
    session,
  };
  if (isBatch) {
    exchange.command = 'BATCH';
    exchange.commandCount = commands.length;
    const replies = cache.executeBatch(
      principal,
      commands.map(({ command }) => session?.carry(command) ?? command),
      deadlineMs,
    );
    if (replies instanceof Promise) {
      exchange.attempt(async () => answerBatch(exchange, commands, await replies, context));
    } else {
      answerBatch(exchange, commands, replies, context);
    }
    return;
  }
  const [parsed] = commands;
  exchange.command = parsed.command.command;
  const reply = cache.execute(principal, session?.carry(parsed.command) ?? parsed.command, deadlineMs);
  if (reply instanceof Promise) {
    exchange.attempt(async () => answerOne(exchange, parsed, await reply, context));
  } else {
    answerOne(exchange, parsed, reply, context);
  }
}

function answerOne(exchange: Exchange, parsed: ParsedCommand, reply: Reply, context: AnswerContext): void {
  context.session?.renew([reply]);
  if (reply.status === 'ERROR') {
    exchange.fail(reply.error, { command: reply.command });
  } else if (reply.command !== 'READ') {
    exchange.answer(200, replyText(parsed, reply, context), reply.status);
  } else if (reply.status === 'NOT_FOUND') {
    exchange.answer(200, replyText(parsed, reply, context), reply.status, CACHE_STATUS_MISS);
  } else {
    exchange.source = reply.source;
    exchange.answer(200, replyText(parsed, reply, context), reply.status, CACHE_STATUS[reply.source]);
  }
}

/** HTTP 200 whatever became of the single commands: each reply speaks for itself. */
function answerBatch(
  exchange: Exchange,
  commands: readonly ParsedCommand[],
  replies: readonly Reply[],
  context: AnswerContext,
): void {
  context.session?.renew(replies);
  let outcome: Outcome = 'SUCCESS';
  let text = '[';
  commands.forEach((parsed, index) => {
    const reply = replies[index];
    if (reply === undefined) throw new Error('the core owes a reply to each command of a batch');
    if (reply.status === 'ERROR') {
      outcome = 'PARTIAL';
      exchange.reportInternal(reply.error);
    }
    text += (index === 0 ? '' : ',') + replyText(parsed, reply, context);
  });
  exchange.answer(200, `${text}]`, outcome);
}
