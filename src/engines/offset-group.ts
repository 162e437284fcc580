/**
 * The changes that leave for a master in one turn of the event loop, and the ROLE behind them that tells an offset
 * with all of them in it. Their replies are held until it is answered, so that their keys are marked with that offset
 * before anybody hears of them.
 *
 *   1. w1 is answered  2. the connection ends, or its deadline passes, before ROLE is answered
 *
 * Then w1 was carried out, so it is answered; its key is marked without an offset, and stays with the master until
 * that has told one (`write-marks.ts`).
 */
import type { ReplyWaiter } from '../redis/relay-connection';
import { elementsOf } from '../redis/reply-framer';
import type { EntryGroup, RelayEntry } from './relay-entry';

const MASTER = '$6\r\nmaster\r\n';

export class OffsetGroup implements EntryGroup, ReplyWaiter {
  /** The earliest of the changes'. */
  deadlineMs = Infinity;
  readonly #held: { readonly entry: RelayEntry; readonly reply: Buffer }[] = [];
  /** undefined: not told yet. */
  #offset: number | undefined;

  add(entry: RelayEntry): void {
    this.deadlineMs = Math.min(this.deadlineMs, entry.deadlineMs);
  }

  hold(entry: RelayEntry, reply: Buffer): void {
    if (this.#offset === undefined) this.#held.push({ entry, reply });
    else entry.finish(reply, this.#offset);
  }

  settle(role: Buffer): void {
    const [kind, offset] = elementsOf(role) ?? [];
    const told = Number(offset?.toString('latin1', 1, offset.length - 2));
    this.#tell(kind?.toString('latin1') === MASTER && Number.isSafeInteger(told) ? told : Infinity);
  }

  fail(): void {
    this.#tell(Infinity);
  }

  #tell(offset: number): void {
    this.#offset = offset;
    for (const { entry, reply } of this.#held.splice(0)) entry.finish(reply, offset);
  }
}
