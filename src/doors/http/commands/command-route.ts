/**
 * `POST /cache`: one command or a batch of them. The way of a READ that the near cache answers has no promise in it:
 * it is answered in the same turn of the event loop in which its body ended.
 */
import type { Reply } from '../../../core/command';
import { CACHE_STATUS, CACHE_STATUS_MISS } from '../cache-status';
import type { AnyExchange } from '../exchange';
import { batchOutcome } from '../../../core/observe-batch';
import { type Caller, type GoodReply, identify, perform, performBatch, type RouteDeps } from '../perform';
import { bodyBytesMax, decodeText, readJsonBody } from '../read-body';
import { CommandParser, type ParsedBody, type ParsedCommand } from './parse-commands';
import { type ReplyContext, replyText } from './reply-text';

/** The handler of `POST /cache`. */
export function createCommandRoute(deps: RouteDeps): (exchange: AnyExchange) => void {
  const { limits, encryptionConfigured } = deps;
  const parser = new CommandParser(limits, encryptionConfigured);
  const bytesMax = bodyBytesMax(limits.valueBytesMax);

  return (exchange) => {
    const caller = identify(exchange, deps);
    readJsonBody(exchange, bytesMax, (bytes) => {
      exchange.beginWork();
      execute(deps, exchange, caller, parser.parse(decodeText(bytes)));
    });
  };
}

function execute(
  deps: RouteDeps,
  exchange: AnyExchange,
  caller: Caller,
  { isBatch, commands }: ParsedBody,
): void {
  const context = { requestId: exchange.requestId, minimal: exchange.head.prefersMinimal };
  if (isBatch) {
    performBatch(
      deps,
      exchange,
      caller,
      commands.map((parsed) => parsed.command),
      (replies) => answerBatch(exchange, commands, replies, context),
    );
    return;
  }
  const [parsed] = commands;
  const { command } = parsed.command;
  perform(
    deps,
    exchange,
    caller,
    parsed.command,
    (reply) => answerOne(exchange, parsed, reply, context),
    (error) => exchange.fail(error, { command }),
  );
}

function answerOne(
  exchange: AnyExchange,
  parsed: ParsedCommand,
  reply: GoodReply,
  context: ReplyContext,
): void {
  if (reply.command !== 'READ') {
    exchange.answer(200, replyText(parsed, reply, context), reply.status);
  } else if (reply.status === 'NOT_FOUND') {
    exchange.answer(200, replyText(parsed, reply, context), reply.status, CACHE_STATUS_MISS);
  } else {
    exchange.answer(200, replyText(parsed, reply, context), reply.status, CACHE_STATUS[reply.source]);
  }
}

/** HTTP 200 whatever became of the single commands: each reply speaks for itself. */
function answerBatch(
  exchange: AnyExchange,
  commands: readonly ParsedCommand[],
  replies: readonly Reply[],
  context: ReplyContext,
): void {
  let text = '[';
  commands.forEach((parsed, index) => {
    const reply = replies[index];
    if (reply === undefined) throw new Error('the core owes a reply to each command of a batch');
    if (reply.status === 'ERROR') exchange.reportInternal(reply.error);
    text += (index === 0 ? '' : ',') + replyText(parsed, reply, context);
  });
  exchange.answer(200, `${text}]`, batchOutcome(replies));
}
