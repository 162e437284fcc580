/** What the door knows of a command of the Redis protocol: the rows of `command-table.ts` are of this type. */
import type { Scope } from '../../core/grants';

/**
 * Keys among a command's words, as `COMMAND` tells of them ("key specifications"). A command may have several, and a
 * word that is found by none is no key.
 */
export interface KeySpec {
  readonly begin:
    | { readonly type: 'index'; readonly index: number }
    /** Behind the word `keyword`, which is looked for from the word `from`; negative: backwards from the end. */
    | { readonly type: 'keyword'; readonly keyword: string; readonly from: number }
    | { readonly type: 'unknown' };
  readonly find:
    /**
     * Each `step`th word to `last`, which counts from the first key or, negative, from the end of the command (−1: the
     * last word). `limit`: of what remains only one half, a third and so on.
     */
    | { readonly type: 'range'; readonly last: number; readonly step: number; readonly limit: number }
    /** The word where it begins says how many keys follow. */
    | { readonly type: 'keynum'; readonly step: number }
    | { readonly type: 'unknown' };
  /** What is done with them, as Redis says it: `RO`, `RW`, `OW`, `RM`, then `access`, `insert`, `update`, `delete` … */
  readonly flags: readonly string[];
}

/** How a command's keys are found quickly and exactly as Redis finds them when it carries it out (`key-rules.ts`). */
export type KeyRule =
  | { readonly rule: 'none' }
  /** From the word `first` to the word `last` (−1: the last word), each `step`th. Word 0 is the name. */
  | { readonly rule: 'range'; readonly first: number; readonly last: number; readonly step: number }
  /** The word `at` says how many keys follow it, each `step`th word; `before`: a key that stands in front of it. */
  | {
      readonly rule: 'counted';
      readonly at: number;
      readonly step: number;
      readonly before: number | undefined;
    }
  /** Found among its options. */
  | { readonly rule: 'own'; readonly find: 'sort' | 'georadius' | 'xread' };

/**
 * How a command is carried out.
 *
 * - `local`: answered by the door itself (`local/`)
 * - `value`: GET, through the near cache
 * - `keyed`: relayed to the shard of its keys, all of which must be at one place; without keys, to any shard
 * - `split`: a part for each place, and the replies put together: MGET, MSET, DEL, UNLINK, EXISTS, TOUCH
 * - `everywhere`: relayed to every shard, and the replies put together: DBSIZE, FLUSHALL, KEYS, SCRIPT LOAD
 * - `single`: speaks of one Redis server, so it is relayed where there is one shard and refused where there are more
 * - `scan`: SCAN, with cursors that go over all shards
 * - `blocking`: `keyed`, and may wait, so it needs a connection of its own (`mayBlock` in `key-rules.ts`)
 * - `transaction`: MULTI, EXEC, DISCARD, WATCH, UNWATCH
 * - `subscription`: SUBSCRIBE and its like, whose replies are messages
 * - `channel`: PUBLISH, SPUBLISH, PUBSUB
 * - `refused`: would harm the gateway, its nodes or its other callers
 *
 * Invariant: what changes the state of the connection that it is sent on is `local`, `transaction`, `subscription` or
 * `refused`, since the others go over connections that callers share.
 */
export const COMMAND_KINDS = [
  'local',
  'value',
  'keyed',
  'split',
  'everywhere',
  'single',
  'scan',
  'blocking',
  'transaction',
  'subscription',
  'channel',
  'refused',
] as const;
export type CommandKind = (typeof COMMAND_KINDS)[number];

export interface CommandSpec {
  /** In lower case, as Redis says it in `COMMAND`: `get`, `config|get`. */
  readonly name: string;
  /** As in `COMMAND`: how many words, the name's among them; negative: at least so many. */
  readonly arity: number;
  readonly kind: CommandKind;
  /** What the caller needs at least; options may ask for more (`scopesOf` in `relayed-command.ts`). Empty: nothing. */
  readonly scopes: readonly Scope[];
  /** Changes what is stored, with some options at least (`relayed-command.ts`). Only masters carry it out. */
  readonly isWrite: boolean;
  /** Replicas must not be asked: they would refuse it or tell something else, as of cursors, scripts and idle times. */
  readonly needsMaster: boolean;
  readonly keys: KeyRule;
  /** It touches or tells of keys that it does not name: for callers to whom all keys are granted. */
  readonly isUnbounded: boolean;
  /** It changes or removes strings. What speaks of another type and replaces nothing fails where a string is. */
  readonly changesStrings: boolean;
  /** It changes keys that it does not name: scripts, functions, FLUSHALL. */
  readonly changesUnnamed: boolean;
  /** Before AUTH too. */
  readonly isOpen: boolean;
  /** Not within MULTI; Redis says so in these words after `ERR `. */
  readonly notInTransaction: string | undefined;
  /** Why it is refused, as a sentence to stand after `ERR `; of `refused` only. */
  readonly refusal: string | undefined;
  /** As `COMMAND` shows them: write, readonly, denyoom, admin, pubsub, noscript, blocking, fast, … */
  readonly flags: readonly string[];
  /** As `COMMAND` shows them: @string, @write, … in Redis's order. */
  readonly categories: readonly string[];
  readonly keySpecs: readonly KeySpec[];
  /** As `COMMAND DOCS` says it: `string`, `generic`, `server`. */
  readonly group: string;
  /**
   * Those of a container, by the second half of their names. A container alone has too few words, whatever its kind;
   * but COMMAND, which is a command as well.
   */
  readonly subcommands: ReadonlyMap<string, CommandSpec>;
}
