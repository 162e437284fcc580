/**
 * MGET of more keys than one reply should carry. The connections to the store are shared, and while one reply comes in,
 * those of all others wait; so the keys are asked for a few at a time, each few behind the one before:
 *
 *   1. MGET of 500 keys, of which nothing is known: each value may be the longest there can be
 *   2. the first 16 are asked for, and the next when those are there: twice as many as long as the values are short
 *   3. the others' replies come in between, and nothing more is asked for when there is too much for one reply
 *
 * A change of these keys by the same client waits until all are read. One of another may come in between, as it may
 * between shards.
 */
import type { Key } from '../../core/command';
import { nonsense } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { RelayedCommand, RelayOptions } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { errorReply } from './errors';
import { effectOf, prepare } from './keyed-commands';
import { groupByPlace } from './place-groups';
import { arrayOf, elementsOf } from './reply-parts';
import { replyToThrown } from './refusal';
import { WaitingReply, type Effect, type SessionWork } from './session-work';
import { READS_BYTES_MAX, tooLarge } from './value-commands';

/** Keys that are asked for together while nothing is known of their values. */
export const WINDOW_FIRST = 16;
const WINDOW_MAX = 256;
/** What one window should bring. */
const WINDOW_BYTES = 8 * 1024 * 1024;

interface Reading {
  readonly spec: CommandSpec;
  readonly name: Buffer;
  readonly keys: readonly Key[];
  readonly options: RelayOptions;
  readonly effect: Effect;
}

/** The rights to the keys have been checked. A promise as of `perform`. @throws CacheError */
export function readInWindows(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  command: RelayedCommand,
): undefined | Promise<void> {
  const { keys } = command;
  const effect = effectOf(work, spec, command);
  const options = work.options(effect === 'read' ? 'any' : 'master');
  // 'read', whoever is asked: what comes later to the same keys could overtake what has not been asked for yet.
  const waiting = new WaitingReply(work, keys, 'read');
  void readAll(work, principal, { spec, name: command.words[0] ?? MGET, keys, options, effect })
    .catch(replyToThrown)
    .then((reply) => waiting.settle(reply));
  return work.behind(keys);
}

const MGET = Buffer.from('MGET');

async function readAll(work: SessionWork, principal: Principal, reading: Reading): Promise<Buffer> {
  const { keys } = reading;
  const values: Buffer[] = [];
  let bytes = 0;
  let count = WINDOW_FIRST;
  for (let begin = 0; begin < keys.length; begin = values.length) {
    const window = await readWindow(work, principal, reading, keys.slice(begin, begin + count));
    if (Buffer.isBuffer(window)) return window;
    const before = bytes;
    for (const value of window) {
      values.push(value);
      bytes += value.length;
    }
    if (bytes > READS_BYTES_MAX) return errorReply(tooLarge());
    const isShort = 2 * (bytes - before) <= WINDOW_BYTES;
    count = isShort ? Math.min(WINDOW_MAX, 2 * count) : WINDOW_FIRST;
  }
  return arrayOf(values);
}

/** The values of these keys, in their order, or an error that is the reply to the whole. */
async function readWindow(
  work: SessionWork,
  principal: Principal,
  { spec, name, options, effect }: Reading,
  keys: readonly Key[],
): Promise<readonly Buffer[] | Buffer> {
  const groups = groupByPlace(work.relay, keys);
  const replies = await Promise.all(
    groups.map(async (group) => {
      const words = [name, ...group.map((at) => Buffer.from(keys[at] ?? '', 'latin1'))];
      const { at, command, read } = prepare(work, principal, spec, words);
      const reply = await work.ask(at, principal, command, effect, options);
      return read === undefined ? reply : read(reply);
    }),
  );
  const values = Array.from<Buffer | undefined>({ length: keys.length });
  for (const [index, reply] of replies.entries()) {
    if (isErrorReply(reply)) return reply;
    elementsOf(reply).forEach((element, at) => {
      const position = groups[index]?.[at];
      if (position !== undefined) values[position] = element;
    });
  }
  const found = values.filter((value) => value !== undefined);
  // Without this the next window would begin nowhere.
  if (found.length < keys.length) return errorReply(nonsense());
  return found;
}
