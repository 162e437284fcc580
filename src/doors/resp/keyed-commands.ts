/**
 * Commands that are carried out at one place: by the shard of their keys, or by the one shard that there is. The same are
 * queued in a transaction, so what they become is told apart from its being sent.
 */
import type { Key } from '../../core/command';
import type { Principal } from '../../core/grants';
import type { Whereabouts, Words } from '../../core/ports';
import { permit, visible, type CacheRelay, type RelayedCommand } from '../../core/relay';
import { channelOf } from './channels';
import type { CommandSpec } from './command-spec';
import { ERROR_REPLY } from './errors';
import { checkKeyBytes } from './key-bytes';
import { mergeReplies, permitEverywhere } from './everywhere-commands';
import { Refusal } from './refusal';
import { relayedCommand, type Relayed } from './relayed-command';
import { replyReader } from './relayed-reply';
import { cappedScan, readScan } from './scan-command';
import type { Effect, ReadReply, SessionWork } from './session-work';

export interface Prepared {
  readonly spec: CommandSpec;
  readonly at: Whereabouts;
  readonly command: RelayedCommand;
  /** Sent in its place, as one step. */
  readonly parts: readonly RelayedCommand[] | undefined;
  /** Of the reply to the command or, where there are parts, of EXEC's. undefined: it is handed on as it comes. */
  readonly read: ReadReply | undefined;
}

/** Rights to a single key are left to the core. @throws CacheError, Refusal (CROSSSLOT) */
export function prepare(work: SessionWork, principal: Principal, spec: CommandSpec, words: Words): Prepared {
  if (spec.name === 'publish' || spec.name === 'spublish') {
    const channel = channelOf(words[1]);
    checkKeyBytes([channel], work.policy.keyBytesMax);
    const command = commandAt(spec, words, [channel]);
    return { spec, at: channel, command, parts: undefined, read: undefined };
  }
  const relayed = relayedCommand(spec, spec.kind === 'scan' ? cappedScan(words) : words, work.policy);
  return preparedOf(work, principal, spec, relayed);
}

/** As `prepare`, of what the command has become. @throws as `prepare` */
export function preparedOf(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  relayed: Relayed,
): Prepared {
  const { relay } = work;
  const { command, parts } = relayed;
  if (command.keys.length > 1) {
    // First: whoever may not use a key is not told where it lies.
    permit(principal, command);
    checkOnePlace(relay, command.keys);
  }
  return { spec, at: command.keys[0] ?? 0, command, parts, read: readerOf() };

  function readerOf(): ReadReply | undefined {
    const hears = (keys: readonly Key[]): readonly Key[] => visible(principal, keys);
    if (spec.kind === 'scan') return (reply) => readScan(reply, hears);
    if (spec.kind === 'everywhere' || spec.kind === 'channel') {
      permitEverywhere(principal, spec, command);
      return (reply) => mergeReplies(spec.name, [reply], hears);
    }
    return replyReader(relayed, relay);
  }
}

/** A promise: nothing more may be taken from the connection before it has resolved. Throws and rejects with CacheError. */
export function perform(
  work: SessionWork,
  principal: Principal,
  prepared: Prepared,
): undefined | Promise<void> {
  const { spec, command } = prepared;
  const namesAll = !command.isUnbounded && command.keys.length > 0 && spec.kind !== 'channel';
  const keys = namesAll ? command.keys : 'all';
  const effect = namesAll ? effectOf(work, spec, command) : 'sweep';
  const before = work.before(keys, effect);
  if (before !== undefined) {
    return before.then(() => {
      send(work, principal, prepared, effect);
      return work.behind(keys);
    });
  }
  send(work, principal, prepared, effect);
  return work.behind(keys);
}

/** What others must know of it while it is under way. */
export function effectOf(work: SessionWork, spec: CommandSpec, command: RelayedCommand): Effect {
  if (command.isWrite) return 'change';
  const onMaster = spec.needsMaster || work.watched !== undefined || work.order.areChanging(command.keys);
  return onMaster ? 'read master' : 'read';
}

/** @throws Refusal when the keys cannot stand in one command */
export function checkOnePlace(relay: CacheRelay, keys: readonly Key[]): void {
  const [first] = keys;
  if (first === undefined || keys.length === 1) return;
  const place = relay.placeOf(first);
  for (let at = 1; at < keys.length; at += 1) {
    const key = keys[at];
    if (key !== undefined && relay.placeOf(key) !== place) throw new Refusal(ERROR_REPLY.crossSlot);
  }
}

/** A command whose keys, or channels, the caller has found: nothing is looked for in its words. */
export function commandAt(spec: CommandSpec, words: Words, keys: readonly Key[]): RelayedCommand {
  return {
    words,
    keys,
    scopes: spec.scopes,
    isUnbounded: spec.isUnbounded,
    isWrite: spec.isWrite,
    changesStrings: spec.changesStrings,
    changesUnnamed: spec.changesUnnamed,
    isRepeatable: false,
    values: [],
  };
}

function send(work: SessionWork, principal: Principal, prepared: Prepared, effect: Effect): void {
  const { at, command, parts, read } = prepared;
  if (parts === undefined) work.relayed(at, principal, command, effect, read);
  else work.transacted(at, principal, parts, command.keys, effect, read);
}
