/**
 * Several commands as one step on a connection that others use too:
 *
 *     MULTI   command …   PUBLISH …   EXEC
 *
 * They leave in one go, so nobody else's command comes in between. The publications are ours (`COHERENCE=pubsub`), and
 * so is the whole envelope where a single command is announced: the caller gets the reply that it would have got
 * without them.
 */
import { CacheError, nonsense } from '../core/errors';
import type { Words } from '../core/ports';
import { refusalOf, withoutPreamble } from '../redis/redis-errors';
import type { AwaitedCommand, ReplyWaiter } from '../redis/relay-connection';
import { elementsOf, errorTextOf } from '../redis/reply-framer';
import type { RelayEntry } from './relay-entry';

const MULTI: Words = [Buffer.from('MULTI')];
const EXEC: Words = [Buffer.from('EXEC')];

export class RelayEnvelope implements ReplyWaiter {
  readonly deadlineMs: number;
  readonly #entry: RelayEntry;
  readonly #publications: readonly Words[];
  /** The replies before EXEC's: to MULTI, and to each command that was to be queued. */
  readonly #queued: Buffer[] = [];

  constructor(entry: RelayEntry, publications: readonly Words[]) {
    this.#entry = entry;
    this.#publications = publications;
    this.deadlineMs = entry.deadlineMs;
  }

  /** What is to be sent, all of it or nothing. */
  commands(): readonly AwaitedCommand[] {
    const waiter: ReplyWaiter = {
      deadlineMs: this.deadlineMs,
      settle: (reply) => this.#queued.push(reply),
      // EXEC fails as well, and that is heard.
      fail: () => undefined,
    };
    const queued = [...this.#entry.request.commands, ...this.#publications];
    return [
      { words: MULTI, waiter },
      ...queued.map((words) => ({ words, waiter })),
      { words: EXEC, waiter: this },
    ];
  }

  /** EXEC's reply. */
  settle(reply: Buffer): void {
    const [begun, ...errors] = this.#queued.map(errorTextOf);
    if (begun !== undefined) {
      this.#neverBegan(begun, errors);
      return;
    }
    for (const error of errors) {
      const refusal = error === undefined ? undefined : refusalOf(error);
      if (refusal !== undefined) {
        this.#entry.refuse(refusal);
        return;
      }
    }
    const error = errorTextOf(reply);
    if (error === undefined) {
      this.#carriedOut(reply);
      return;
    }
    const aborted = withoutPreamble(error);
    const refusal = refusalOf(aborted);
    if (refusal !== undefined) {
      this.#entry.refuse(refusal);
      return;
    }
    const isAlone = !this.#entry.request.isTransaction;
    // Who sent no EXEC gets what was said of the command.
    const [, said] = this.#queued;
    if (isAlone && said !== undefined && errors[0] !== undefined) this.#entry.accept(said);
    else this.#entry.accept(isAlone ? Buffer.from(`-${aborted}\r\n`) : reply);
  }

  fail(error: CacheError): void {
    this.#entry.fail(error);
  }

  #carriedOut(reply: Buffer): void {
    const entry = this.#entry;
    const { isTransaction, commands } = entry.request;
    if (this.#publications.length === 0) {
      entry.accept(reply);
      return;
    }
    const elements = elementsOf(reply);
    // Null: what was watched has changed.
    if (elements === undefined) {
      entry.accept(reply);
      return;
    }
    const [first] = elements;
    if (isTransaction) {
      const own = elements.slice(0, commands.length);
      entry.accept(Buffer.concat([Buffer.from(`*${own.length}\r\n`), ...own]));
    } else if (first === undefined) {
      entry.fail(nonsense());
    } else entry.settle(first);
  }

  /** Without MULTI each of the commands was carried out by itself, unless it was refused by itself. */
  #neverBegan(begun: string, errors: readonly (string | undefined)[]): void {
    const refusal = refusalOf(begun);
    const isRefused = errors.every((error) => error !== undefined && refusalOf(error) !== undefined);
    if (refusal !== undefined && isRefused) {
      this.#entry.refuse(refusal);
      return;
    }
    this.#entry.fail(
      new CacheError(
        'unavailable',
        'The shard of this key takes no transactions. What was sent may have been done.',
      ),
    );
  }
}
