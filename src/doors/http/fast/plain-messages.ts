/** A request of the fast path and its answer, in the form in which an `Exchange` works with Node's own. */
import { STATUS_CODES } from 'node:http';
import type { CacheError } from '../../../core/errors';
import type { RequestNotes } from '../messages';
import type { RequestHead } from '../request-head';

/** For how long a connection is kept open behind its last answer. */
export const KEEP_ALIVE_MS = 65_000;

/** It is there as a whole, its body too. */
export class PlainRequest implements RequestNotes {
  requestId: string | undefined = undefined;
  readonly complete = true;
  readonly refusal: CacheError | undefined = undefined;

  constructor(
    readonly head: RequestHead,
    readonly body: Buffer,
  ) {}
}

/** Where the bytes of an answer go. */
export interface AnswerSink {
  /** Nobody is there to get it. */
  readonly isGone: boolean;
  /** The whole answer, once; `isLast`: the connection ends behind it. */
  answer(text: string, encoding: 'latin1' | 'utf8', isLast: boolean): void;
}

export class PlainResponse {
  headersSent = false;
  shouldKeepAlive = true;
  /** The answer is there, and leaves at the end of this turn. */
  isDeparting = false;
  readonly #sink: AnswerSink;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  get destroyed(): boolean {
    return this.#sink.isGone;
  }

  /** Answers as Node would: the same fields, in the same order. `headers` and `extra` as in `respond`. */
  write(status: number, headers: readonly string[], extra: readonly string[], body: string): void {
    this.headersSent = true;
    const bodyBytes = Buffer.byteLength(body);
    const isAscii = bodyBytes === body.length;
    const connection = this.shouldKeepAlive ? KEEP_ALIVE_FIELDS : CLOSE_FIELD;
    const head = `${statusLine(status)}${knownText(headers)}${fieldsText(extra)}Content-Length: ${bodyBytes}\r\n`;
    this.#sink.answer(
      `${head}${dateField()}${connection}\r\n${body}`,
      isAscii ? 'latin1' : 'utf8',
      !this.shouldKeepAlive,
    );
  }
}

const KEEP_ALIVE_FIELDS = `Connection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_MS / 1000}\r\n`;
const CLOSE_FIELD = 'Connection: close\r\n';

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
}

/** By list: there are a few, which are never changed. */
const knownTexts = new WeakMap<readonly string[], string>();

function knownText(fields: readonly string[]): string {
  let text = knownTexts.get(fields);
  if (text === undefined) knownTexts.set(fields, (text = fieldsText(fields)));
  return text;
}

function fieldsText(fields: readonly string[]): string {
  let text = '';
  for (let at = 0; at + 1 < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return text;
}

let dateSecond = NaN;
let dateText = '';

/** Made once a second. */
function dateField(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateText;
}
