/**
 * Command and Reply: the language into which every door translates, and the only one the core speaks.
 */
import type { CacheError } from './errors';
import type { Session } from './session';

declare const keyBrand: unique symbol;

/**
 * A key is bytes. Inside the process they are held as a *byte string*: each UTF-16 unit is one byte, U+0000 to
 * U+00FF ("latin1" in Node's words). It is one byte a character in V8, can index a Map, and `length` and
 * `startsWith` speak of bytes. An ASCII key is the same string inside and outside.
 */
export type Key = string & { readonly [keyBrand]: true };

/** JSON text of a value that is not a string; kept as text so that it costs no parsing on its way through. */
export class Json {
  constructor(readonly text: string) {}
}

/**
 * What a caller stored: a string (its UTF-8 bytes are what Redis holds), bytes that are not valid UTF-8, or any
 * other JSON value. Bytes that are valid UTF-8 and the string they spell are the same value.
 */
export type Value = string | Buffer | Json;

/** What a READ may see. */
export type Consistency = 'eventual' | 'session' | 'strong';

export interface ReadCommand {
  readonly command: 'READ';
  readonly key: Key;
  readonly consistency: Consistency;
  /** What the caller has written so far, for a `session` read; undefined: it keeps no session. */
  readonly session?: Session | undefined;
}

/** On what is stored now, by its tag (`etag.ts`). Asks for the scope `read` too, since it tells of the value. */
export interface EtagCondition {
  /** True: the value must have one of the tags. False: it must have none of them, and may be absent. */
  readonly isMatch: boolean;
  readonly etags: readonly string[];
}

export interface WriteCommand {
  readonly command: 'WRITE';
  readonly key: Key;
  readonly value: Value;
  /** Life in whole milliseconds; 0: until deleted or evicted; undefined: the deployment's default. */
  readonly ttlMs: number | undefined;
  /** NX: only if absent. XX: only if present. */
  readonly condition: 'NX' | 'XX' | EtagCondition | undefined;
  /** The Reply is to tell whether a value was there before; undefined: it need not. */
  readonly tellsExisted?: boolean | undefined;
  /** undefined: the deployment's default. */
  readonly encrypt: boolean | undefined;
  /** How many replicas must have it before SUCCESS. */
  readonly ack: Ack;
  /** The caller's session so far; the Reply then carries it renewed. undefined: it keeps none. */
  readonly session?: Session | undefined;
}

export interface DeleteCommand {
  readonly command: 'DELETE';
  readonly key: Key;
  readonly condition?: EtagCondition | undefined;
  readonly ack: Ack;
  readonly session?: Session | undefined;
}

export type Ack = 0 | 1 | 2;
export type Command = ReadCommand | WriteCommand | DeleteCommand;

/** Where a value was found: in this process, or on which kind of node. The memory engine is its own master. */
export type Source = 'near' | 'replica' | 'master';

export type Reply =
  | { readonly command: 'READ'; readonly status: 'SUCCESS'; readonly value: Value; readonly source: Source }
  | { readonly command: 'READ'; readonly status: 'NOT_FOUND' }
  | {
      readonly command: 'WRITE';
      readonly status: 'SUCCESS' | 'NOT_STORED';
      /** Whether a value was there before; undefined: not asked for. */
      readonly existed: boolean | undefined;
      readonly session: Session | undefined;
    }
  | {
      readonly command: 'DELETE';
      /** NOT_DELETED: something is there, and the condition was not met. */
      readonly status: 'SUCCESS' | 'NOT_FOUND' | 'NOT_DELETED';
      readonly session: Session | undefined;
    }
  | { readonly command: Command['command']; readonly status: 'ERROR'; readonly error: CacheError };
