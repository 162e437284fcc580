/**
 * The heads of requests that leave nothing to interpretation: one line, one field, one length, all in plain ASCII, as
 * nearly every program sends them. Whatever is otherwise is left to Node's parser and to `framing.ts`, so what is read here
 * must be a subset of what both read, with the same meaning (RFC 9112).
 */
import { readHead, type RequestHead } from '../request-head';

/** Well below the parser's own limit, so that it is met there and nowhere else. */
export const HEAD_BYTES_MAX = 4096;
/** Fewer than `framing.ts` allows. */
const FIELDS_MAX = 32;
const LINE_END_BYTES = 2;
export const HEAD_END = '\r\n\r\n';

const REQUEST_LINE = /^(?:GET|HEAD|POST|PUT|DELETE) \/[!-~]* HTTP\/1\.1$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)$/;
export const LENGTH = /^[0-9]{1,9}$/;
const COMMAND_LINE = 'POST /cache HTTP/1.1';

/** They say where a message ends, how it is to be sent, or what becomes of its connection. */
const LEFT_TO_THE_PARSER = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Of a field's value, in bytes of the head. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface PlainHead {
  /** Of the head as it came, with the empty line. */
  readonly bytes: number;
  readonly bodyBytes: number;
  readonly head: RequestHead;
  /** It is the head of `POST /cache`, outside a session. */
  readonly isCommand: boolean;
}

export interface ParsedHead extends PlainHead {
  /** Where these fields stand, up to the ends of their lines; undefined: there are none. */
  readonly authorizationAt: Span | undefined;
  readonly lengthAt: Span | undefined;
}

/** The head at the beginning of `chunk`; undefined: it is not whole, or not plain. */
export function parsePlainHead(chunk: Buffer): ParsedHead | undefined {
  const end = chunk.indexOf(HEAD_END, 0, 'latin1');
  if (end < 0 || end > HEAD_BYTES_MAX) return undefined;
  const [requestLine = '', ...lines] = chunk.toString('latin1', 0, end).split('\r\n');
  if (lines.length > FIELDS_MAX || !REQUEST_LINE.test(requestLine)) return undefined;
  const rawHeaders: string[] = [];
  let authorizationAt: Span | undefined;
  let lengthAt: Span | undefined;
  let lineEnd = requestLine.length;
  for (const line of lines) {
    lineEnd += LINE_END_BYTES + line.length;
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const lowered = name.toLowerCase();
    const text = value.trimEnd();
    if (LEFT_TO_THE_PARSER.has(lowered) && !keepsOpen(lowered, text)) return undefined;
    if (lowered === 'content-length') {
      // As it came: Node's parser takes no tab behind the digits.
      if (lengthAt !== undefined || !LENGTH.test(value)) return undefined;
      lengthAt = { start: lineEnd - value.length, end: lineEnd };
    }
    if (lowered === 'authorization') authorizationAt = { start: lineEnd - value.length, end: lineEnd };
    rawHeaders.push(name, text);
  }
  const head = readHead(rawHeaders);
  if (head.hosts !== 1) return undefined;
  return {
    bytes: end + HEAD_END.length,
    bodyBytes: head.contentLength ?? 0,
    head,
    isCommand: requestLine === COMMAND_LINE && !head.hasSession,
    authorizationAt,
    lengthAt,
  };
}

/** What HTTP/1.1 does anyway. */
function keepsOpen(name: string, value: string): boolean {
  return name === 'connection' && value.toLowerCase() === 'keep-alive';
}
