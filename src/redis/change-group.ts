/**
 * The changes that leave for a node in one turn of the event loop, and the ROLE behind them that tells an offset with all
 * of them in it. Replies come in the order of the questions, so theirs are held until it is answered: each key can be
 * marked before anybody hears of its change. Where it is not, since the connection ends, they go on without an offset.
 */
import type { Asker, NodeRequest, RequestGroup } from './node-request';

export class ChangeGroup implements RequestGroup, Asker<number> {
  #held: NodeRequest[] = [];
  /** undefined: not told yet. */
  #offset: number | undefined;

  hold(request: NodeRequest): void {
    if (this.#offset === undefined) this.#held.push(request);
    else request.finish(this.#offset);
  }

  /** ROLE has told it. */
  settle(offset: number): void {
    const held = this.#held;
    this.#offset = offset;
    this.#held = [];
    for (const request of held) request.finish(offset);
  }

  fail(): void {
    this.settle(Infinity);
  }
}
