/**
 * One open connection: what is being received and answered on it, how its last answer is given, and whether its
 * other end is too slow. A connection can carry several requests at a time (pipelining); their answers leave in
 * order, which is Node's work.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CacheError } from '../../core/errors';
import type { Log } from '../../core/ports';
import { bytesTaken, Patience } from '../../lib/patience';
import { METHODS } from './framing';
import { createRequestId } from '../../core/request-id';
import type { PlainRequest, PlainResponse } from './fast/plain-messages';
import { type CacheRequest, requestIdOf } from './messages';
import { respondError } from './respond';

/**
 * What the other end still sends after our last answer is read and thrown away for this long: closing a socket with
 * unread bytes resets the connection, and the reset may overtake the answer (RFC 9112 9.6).
 */
const LINGER_MS = 500;
/** A connection beyond the limit that does not even ask is closed after this. */
const SURPLUS_PATIENCE_MS = 2000;

export class Peer {
  readonly address: string;
  /** Answers that are owed: requests that arrived, less answers that have left. */
  pending = 0;
  /** Whether any request came. */
  hasAsked = false;
  /** No further request of this connection is served: its last answer is on its way, or has left. */
  isClosing = false;
  /** The latest request and its answer, until both are through. */
  #request: CacheRequest | PlainRequest | undefined;
  #response: ServerResponse | PlainResponse | undefined;
  /** To be said when all answers that are owed have left. */
  #farewell: CacheError | undefined;
  #watched: CacheRequest | PlainRequest | undefined;
  readonly #receiving = new Patience();
  readonly #reading = new Patience();

  constructor(
    readonly socket: TLSSocket,
    /** The TCP connection beneath. */
    private readonly transport: Socket,
    /** It came when the limit on connections was reached. */
    readonly isSurplus: boolean,
    readonly openedMs: number,
    private readonly log: Log,
  ) {
    this.address = socket.remoteAddress ?? 'unknown';
    // Node calls this after the last answer; its own version would leave unread bytes behind.
    socket.destroySoon = () => this.close();
  }

  begin(request: CacheRequest | PlainRequest, response: ServerResponse | PlainResponse): void {
    this.hasAsked = true;
    this.pending++;
    this.#request = request;
    this.#response = response;
  }

  /** One answer has left. */
  settle(): void {
    this.pending--;
    if (this.pending > 0) return;
    if (this.#request?.complete === true) {
      this.#request = undefined;
      this.#response = undefined;
    }
    if (this.#farewell !== undefined && this.socket.writable) this.#say(this.#farewell);
  }

  /** Makes the answer to the latest request the last one, where it can still tell so; the application may be at it. */
  announceEnd(): void {
    if (this.#response === undefined || this.#response.headersSent) return;
    this.#response.shouldKeepAlive = false;
    this.isClosing = true;
  }

  /** Answers a request that the application never sees. */
  reject(request: CacheRequest, response: ServerResponse, error: CacheError): void {
    const requestId = requestIdOf(request);
    this.#note(error, requestId);
    respondError(response, error, requestId, { extra: extraHeaders(error) });
  }

  /** The bytes that arrive make no sense, or no progress: says so, in the right place, and closes. */
  giveUp(error: CacheError): void {
    if (this.isClosing) return;
    this.isClosing = true;
    const request = this.#request;
    const response = this.#response;
    if (request !== undefined && response !== undefined && isUnderWay(request)) {
      // The fault lies in this request's body. If it was answered early, there is nothing left to say.
      if (response.headersSent) {
        this.close();
        return;
      }
      response.shouldKeepAlive = false;
      // The application is waiting for the rest: it hears of the end from the response, and has the line for the log.
      request.refusal = error;
      respondError(response, error, requestIdOf(request));
    } else if (this.pending === 0) {
      this.#say(error);
    } else {
      this.#farewell = error;
    }
  }

  /** Closes once everything written has left; see `LINGER_MS`. */
  close(): void {
    this.isClosing = true;
    if (this.socket.writableEnded) return;
    this.socket.end(() => setTimeout(() => this.socket.destroy(), LINGER_MS).unref());
  }

  /** Closes the connection if its other end has been too slow; to be called about twice a second. */
  checkPace(nowMs: number, elapsedMs: number): void {
    if (this.isSurplus && !this.hasAsked && nowMs - this.openedMs > SURPLUS_PATIENCE_MS) {
      this.socket.destroy();
    } else if (!this.#readsInTime(elapsedMs)) {
      this.log.info({ address: this.address }, 'closed: the answer was not read');
      this.socket.destroy();
    } else if (!this.#sendsInTime(elapsedMs)) {
      this.giveUp(new CacheError('bad_request', 'The body arrived too slowly.'));
    }
  }

  /** Each body is awaited with fresh patience; slow heads are Node's `headersTimeout`. */
  #sendsInTime(elapsedMs: number): boolean {
    const request = this.#request;
    if (request === undefined || request.complete) return true;
    if (request === this.#watched) return this.#receiving.lasts(elapsedMs, this.socket.bytesRead);
    this.#watched = request;
    this.#receiving.renew(this.socket.bytesRead);
    return true;
  }

  #readsInTime(elapsedMs: number): boolean {
    const takenBytes = bytesTaken(this.transport);
    if (this.socket.writableLength > 0) return this.#reading.lasts(elapsedMs, takenBytes);
    this.#reading.renew(takenBytes);
    return true;
  }

  /** An answer to something that never became a request. */
  #say(error: CacheError): void {
    const requestId = createRequestId();
    this.#note(error, requestId);
    const response = new ServerResponse(new IncomingMessage(this.socket));
    response.shouldKeepAlive = false;
    response.assignSocket(this.socket);
    response.on('finish', () => this.close());
    respondError(response, error, requestId, { extra: extraHeaders(error) });
  }

  #note(error: CacheError, requestId: string): void {
    const { code, message } = error;
    this.log.info({ request_id: requestId, address: this.address, code, reason: message }, 'refused');
  }
}

/** Not whole yet; those of the fast path are from the beginning. */
function isUnderWay(request: CacheRequest | PlainRequest): request is CacheRequest {
  return !request.complete;
}

function extraHeaders(error: CacheError): readonly string[] {
  return error.code === 'method_not_allowed' ? ['Allow', METHODS] : [];
}
