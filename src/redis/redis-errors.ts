/** What Redis and ioredis say went wrong, in the words of the house. */
import { CacheError, NotAValue, nonsense } from '../core/errors';

/** A command that was certainly not carried out: it never left this process, or the node refused it as a whole. */
export class NotDone extends CacheError {}

/**
 * The shards are not in a state to carry it out, and may soon be: there is no master for a slot, the slot is on its
 * way, or the master lacks the replicas that it must have.
 */
export class NotYet extends NotDone {}

/** It did not leave, since too much is under way already: whoever would keep it to try again makes that worse. */
export class Overloaded extends NotDone {}

/**
 * It was refused in words that the command may have said itself, as a script can: it may have been carried out, and must
 * not be sent again.
 */
export class MaybeRefused extends CacheError {
  constructor(readonly refusal: CacheError) {
    const message = 'The shard of this key does not take commands now. What was sent may have been done.';
    super('unavailable', message, { cause: refusal.cause });
  }
}

/** Where a node of a cluster says that a command belongs. */
export interface Redirection {
  /** `moved`: the slot is there. `ask`: the slot is on its way, and this key, if it exists, is there already. */
  readonly kind: 'moved' | 'ask';
  readonly slot: number;
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

/**
 * What comes true between a queued command and its EXEC is told by EXEC, behind words of its own; nothing was done then.
 * The reply without these.
 */
export function withoutPreamble(reply: string): string {
  return reply.replace(/^EXECABORT .* because of: -?/, '');
}

/** The error of one command on one node, translated; the cause is for the log and quotes nothing. */
export function translateRedisError(thrown: unknown): CacheError {
  if (thrown instanceof CacheError) return thrown;
  const said = withoutPreamble(thrown instanceof Error ? thrown.message : 'unknown');
  const cause = withoutArguments(said);
  if (!(thrown instanceof Error) || thrown.name !== 'ReplyError') {
    // Not an answer of Redis: the connection failed, or ioredis gave the command up.
    const message = 'The connection to the shard of this key was lost. A WRITE or DELETE may stand.';
    return new CacheError('unavailable', message, { cause });
  }
  const reply = withoutScript(said);
  if (reply.startsWith('OOM')) {
    return new CacheError('out_of_memory', 'The shard of this key is out of memory.', { cause });
  }
  if (reply.startsWith('WRONGTYPE')) {
    return new NotAValue(cause);
  }
  const refusal = refusalIn(reply, cause);
  if (refusal !== undefined) return refusal;
  return nonsense(cause);
}

/**
 * Of an error that a node replied (without the `-` in front), what it means that the *node* refuses, whatever the
 * command: `NotDone` where another node or a later moment does better. undefined: the command was answered so.
 */
export function refusalOf(error: string): CacheError | undefined {
  const reply = withoutScript(error);
  return refusalIn(reply, withoutArguments(reply));
}

/**
 * What Redis says where it refuses a command as a whole, to the letter. Behind it Redis 7 may say in which script it did.
 */
const WHOLE_REFUSAL = new RegExp(
  `^(?:${[
    '(?:MOVED|ASK) \\d{1,5} [^\\s/@]*:\\d{1,5}',
    "READONLY You can't write against a read only replica\\.",
    'LOADING \\w+ is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'\\.",
    'NOREPLICAS Not enough good replicas to write\\.',
    'CLUSTERDOWN (?:The cluster is down(?: and only accepts read commands)?|Hash slot not served)',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'BUSY \\w+ is busy running a script\\. .*',
    'MISCONF \\w+ is configured to save RDB snapshots, but .*',
    'MISCONF Errors writing to the AOF file: .*',
    'NOAUTH Authentication required\\.',
    'NOPERM (?:this user|User \\S+) has no permissions .*',
    'NOPERM No permissions to access a (?:key|channel)',
  ].join('|')})(?: script: [0-9a-f]{40}, on @user_script:\\d+\\.)?$`,
);

/**
 * As `refusalOf`, of an error that a script may have made up: only what Redis itself says counts, to the letter, and what
 * leads elsewhere only for the slot that was asked for. `slot`: undefined where there are none.
 */
export function wholeRefusalOf(error: string, slot: number | undefined): CacheError | undefined {
  if (!WHOLE_REFUSAL.test(withoutScript(error).trimEnd())) return undefined;
  const refusal = refusalOf(error);
  return refusal instanceof Redirected && refusal.redirection.slot !== slot ? undefined : refusal;
}

function refusalIn(reply: string, cause: Error): CacheError | undefined {
  const redirection = parseRedirection(reply);
  if (redirection !== undefined) return new Redirected(redirection, cause);
  if (!NODE_TROUBLE.test(reply)) return undefined;
  const message = 'The shard of this key does not take commands now. Nothing was done.';
  if (NOT_YET.test(reply)) return new NotYet('unavailable', message, { cause });
  return new (NOT_THE_MASTER.test(reply) ? NotDone : CacheError)('unavailable', message, { cause });
}

/** `MOVED 3999 127.0.0.1:6381`; the host may be an IPv6 address without brackets, a name, `?` or nothing. */
function parseRedirection(reply: string): Redirection | undefined {
  const [, kind, slot, host = '', port] = /^(MOVED|ASK) (\d{1,5}) ([^\s/@]*):(\d{1,5})$/.exec(reply) ?? [];
  if (kind === undefined) return undefined;
  return {
    kind: kind === 'MOVED' ? 'moved' : 'ask',
    slot: Number(slot),
    host: host === '?' ? '' : host,
    port: Number(port),
  };
}

/** No node that could carry a command out can be asked now; nothing was sent. */
export function unreachable(cause?: Error): CacheError {
  return new NotDone('unavailable', 'The shard of this key cannot be reached. Nothing was done.', { cause });
}

/** Too much waits to leave for its shard; nothing was sent. */
export function overloaded(): CacheError {
  return new Overloaded('unavailable', 'The shard of this key has too much to do. Nothing was done.');
}

/** It has not left, and its deadline has passed. */
export function tooLate(): CacheError {
  return new NotDone('timeout', 'The shard of this key could not be asked in time. Nothing was done.');
}

/** It has left, and no answer came by its deadline. */
export function timedOut(): CacheError {
  return new CacheError(
    'timeout',
    'The shard of this key did not answer in time. A WRITE or DELETE may stand.',
  );
}

/** Why, for the log; it quotes nothing. */
export function reasonOf(thrown: unknown): string {
  const { cause } = translateRedisError(thrown);
  return cause instanceof Error ? cause.message : 'no answer';
}

/**
 * Redis quotes arguments in some of its errors, and ioredis hangs the whole command on its own: keys and values,
 * which must reach no log; and it tells whole replies that nobody asked for. What stands before tells enough.
 */
function withoutArguments(message: string): Error {
  return new Error(message.split(/['"`]| Last (?:reply|error):/, 1)[0]);
}

/** Whether the same read may succeed on another node of the shard. */
export function isNodeTrouble(error: CacheError): boolean {
  return error.code === 'unavailable' || error.code === 'timeout' || error.code === 'internal';
}
