/**
 * A map that knows in which order its keys were used last, and can be walked in that order while it goes on being used.
 * The walk is why it exists: the package that is used elsewhere loses its place in the list when the entry that it
 * stands at is used, and all that lies behind is left out.
 *
 *     first (used longest ago)  <->  …  <->  last (used just now)
 *                            ^ next of the walk: all that lies before it has been visited
 *
 *   1. the walk is about to visit X
 *   2. X is used, and moves to the end: `next` moves on to the one behind X
 *   3. the walk meets X at the end, once: an entry remembers the walk that has visited it
 *
 * What is put in during a walk counts as visited, so that a walk ends however much is written meanwhile: it ends when
 * everything that was there at its start has been visited or has gone.
 *
 * It is not built on `recency-slots.ts`, for each use and each removal looks after the walk here, which the near cache would
 * pay for at each hit, and slots have an end at a number of keys.
 */

interface Node<K, V> {
  readonly key: K;
  value: V;
  before: Node<K, V> | undefined;
  behind: Node<K, V> | undefined;
  /** The number of the last walk that need not visit it any more. */
  walk: number;
}

interface Walk<K, V> {
  readonly number: number;
  next: Node<K, V> | undefined;
  /** Not visited yet. */
  left: number;
}

export class RecencyMap<K, V> {
  readonly #nodes = new Map<K, Node<K, V>>();
  #first: Node<K, V> | undefined;
  #last: Node<K, V> | undefined;
  #walk: Walk<K, V> | undefined;
  #walks = 0;

  get size(): number {
    return this.#nodes.size;
  }

  /** The value, without counting as a use of it. */
  peek(key: K): V | undefined {
    return this.#nodes.get(key)?.value;
  }

  /** The key is the one used last now, if it is there. */
  use(key: K): void {
    const node = this.#nodes.get(key);
    if (node === undefined || node === this.#last) return;
    this.#unlink(node);
    this.#append(node);
  }

  /** Puts the value in place of what is there; the key is the one used last now. */
  set(key: K, value: V): void {
    const node = this.#nodes.get(key);
    if (node !== undefined) {
      node.value = value;
      this.use(key);
      return;
    }
    const walk = this.#walk?.number ?? 0;
    const added: Node<K, V> = { key, value, before: undefined, behind: undefined, walk };
    this.#nodes.set(key, added);
    this.#append(added);
  }

  delete(key: K): boolean {
    const node = this.#nodes.get(key);
    if (node === undefined) return false;
    this.#nodes.delete(key);
    this.#unlink(node);
    if (this.#walk !== undefined && node.walk !== this.#walk.number) this.#walk.left -= 1;
    return true;
  }

  /** A copy, in the order in which they were put in. */
  keys(): K[] {
    return [...this.#nodes.keys()];
  }

  /** The key that was used longest ago. */
  oldest(): K | undefined {
    return this.#first?.key;
  }

  clear(): void {
    this.#nodes.clear();
    this.#first = undefined;
    this.#last = undefined;
    if (this.#walk !== undefined) Object.assign(this.#walk, { next: undefined, left: 0 });
  }

  /**
   * Everything that is there when the first page is asked for and still when it is met, once, the key that was used
   * longest ago first. A page takes at most `stepsMax` steps and may be empty. One walk at a time: @throws Error
   */
  *pages(stepsMax: number): Generator<readonly (readonly [K, V])[], void> {
    if (this.#walk !== undefined) throw new Error('there is a walk already');
    const walk: Walk<K, V> = { number: ++this.#walks, next: this.#first, left: this.size };
    this.#walk = walk;
    try {
      while (walk.left > 0) yield visit(walk, stepsMax);
    } finally {
      this.#walk = undefined;
    }
  }

  #append(node: Node<K, V>): void {
    node.before = this.#last;
    if (this.#last === undefined) this.#first = node;
    else this.#last.behind = node;
    this.#last = node;
    if (this.#walk !== undefined) this.#walk.next ??= node;
  }

  #unlink(node: Node<K, V>): void {
    const { before, behind } = node;
    if (this.#walk?.next === node) this.#walk.next = behind;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    node.before = undefined;
    node.behind = undefined;
  }
}

function visit<K, V>(walk: Walk<K, V>, stepsMax: number): (readonly [K, V])[] {
  const page: (readonly [K, V])[] = [];
  for (let steps = 0; steps < stepsMax && walk.next !== undefined; steps += 1) {
    const node = walk.next;
    walk.next = node.behind;
    if (node.walk === walk.number) continue;
    node.walk = walk.number;
    walk.left -= 1;
    page.push([node.key, node.value]);
  }
  return page;
}
