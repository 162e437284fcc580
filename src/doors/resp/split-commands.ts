/**
 * MGET, MSET, DEL, UNLINK, EXISTS and TOUCH, whose keys may lie at several places: a part for each place, all at the same
 * time, and one reply made of theirs. Rights to all keys are checked before any part leaves. MSET is atomic at each place
 * only, and if a part fails the others may stand: its reply is the failure.
 */
import type { Key } from '../../core/command';
import type { Principal } from '../../core/grants';
import type { Words } from '../../core/ports';
import { permit } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { encodeInteger, REPLY } from './encoder';
import { effectOf, perform, prepare, preparedOf, type Prepared } from './keyed-commands';
import { relayedCommand } from './relayed-command';
import { groupByPlace, type PlaceGroup } from './place-groups';
import { replyToThrown } from './refusal';
import { integerOf } from './reply-parts';
import { WaitingReply, type Effect, type SessionWork } from './session-work';
import { isNearFor, readValues } from './value-commands';
import { readInWindows, WINDOW_FIRST } from './windowed-reads';

/** As `perform`. */
export function relaySplit(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  words: Words,
): undefined | Promise<void> {
  const relayed = relayedCommand(spec, words, work.policy);
  const { command } = relayed;
  const { keys } = command;
  permit(principal, command);
  if (spec.name === 'mget' && keys.every((key) => isNearFor(work, key))) {
    readValues(work, principal, keys);
    return undefined;
  }
  const groups = groupByPlace(work.relay, keys);
  if (spec.name === 'mget' && (groups.length > 1 || keys.length > WINDOW_FIRST))
    return readInWindows(work, principal, spec, command);
  if (groups.length === 1) return perform(work, principal, preparedOf(work, principal, spec, relayed));

  const parts = groups.map((group) => prepare(work, principal, spec, wordsOf(spec, words, group)));
  const effect = effectOf(work, spec, command);
  const send = (): undefined | Promise<void> => {
    sendParts(work, principal, { spec, keys, parts, effect });
    return work.behind(keys);
  };
  const before = work.before(keys, effect);
  return before === undefined ? send() : before.then(send);
}

interface Split {
  readonly spec: CommandSpec;
  readonly keys: readonly Key[];
  readonly parts: readonly Prepared[];
  readonly effect: Effect;
}

function sendParts(work: SessionWork, principal: Principal, split: Split): void {
  const { spec, keys, parts, effect } = split;
  const waiting = new WaitingReply(work, keys, effect);
  const asked = parts.map(async ({ at, command, parts: together, read }) => {
    const reply = await (together === undefined
      ? work.ask(at, principal, command, effect)
      : work.askTogether(at, principal, together));
    return read === undefined ? reply : read(reply);
  });
  void Promise.all(asked)
    .then((replies) => replies.find(isErrorReply) ?? mergeParts(spec.name, replies))
    .catch(replyToThrown)
    .then((reply) => waiting.settle(reply));
}

function mergeParts(name: string, replies: readonly Buffer[]): Buffer {
  if (name === 'mset') return REPLY.ok;
  return encodeInteger(replies.reduce((sum, reply) => sum + integerOf(reply), 0));
}

/** The same command for some of its keys only, with what belongs to each. */
function wordsOf({ name }: CommandSpec, words: Words, group: PlaceGroup): Words {
  const stride = name === 'mset' ? 2 : 1;
  return [
    ...words.slice(0, 1),
    ...group.flatMap((at) => words.slice(1 + at * stride, 1 + (at + 1) * stride)),
  ];
}
