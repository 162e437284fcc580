/** The one reply of a command of the door's own, which becomes a part of another one. */
import { encodeBulk } from './encoder';
import type { ReplyLine, ReplyPlace } from './reply-line';

export class CapturedReply implements ReplyLine {
  readonly owed = 0;
  /** The command that it is a part of is counted. */
  label = 'OTHER' as const;
  /** Resolves with the reply when it is there. */
  readonly whole: Promise<Buffer>;
  #settle: (reply: Buffer) => void = () => undefined;

  constructor() {
    this.whole = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  write(reply: Buffer): void {
    this.#settle(reply);
  }

  writeBulk(value: Buffer | string): void {
    this.#settle(encodeBulk(value));
  }

  take(): ReplyPlace {
    return {
      settle: (reply) => {
        this.#settle(reply);
      },
    };
  }

  push(): void {
    // A command of the door's own sends no messages.
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }
}
