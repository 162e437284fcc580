/** Commands that concern every shard, and one reply made of theirs. */
import { randomInt } from 'node:crypto';
import type { Principal } from '../../core/grants';
import { keyFromBytes } from '../../core/key';
import type { Words } from '../../core/ports';
import { permit, visible, type RelayedCommand } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { encodeInteger } from './encoder';
import { relayedCommand } from './relayed-command';
import { arrayOf, bytesOf, elementsOf, integerOf, isNullReply } from './reply-parts';
import { filterKeys, type Hears } from './scan-command';
import { replyOf, WaitingReply, type SessionWork } from './session-work';

/**
 * For more than one shard. Goes alone, since what is sent on several connections has no order with what else is. What
 * one shard refuses the others may have done: the reply is the refusal. @throws CacheError
 */
export async function relayEverywhere(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  words: Words,
): Promise<void> {
  const { relay, state } = work;
  const { command } = relayedCommand(spec, words, work.policy);
  permitEverywhere(principal, spec, command);
  await state.replies.settled();
  const waiting = new WaitingReply(work, [], 'sweep');
  const shards = Array.from({ length: relay.shardCount }, (_, shard) => shard);
  const replies = await Promise.all(shards.map((shard) => work.ask(shard, principal, command, 'sweep')));
  waiting.settle(replyOf(() => mergeReplies(spec.name, replies, (keys) => visible(principal, keys))));
}

/** Rights to a command that goes everywhere. The names that some of them ask about count as keys. @throws CacheError */
export function permitEverywhere(principal: Principal, { name }: CommandSpec, command: RelayedCommand): void {
  const asksByName = name === 'pubsub|numsub' || name === 'pubsub|shardnumsub';
  const keys = asksByName ? command.words.slice(2).map(keyFromBytes) : command.keys;
  permit(principal, { ...command, keys });
}

/** One reply of those of all shards, in their order. The first error among them is the reply to the whole. */
export function mergeReplies(name: string, replies: readonly Buffer[], hears: Hears): Buffer {
  const [first] = replies;
  const error = replies.find(isErrorReply);
  if (error !== undefined || first === undefined) return error ?? arrayOf([]);
  switch (name) {
    case 'dbsize':
      return encodeInteger(replies.reduce((sum, reply) => sum + integerOf(reply), 0));
    case 'keys':
      return filterKeys(joined(replies), hears);
    case 'randomkey':
      return anyOf(replies);
    case 'script|exists':
      return everyOne(replies);
    case 'pubsub|channels':
    case 'pubsub|shardchannels':
      return filterKeys(unique(replies), hears);
    case 'pubsub|numsub':
    case 'pubsub|shardnumsub':
      return summedByName(replies);
    case 'pubsub|numpat':
      // A pattern is subscribed to on every shard.
      return encodeInteger(Math.max(...replies.map(integerOf)));
    default:
      return first;
  }
}

function joined(replies: readonly Buffer[]): Buffer {
  const [first] = replies;
  return replies.length === 1 && first !== undefined ? first : arrayOf(replies.flatMap(elementsOf));
}

function unique(replies: readonly Buffer[]): Buffer {
  const seen = new Set<string>();
  return arrayOf(
    replies.flatMap(elementsOf).filter((element) => {
      const name = keyFromBytes(bytesOf(element));
      const isNew = !seen.has(name);
      seen.add(name);
      return isNew;
    }),
  );
}

/** Of the keys that the shards have picked. */
function anyOf(replies: readonly Buffer[]): Buffer {
  const found = replies.filter((reply) => !isNullReply(reply));
  const picked = found.length === 0 ? undefined : found[randomInt(found.length)];
  return picked ?? replies[0] ?? arrayOf([]);
}

/** 1 where all shards say 1. */
function everyOne(replies: readonly Buffer[]): Buffer {
  const lists = replies.map(elementsOf);
  const count = lists[0]?.length ?? 0;
  return arrayOf(
    Array.from({ length: count }, (_, at) => {
      const isEverywhere = lists.every((list) => list[at] !== undefined && integerOf(list[at]) === 1);
      return encodeInteger(isEverywhere ? 1 : 0);
    }),
  );
}

/** Of arrays of a name and a number by turns, which are the same names each time. */
function summedByName(replies: readonly Buffer[]): Buffer {
  const lists = replies.map(elementsOf);
  return arrayOf(
    (lists[0] ?? []).map((element, at) => {
      if (at % 2 === 0) return element;
      return encodeInteger(lists.reduce((sum, list) => sum + (list[at] ? integerOf(list[at]) : 0), 0));
    }),
  );
}
