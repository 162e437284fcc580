/** What Redis and ioredis say went wrong, in the words of the house. */
import { CacheError } from '../core/errors';

/** A command that was certainly not carried out: it never left this process, or the node refused it as a whole. */
export class NotDone extends CacheError {}

/**
 * The shards are not in a state to carry it out, and may soon be: there is no master for a slot, the slot is on its
 * way, or the master lacks the replicas that it must have.
 */
export class NotYet extends NotDone {}

/** Where a node of a cluster says that a command belongs. */
export interface Redirection {
  /** `moved`: the slot is there. `ask`: the slot is on its way, and this key, if it exists, is there already. */
  readonly kind: 'moved' | 'ask';
  /** Empty: the host that said so. */
  readonly host: string;
  readonly port: number;
}

/** The command belongs elsewhere, and nothing was carried out here. The address is no more than a claim. */
export class Redirected extends NotDone {
  constructor(
    readonly redirection: Redirection,
    cause: Error,
  ) {
    super('unavailable', 'The key of this command is on another shard. Nothing was done.', { cause });
  }
}

/** Refusals of a node that is not what it was taken for, or not yet: another one, or this one soon, does better. */
const NOT_THE_MASTER = /^(LOADING|READONLY|MASTERDOWN)\b/;
const NOT_YET = /^(CLUSTERDOWN|TRYAGAIN|NOREPLICAS)\b/;

/**
 * Replies by which a *node* refuses, whatever the command: it loads, was demoted, lost its master, is busy with a
 * script, or does not accept our credentials. Another node may do better.
 */
const NODE_TROUBLE =
  /^(LOADING|MASTERDOWN|READONLY|BUSY|NOREPLICAS|MISCONF|NOAUTH|WRONGPASS|NOPERM|TRYAGAIN|CLUSTERDOWN)\b/;

/** Before Redis 7 the refusal of a command in a script stands behind words about the script. */
const IN_SCRIPT = /^ERR Error running script .*?: -(?=[A-Z]+ )/;

function withoutScript(reply: string): string {
  return reply.replace(IN_SCRIPT, '');
}

/** The error of one command on one node, translated; the cause is for the log and quotes nothing. */
export function translateRedisError(thrown: unknown): CacheError {
  if (thrown instanceof CacheError) return thrown;
  const cause = withoutArguments(thrown);
  const reply =
    thrown instanceof Error && thrown.name === 'ReplyError' ? withoutScript(thrown.message) : undefined;
  if (reply === undefined) {
    // Not an answer of Redis: the connection failed, or ioredis gave the command up.
    const message = 'The connection to the shard of this key was lost. A WRITE or DELETE may stand.';
    return new CacheError('unavailable', message, { cause });
  }
  if (reply.startsWith('OOM')) {
    return new CacheError('out_of_memory', 'The shard of this key is out of memory.', { cause });
  }
  if (reply.startsWith('WRONGTYPE')) {
    return new CacheError('corrupt_value', 'What is stored under this key is not a value.', { cause });
  }
  const redirection = parseRedirection(reply);
  if (redirection !== undefined) return new Redirected(redirection, cause);
  if (NODE_TROUBLE.test(reply)) {
    const message = 'The shard of this key does not take commands now. Nothing was done.';
    if (NOT_YET.test(reply)) return new NotYet('unavailable', message, { cause });
    return new (NOT_THE_MASTER.test(reply) ? NotDone : CacheError)('unavailable', message, { cause });
  }
  return new CacheError('internal', 'The shard of this key gave an answer that makes no sense.', { cause });
}

/** `MOVED 3999 127.0.0.1:6381`; the host may be an IPv6 address without brackets, a name, `?` or nothing. */
function parseRedirection(reply: string): Redirection | undefined {
  const [, kind, host = '', port] = /^(MOVED|ASK) \d{1,5} ([^\s/@]*):(\d{1,5})$/.exec(reply) ?? [];
  if (kind === undefined) return undefined;
  return { kind: kind === 'MOVED' ? 'moved' : 'ask', host: host === '?' ? '' : host, port: Number(port) };
}

/** No node that could carry a command out can be asked now; nothing was sent. */
export function unreachable(): CacheError {
  return new NotDone('unavailable', 'The shard of this key cannot be reached. Nothing was done.');
}

/** Why, for the log; it quotes nothing. */
export function reasonOf(thrown: unknown): string {
  const { cause } = translateRedisError(thrown);
  return cause instanceof Error ? cause.message : 'no answer';
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
