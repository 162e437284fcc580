/**
 * Why something cannot be used, told to the operator once for each reason: it is tried many times a second, and the log
 * must not fill with what it said before.
 */
export class Trouble {
  readonly #tell: (reason: string) => void;
  /** What was told last, unless that is over. */
  #told: string | undefined;

  /** `tell` gets each reason that is not the one before it. */
  constructor(tell: (reason: string) => void) {
    this.#tell = tell;
  }

  /** It cannot be used, for this reason. */
  meet(reason: string): void {
    if (reason === this.#told) return;
    this.#told = reason;
    this.#tell(reason);
  }

  /** It can be used: whatever comes next is told again. Gives whether there was any trouble. */
  end(): boolean {
    const wasTold = this.#told !== undefined;
    this.#told = undefined;
    return wasTold;
  }
}
