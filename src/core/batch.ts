/**
 * The commands of one batch: those on different keys run in parallel, those on one key in their order. How much of values
 * the replies may carry together has a limit: a thousand READs of the longest value would be gigabytes for one caller, and
 * more than one answer of any door can hold.
 */
import type { Command, Key, Reply } from './command';
import { CacheError } from './errors';
import { valueBytes } from './value';

/** Written as JSON they may take six times as much, which still fits into one string of V8. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;
/** Commands that are at work together at most; some windows in a row are as good as one for the longest batch. */
const WINDOW_MAX = 250;
/** The first window is small: nothing is known of the values yet, and each may be the longest there can be. */
const WINDOW_FIRST = 16;
/** What one window should bring. */
const WINDOW_VALUE_BYTES = 16 * 1024 * 1024;

/** Neither throws nor rejects. */
type Execute = (command: Command) => Reply | Promise<Reply>;

/**
 * One reply for each command, in order; at once where `execute` answers all at once.
 */
export function executeBatch(
  commands: readonly Command[],
  execute: Execute,
): readonly Reply[] | Promise<readonly Reply[]> {
  return executeRest(commands, execute, new BatchReplies());
}

/** The commands that have no reply yet, a window at a time; without a promise as long as all are near hits. */
function executeRest(
  commands: readonly Command[],
  execute: Execute,
  replies: BatchReplies,
): readonly Reply[] | Promise<readonly Reply[]> {
  while (replies.list.length < commands.length) {
    const begin = replies.list.length;
    const next = commands.slice(begin, begin + replies.nextWindow);
    const window = executeWindow(next, execute, replies.isFull);
    if (window instanceof Promise) {
      return window.then((settled) => {
        replies.add(settled);
        return executeRest(commands, execute, replies);
      });
    }
    replies.add(window);
  }
  return replies.list;
}

function executeWindow(
  commands: readonly Command[],
  execute: Execute,
  isFull: boolean,
): readonly Reply[] | Promise<readonly Reply[]> {
  const replies: (Reply | Promise<Reply>)[] = [];
  /** The last unfinished command of each key: the next one on that key starts when it has settled. */
  const unfinished = new Map<Key, Promise<Reply>>();
  for (const command of commands) {
    if (isFull && command.command === 'READ') {
      replies.push(doesNotFit());
      continue;
    }
    const before = unfinished.get(command.key);
    const reply = before === undefined ? execute(command) : before.then(() => execute(command));
    if (reply instanceof Promise) unfinished.set(command.key, reply);
    replies.push(reply);
  }
  return unfinished.size === 0 ? (replies as Reply[]) : settled(replies);
}

async function settled(replies: readonly (Reply | Promise<Reply>)[]): Promise<readonly Reply[]> {
  const all: Reply[] = [];
  for (const reply of replies) all.push(await reply);
  return all;
}

/** The replies as they come in. */
class BatchReplies {
  readonly list: Reply[] = [];
  #valueBytes = 0;
  #isFull = false;

  /** A value did not fit: no further READ needs to be carried out. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** How many of the next commands may be carried out together, by the size of the values so far. */
  get nextWindow(): number {
    if (this.list.length === 0) return WINDOW_FIRST;
    const meanBytes = this.#valueBytes / this.list.length;
    return Math.min(WINDOW_MAX, Math.max(1, Math.floor(WINDOW_VALUE_BYTES / Math.max(1, meanBytes))));
  }

  /** Takes the next replies; a READ whose value does not fit any more becomes an ERROR `too_large`. */
  add(replies: readonly Reply[]): void {
    for (const reply of replies) {
      if (reply.command !== 'READ' || reply.status !== 'SUCCESS') {
        this.list.push(reply);
        continue;
      }
      const bytes = valueBytes(reply.value);
      if (this.#isFull || this.#valueBytes + bytes > VALUE_BYTES_MAX) {
        this.#isFull = true;
        this.list.push(doesNotFit());
      } else {
        this.#valueBytes += bytes;
        this.list.push(reply);
      }
    }
  }
}

/** The reply to a READ for which there is no room left. */
function doesNotFit(): Reply {
  const message = 'The values do not fit into one answer: ask for fewer keys.';
  return { command: 'READ', status: 'ERROR', error: new CacheError('too_large', message) };
}
