/** What Redis and ioredis say went wrong, in the words of the house. */
import { CacheError } from '../core/errors';

/**
 * Replies by which a *node* refuses, whatever the command: it loads, was demoted, lost its master, is busy with a
 * script, or does not accept our credentials. Another node may do better.
 */
const NODE_TROUBLE =
  /^(LOADING|MASTERDOWN|READONLY|BUSY|NOREPLICAS|MISCONF|NOAUTH|WRONGPASS|NOPERM|TRYAGAIN|CLUSTERDOWN)\b/;

/** The error of one command on one node, translated; the cause is for the log and quotes nothing. */
export function translateRedisError(thrown: unknown): CacheError {
  if (thrown instanceof CacheError) return thrown;
  const cause = withoutArguments(thrown);
  const reply = thrown instanceof Error && thrown.name === 'ReplyError' ? thrown.message : undefined;
  if (reply === undefined) {
    // Not an answer of Redis: the connection failed, or ioredis gave the command up.
    return unreachable(cause);
  }
  if (reply.startsWith('OOM')) {
    return new CacheError('out_of_memory', 'The shard of this key is out of memory.', { cause });
  }
  if (reply.startsWith('WRONGTYPE')) {
    return new CacheError('corrupt_value', 'What is stored under this key is not a value.', { cause });
  }
  if (NODE_TROUBLE.test(reply)) {
    return new CacheError('unavailable', 'The shard of this key does not take commands now.', { cause });
  }
  return new CacheError('internal', 'The shard of this key gave an answer that makes no sense.', { cause });
}

/** No node that could carry a command out can be asked now; nothing was sent, unless `cause` tells otherwise. */
export function unreachable(cause?: unknown): CacheError {
  return new CacheError('unavailable', 'The shard of this key cannot be reached.', { cause });
}

/**
 * Redis quotes arguments in some of its errors, and ioredis hangs the whole command on its own: keys and values,
 * which must reach no log. What stands before the first quotation mark tells enough.
 */
function withoutArguments(thrown: unknown): Error {
  const message = thrown instanceof Error ? thrown.message : 'unknown';
  return new Error(message.split(/['"`]/, 1)[0]);
}

/** Whether the same read may succeed on another node of the shard. */
export function isNodeTrouble(error: CacheError): boolean {
  return error.code === 'unavailable' || error.code === 'timeout' || error.code === 'internal';
}
