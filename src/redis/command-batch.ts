/**
 * The commands that leave a connection in one turn, as Redis reads them (`command-encoder.ts` has a picture). They are put
 * together as text of one byte a character and written at once: a write for each, as ioredis does it, costs as much as the
 * command itself. Not by `command-encoder.ts`: most words here are text, which would have to become bytes one by one, and
 * those of a relayed command are bytes already.
 */
import { COPIED_BYTES_MAX } from './command-encoder';
import type { SingleCommand } from './commands';

/** More text than this goes to the sink at once, which gathers it: there is an end to how long a string can be. */
const TEXT_CHARS_MAX = 256 * 1024;

interface ByteSink {
  write(text: string, encoding: 'latin1'): unknown;
  write(bytes: Buffer): unknown;
}

export class CommandBatch {
  readonly #sink: ByteSink;
  #text = '';

  /** Writes to the sink what is added; to be called in one stretch, with the sink corked. */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  add(words: SingleCommand<unknown>['words']): void {
    let text = `${this.#text}*${words.length}\r\n`;
    for (const each of words) {
      const word = typeof each === 'number' ? String(each) : each;
      text += `$${word.length}\r\n`;
      if (typeof word === 'string') text += word;
      else if (word.length <= COPIED_BYTES_MAX) text += word.toString('latin1');
      else {
        this.#sink.write(text, 'latin1');
        this.#sink.write(word);
        text = '';
      }
      text += '\r\n';
    }
    this.#text = text;
    if (text.length > TEXT_CHARS_MAX) this.flush();
  }

  /** What was added goes to the sink now, so that something else can be written behind it. */
  flush(): void {
    if (this.#text !== '') this.#sink.write(this.#text, 'latin1');
    this.#text = '';
  }
}
