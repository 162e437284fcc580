/**
 * One request and its answer. However a request ends (answered, failed, or broken off), it ends here, once,
 * with its one line in the log and with what it held given back.
 */
import type { Request, Response } from 'express';
import { verifyBearer } from '../../auth/bearer';
import type { Command, Source } from '../../core/command';
import { CacheError, causeForLog, toCacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Log, Observer, Outcome, RequestLine } from '../../core/ports';
import { reportInternal } from '../../core/report-internal';
import type { Clock } from '../../lib/clock';
import type { Budget } from '../../lib/budget';
import { PlainRequest, type PlainResponse } from './fast/plain-messages';
import { headOf, requestIdOf, type RequestNotes } from './messages';
import type { RequestHead } from './request-head';
import { type Body, DATA_HEADERS, HTTP_STATUS, respond, respondError } from './respond';

/** What all exchanges of one door share. */
export interface DoorContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  /** The bytes of bodies that are held at this moment. */
  readonly bodies: Budget;
  /** Requests at work at this moment. */
  readonly inFlight: Budget;
}

/** What Node and Express made of what came. */
export type GeneralRequest = Request & RequestNotes;

/** An exchange of the fast path. */
export type PlainExchange = Exchange<PlainRequest, PlainResponse>;
export type AnyExchange = Exchange | PlainExchange;

export function isPlain(exchange: AnyExchange): exchange is PlainExchange {
  return exchange.request instanceof PlainRequest;
}

/** An unread body up to this size is cheaper to read and forget than a new connection. */
const UNREAD_BYTES_KEPT = 16 * 1024;
const CLOSE: readonly string[] = ['Connection', 'close'];

export class Exchange<
  Asked extends GeneralRequest | PlainRequest = GeneralRequest,
  Answer extends Response | PlainResponse = Response,
> {
  readonly requestId: string;
  /** Monotonic. */
  readonly arrivedMs: number;
  /** For the log: who asked, and where the value was found. */
  client: string | undefined = undefined;
  address: string | undefined = undefined;
  source: Source | undefined = undefined;
  #command: Command['command'] | 'BATCH' | undefined = undefined;
  #commandCount: number | undefined = undefined;
  #commandMs: number | undefined = undefined;
  #heldBytes = 0;
  #isAtWork = false;
  #ended = false;

  constructor(
    readonly door: DoorContext,
    readonly request: Asked,
    readonly response: Answer,
    /** The route's pattern, never the path itself, which may hold a key. */
    readonly route: string,
  ) {
    this.requestId = requestIdOf(request);
    this.arrivedMs = door.clock.now();
  }

  /** Runs one step of the work. What it throws, at once or later, becomes the answer. */
  attempt(step: (exchange: this) => unknown): void {
    try {
      const pending = step(this);
      if (pending instanceof Promise) pending.catch((thrown: unknown) => this.fail(toCacheError(thrown)));
    } catch (thrown) {
      this.fail(toCacheError(thrown));
    }
  }

  get head(): RequestHead {
    const request: GeneralRequest | PlainRequest = this.request;
    return request instanceof PlainRequest ? request.head : headOf(request);
  }

  /**
   * Who sent the request, by the one `Authorization` field of its head.
   * @throws CacheError `unauthenticated`
   */
  authenticate(access: { verify(token: string): Principal }): Principal {
    const { authorization, authorizations } = this.head;
    const principal = verifyBearer(authorizations === 1 ? authorization : undefined, access);
    this.client = principal.name;
    return principal;
  }

  /**
   * Takes one of the places for requests at work, until the exchange ends. A request whose body is still on its way
   * has none: otherwise a few that never finish sending would keep all others out.
   * @throws CacheError `unavailable` when all are taken
   */
  beginWork(): void {
    if (!this.door.inFlight.take(1)) {
      throw new CacheError('unavailable', 'There are too many requests; try again soon.');
    }
    this.#isAtWork = true;
  }

  /**
   * The request is there as a whole, and says this; `nowMs`: monotonic, from when on its latency counts. `count`: how
   * many commands a batch has.
   */
  beginCommand(command: Command['command'] | 'BATCH', nowMs: number, count?: number): void {
    this.#command = command;
    this.#commandMs = nowMs;
    this.#commandCount = count;
  }

  /** Counts bytes of the body against the door's budget until the exchange ends. False: there is no room. */
  hold(bytes: number): boolean {
    if (!this.door.bodies.take(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  /** Answers JSON; `extra` is a flat list of further headers. */
  answer(status: number, body: string, outcome: Outcome, extra?: readonly string[]): void {
    this.answerWith(DATA_HEADERS.json, status, body, outcome, extra);
  }

  /** Answers under these headers; see `respond`. */
  answerWith(
    headers: readonly string[],
    status: number,
    body: Body | undefined,
    outcome: Outcome,
    extra?: readonly string[],
  ): void {
    if (this.#ended) return;
    const isGone = this.response.destroyed;
    respond(this.response, status, headers, body, extra);
    this.#end(outcome, isGone ? undefined : status, undefined);
  }

  /** Answers a failure; `command` where it belongs to one, `extra` as in `answer`. */
  fail(error: CacheError, details: { command?: Command['command']; extra?: readonly string[] } = {}): void {
    if (this.#ended) return;
    const isGone = this.response.destroyed;
    const extra = [...(details.extra ?? []), ...(this.#hasLongUnreadBody() ? CLOSE : [])];
    respondError(this.response, error, this.requestId, { ...details, extra });
    this.reportInternal(error);
    this.#end(error.code, isGone ? undefined : HTTP_STATUS[error.code], causeForLog(error));
  }

  /** The request ended before it was whole: nothing was done. If an answer was due, the listener gave it. */
  abandon(): void {
    if (this.#ended) return;
    const { refusal } = this.request;
    this.#end('INCOMPLETE', refusal && HTTP_STATUS[refusal.code], refusal?.message);
  }

  /** Also for a command that failed within a batch. */
  reportInternal(error: CacheError): void {
    reportInternal(this.door.log, error, this.requestId);
  }

  /** `status`: undefined where nobody was there to get the answer. */
  #end(outcome: Outcome, status: number | undefined, cause: string | undefined): void {
    this.#ended = true;
    if (this.#heldBytes > 0) this.door.bodies.release(this.#heldBytes);
    if (this.#isAtWork) this.door.inFlight.release(1);
    const endMs = this.door.clock.now();
    const line: RequestLine = {
      requestId: this.requestId,
      route: this.route,
      client: this.client,
      address: this.address,
      command: this.#command,
      commands: this.#commandCount,
      outcome,
      source: this.source,
      status,
      isFault: status !== undefined && status >= 500,
      durationMs: endMs - this.arrivedMs,
      workMs: this.#commandMs === undefined ? undefined : endMs - this.#commandMs,
      cause,
    };
    this.door.log.request(line);
    this.door.observer.request(line);
  }

  #hasLongUnreadBody(): boolean {
    if (this.request.complete) return false;
    const { transferEncoding, contentLength = 0 } = this.head;
    return transferEncoding !== undefined || contentLength > UNREAD_BYTES_KEPT;
  }
}
