/**
 * What was opened is closed in reverse order. A resource registers itself in the expression that opens it, so the
 * order of opening, which has to be right anyway, is the only order there is.
 */
export interface Closable {
  close(): void | Promise<void>;
}

export class Closers {
  readonly #open: Closable[] = [];

  /** Takes charge of closing the resource, and gives it back. */
  add<T extends Closable>(resource: T): T {
    this.#open.push(resource);
    return resource;
  }

  /** Closes all, the last one first; one that fails keeps none of the others open. @throws the first failure. */
  async closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let resource = this.#open.pop(); resource !== undefined; resource = this.#open.pop()) {
      try {
        await resource.close();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Closes them side by side, and waits for all, also when one fails. @throws the first failure */
export async function closeTogether(resources: readonly Closable[]): Promise<void> {
  const ends = await Promise.allSettled(resources.map(async (each) => each.close()));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
