/**
 * A command on its way to a node and back, from the turn in which it is asked for until its asker has heard.
 *
 * A single command stands itself where ioredis has a `Command` and a promise: making those, and the promises and the timer
 * around them, cost more than the rest of a READ below the doors (bench, row P2). ioredis keeps the line of those who wait
 * for replies, hands each its own, and tells all of them when the connection ends. The bytes are ours (`command-batch.ts`).
 * What it asks of a command is not in its documentation, so its version is pinned.
 */
import type { Command, Redis } from 'ioredis';
import type { CacheError } from '../core/errors';
import type { CommandBatch } from './command-batch';
import { encodedBytes } from './command-encoder';
import type { NodeCommand } from './commands';
import { translateRedisError, unreachable } from './redis-errors';

/** Who asked. Exactly one of the two is called, once, and in a later turn than that of the question. They never throw. */
export interface Asker<T> {
  /** `offset` of the replication stream has the change in it; `Infinity`: not known, or not asked for. */
  settle(reply: T, offset: number): void;
  fail(error: CacheError): void;
}

/** Ends the requests that have waited for too long; see `request-watch.ts`. */
export interface RequestWatcher {
  add(request: NodeRequest): void;
  remove(request: NodeRequest): void;
}

/** Holds a reply until an offset is known, and then calls `finish`. */
export interface RequestGroup {
  hold(request: NodeRequest): void;
}

const NO_ARGS: readonly string[] = [];

/** Where ioredis writes what `toWritable` gives: nowhere. The bytes are in the batch. */
const ELSEWHERE = { write: () => true } as unknown as Redis['stream'];

export class NodeRequest<T = unknown> {
  /** Monotonic. */
  readonly deadlineMs: number;
  /** How long the node may be silent while it owes the reply. */
  readonly silenceMs: number;
  /** For `RequestWatch`: when it looks again, what it found when it last did, and its neighbours there. */
  lookAtMs = Infinity;
  heardAtMs = 0;
  heardBytes = 0;
  before: NodeRequest | undefined;
  behind: NodeRequest | undefined;
  readonly #command: NodeCommand<T>;
  readonly #asker: Asker<T>;
  readonly #group: RequestGroup | undefined;
  #watch: RequestWatcher | undefined;
  #reply: T | undefined;
  /** What the function has sent before it waited for anything. */
  #functionBytes = 0;
  #hasLeft = false;
  #isAnswered = false;
  #isEnded = false;

  // Read by ioredis, all of them. It hangs name and arguments on errors, and arguments must reach no log.
  readonly name: string;
  readonly args = NO_ARGS;
  readonly promise = undefined;
  /** Nobody traces it: there is no promise to follow. */
  readonly isTraced = true;

  constructor(
    command: NodeCommand<T>,
    asker: Asker<T>,
    deadlineMs: number,
    silenceMs: number,
    group: RequestGroup | undefined,
  ) {
    this.#command = command;
    this.#asker = asker;
    this.deadlineMs = deadlineMs;
    this.silenceMs = silenceMs;
    this.#group = group;
    this.name = typeof command === 'function' ? '' : command.words[0];
  }

  /**
   * It leaves now, behind all that is in the batch, or is refused as not done. `watch`: who ends it when it takes too long;
   * undefined: nobody.
   *
   *   1. the node ends the connection, or it is given up here: its socket takes nothing any more,
   *   2. in the same turn a request is to leave. That the connection has closed is told in a later one, so ioredis calls it
   *      `ready` still, and refuses a single command on the spot. Its bytes would go into the batch behind that: nothing left.
   *   3. What a function sends is not seen from here, so where the socket takes nothing it is not begun.
   *   4. All that is refused later may have been carried out, also where the batch did not get to the socket.
   */
  leave(client: Redis, batch: CommandBatch, watch: RequestWatcher | undefined): void {
    const command = this.#command;
    this.#watch = watch;
    watch?.add(this);
    if (typeof command === 'function') {
      if (!client.stream.writable) {
        this.refuse(unreachable());
        return;
      }
      this.#hasLeft = true;
      batch.flush();
      const { stream } = client;
      const unsentBytes = stream.writableLength;
      command(client).then(
        (reply) => this.#answered(reply),
        (thrown: unknown) => this.reject(thrown),
      );
      this.#functionBytes = stream.writableLength - unsentBytes;
      return;
    }
    client.sendCommand(this as unknown as Command, ELSEWHERE);
    if (this.#isEnded) return;
    this.#hasLeft = true;
    batch.add(command.words);
  }

  /** So many bytes were put on the connection for it. */
  get bytes(): number {
    const command = this.#command;
    if (typeof command === 'function') return this.#functionBytes;
    return encodedBytes(command.words.map((word) => (typeof word === 'number' ? String(word) : word)));
  }

  /** It stays here: nothing was done. */
  refuse(error: CacheError): void {
    this.#end();
    this.#asker.fail(error);
  }

  /** Called by ioredis with the reply, in which text is bytes. */
  resolve(reply: unknown): void {
    if (this.#isEnded || typeof this.#command === 'function') return;
    let meaning: T;
    try {
      meaning = this.#command.parse(reply);
    } catch (thrown) {
      this.reject(thrown);
      return;
    }
    this.#answered(meaning);
  }

  /** Called by ioredis with what the node replied in place of an answer, or why there will be none. */
  reject(thrown: unknown): void {
    if (!this.#isEnded) this.refuse(this.#hasLeft ? translateRedisError(thrown) : unreachable());
  }

  /** It is not waited for any longer. A reply that waits for its offset counts. */
  expire(error: CacheError): void {
    // Whoever expired before it in the same stretch may have ended it.
    if (this.#isEnded) return;
    if (this.#isAnswered) this.finish(Infinity);
    else this.refuse(error);
  }

  /** For its group: the reply goes on, with that offset. */
  finish(offset: number): void {
    if (this.#isEnded) return;
    this.#end();
    this.#asker.settle(this.#reply as T, offset);
  }

  /** Called by ioredis before it asks for the bytes. */
  setReplyContext(): void {
    // Replies are taken as they come.
  }

  /** Called by ioredis for the bytes, which are in the batch. */
  toWritable(): string {
    return '';
  }

  #answered(reply: T): void {
    if (this.#isEnded) return;
    this.#reply = reply;
    this.#isAnswered = true;
    if (this.#group === undefined) this.finish(Infinity);
    else this.#group.hold(this);
  }

  #end(): void {
    this.#isEnded = true;
    this.#watch?.remove(this);
  }
}
