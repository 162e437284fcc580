/** The place that a connection takes among those that have commands at work (MAX_IN_FLIGHT), however many it has. */
import { CacheError } from '../../core/errors';
import type { Budget } from '../../lib/budget';

export class WorkPlace {
  #atWork = 0;

  constructor(private readonly places: Budget) {}

  /** One more command that is carried out outside of this process. @throws CacheError `throttled` */
  begin(): void {
    if (this.#atWork === 0 && !this.places.take(1)) {
      throw new CacheError('throttled', 'Too many requests are at work. Try again soon.');
    }
    this.#atWork += 1;
  }

  end(): void {
    this.#atWork -= 1;
    if (this.#atWork === 0) this.places.release(1);
  }
}
