/** Questions and answers between two processes that send each other messages. Every question has an end. */
import { CacheError } from '../core/errors';
import { withDeadline } from '../lib/deadline';
import type { Exchanged, WorkerAnswers } from './messages';

type About = keyof WorkerAnswers;

/** How each question is answered; what is thrown becomes a refusal. */
export type Answering<A extends Record<About, unknown>> = {
  readonly [T in About]: () => A[T] | Promise<A[T]>;
};

/** One end of it; `Theirs` is what the other end answers. */
export class Dialogue<Theirs extends Record<About, unknown>> {
  readonly #send: (exchanged: Exchanged) => void;
  readonly #answering: () => Answering<Record<About, unknown>> | undefined;
  readonly #asked = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >();
  #lastId = 0;
  #isOver = false;

  /** `answering`: asked for at each question; undefined: not yet. */
  constructor(
    send: (exchanged: Exchanged) => void,
    answering: () => Answering<Record<About, unknown>> | undefined,
  ) {
    this.#send = send;
    this.#answering = answering;
  }

  /** @throws CacheError `unavailable` when the other end refuses, does not answer in time, or is gone. */
  ask<T extends About>(about: T, waitMs: number): Promise<Theirs[T]> {
    if (this.#isOver) return Promise.reject(unanswered());
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#send({ kind: 'question', id, about });
    });
    return withDeadline(answer, waitMs, unanswered).finally(() => this.#asked.delete(id));
  }

  hear(exchanged: Exchanged): void {
    const { id } = exchanged;
    switch (exchanged.kind) {
      case 'question':
        void this.#answer(id, exchanged.about);
        return;
      case 'answer':
        this.#asked.get(id)?.resolve(exchanged.value);
        return;
      case 'refusal':
        this.#asked.get(id)?.reject(new CacheError('unavailable', exchanged.message));
    }
  }

  /** The other end is gone: whoever waits is told. */
  end(): void {
    this.#isOver = true;
    for (const { reject } of this.#asked.values()) reject(unanswered());
  }

  async #answer(id: number, about: About): Promise<void> {
    try {
      const answering = this.#answering();
      if (answering === undefined) throw unanswered();
      this.#send({ kind: 'answer', id, value: await answering[about]() });
    } catch (error) {
      this.#send({
        kind: 'refusal',
        id,
        message: (error instanceof CacheError ? error : unanswered()).message,
      });
    }
  }
}

function unanswered(): CacheError {
  return new CacheError('unavailable', 'A worker does not answer; try again soon.');
}
