/**
 * The body of a request, read straight from its stream: a body parser costs about half of the throughput.
 * Nothing happens before the body has ended, and memory grows with what arrived, never with what was announced.
 */
import { isUtf8 } from 'node:buffer';
import { CacheError } from '../../core/errors';
import { GatheredBytes } from '../../lib/gathered-bytes';
import { type AnyExchange, isPlain, type PlainExchange } from './exchange';
import type { RequestHead } from './request-head';

/** `charset` is the one parameter that is allowed, and UTF-8 the one charset (RFC 8259 8.1). */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

/**
 * The longest body of `POST /cache`. A value takes up to a third more as base64 and up to twice as much where each
 * character is escaped once (`\n`, `\"`); the rest is room for keys and the other fields. A batch must fit too.
 */
export function bodyBytesMax(valueBytesMax: number): number {
  return 2 * valueBytesMax + 1024 * 1024;
}

/**
 * Hands over the whole body once it has arrived. What `onBody` throws becomes the answer. When the client leaves
 * first, `onBody` is never called. A body that comes too slowly is the listener's to end: it closes the connection.
 * @throws CacheError `unsupported_media_type` (an encoded body), `too_large`: before anything is read.
 */
export function readBody(exchange: AnyExchange, bytesMax: number, onBody: (bytes: Buffer) => unknown): void {
  const { head } = exchange;
  checkEncoding(head);
  if (head.contentLength !== undefined && head.contentLength > bytesMax) throw bodyTooLarge(bytesMax);
  if (isPlain(exchange)) {
    takeWhole(exchange, onBody);
    return;
  }

  const { request, response } = exchange;
  // A client that waits to be asked for the body is asked (RFC 9110 10.1.1).
  if (request.awaitsContinue === true) response.writeContinue();
  const body = new GatheredBytes();
  // Taking the listeners off instead would turn the emitter's table into a dictionary: 4 % of the throughput.
  let isOver = false;

  function take(chunk: Buffer): void {
    if (isOver) return;
    if (body.length + chunk.length > bytesMax) {
      refuse(bodyTooLarge(bytesMax));
    } else if (!exchange.hold(body.growthFor(chunk))) {
      refuse(tooMuchAtOnce());
    } else {
      body.add(chunk);
    }
  }

  function finish(): void {
    if (isOver) return;
    isOver = true;
    exchange.attempt(() => onBody(body.whole()));
  }

  function abandon(): void {
    if (isOver) return;
    isOver = true;
    exchange.abandon();
  }

  function refuse(error: CacheError): void {
    isOver = true;
    exchange.fail(error);
  }

  request.on('data', take).on('end', finish).on('close', abandon);
  // Once the listener has answered in our place, as it does to a body that breaks off, Node forgets the request and
  // never closes it; a response that waits behind others of its connection is never closed when that connection dies.
  response.on('close', abandon);
}

/** A body that came with its head. */
function takeWhole(exchange: PlainExchange, onBody: (bytes: Buffer) => unknown): void {
  const { body } = exchange.request;
  if (exchange.hold(body.length)) exchange.attempt(() => onBody(body));
  else exchange.fail(tooMuchAtOnce());
}

/**
 * `readBody` of a body that is announced as JSON, one command or many.
 * @throws CacheError `unsupported_media_type` where it is not, and as `readBody` does
 */
export function readJsonBody(
  exchange: AnyExchange,
  bytesMax: number,
  onBody: (bytes: Buffer) => unknown,
): void {
  if (!isJson(exchange.head)) {
    throw new CacheError('unsupported_media_type', 'Content-Type must be application/json, in UTF-8.');
  }
  readBody(exchange, bytesMax, onBody);
}

/** Whether the body is announced as JSON. @throws CacheError `unsupported_media_type` where it is announced twice */
export function isJson({ contentType, contentTypes }: RequestHead): boolean {
  if (contentTypes > 1) {
    throw new CacheError('unsupported_media_type', 'There is more than one Content-Type field.');
  }
  return contentType === 'application/json' || (contentType !== undefined && JSON_TYPE.test(contentType));
}

/**
 * The text of a body, which must be UTF-8 without a byte order mark.
 * @throws CacheError `bad_request`
 */
export function decodeText(bytes: Buffer): string {
  if (bytes.length === 0) throw new CacheError('bad_request', 'The body is empty; JSON is expected.');
  if (!isUtf8(bytes)) throw new CacheError('bad_request', 'The body is not UTF-8.');
  return bytes.toString('utf8');
}

/**
 * The JSON value that a body spells.
 * @throws CacheError `bad_request`, without the parser's own message: that one quotes the body.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CacheError('bad_request', 'The body is not valid JSON.');
  }
}

function checkEncoding({ contentEncoding }: RequestHead): void {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
    throw new CacheError(
      'unsupported_media_type',
      'Content-Encoding is not supported: send the body as it is.',
    );
  }
}

function tooMuchAtOnce(): CacheError {
  return new CacheError('unavailable', 'Too much is being sent at once.');
}

function bodyTooLarge(bytesMax: number): CacheError {
  return new CacheError('too_large', `The body is longer than ${bytesMax} bytes.`);
}
