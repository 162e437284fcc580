/**
 * One call and its end. However a call ends (answered, failed, cancelled, past its deadline), it ends here, once, with
 * its one line in the log.
 */
import { Metadata, status } from '@grpc/grpc-js';
import { verifyBearer } from '../../auth/bearer';
import { RequestSession } from '../../auth/request-session';
import type { SessionTokens } from '../../auth/session-tokens';
import type { CacheService } from '../../core/cache';
import type { Command, Source } from '../../core/command';
import { CacheError, causeForLog, type ErrorCode, isFault } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Limits } from '../../core/limits';
import type { Log, Observer, Outcome } from '../../core/ports';
import { reportInternal } from '../../core/report-internal';
import { createRequestId } from '../../core/request-id';
import type { Budget } from '../../lib/budget';
import type { Clock } from '../../lib/clock';
import { type CallStatus, METADATA, statusOf } from './call-status';

export interface GrpcDeps {
  readonly cache: CacheService;
  readonly access: { verify(token: string): Principal };
  readonly sessionTokens: SessionTokens;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly encryptionConfigured: boolean;
  /** Calls at work at the same time. */
  readonly maxInFlight: number;
}

/** What all calls of one door share. */
export interface DoorContext extends GrpcDeps {
  /** Places for calls at work. */
  readonly inFlight: Budget;
}

/** The stream of HTTP/2 that a call is on. */
export interface CallStream {
  /** Of all answers on its connection: those that have not left, since they are not read. */
  unreadBytes(): number;
  /** Ends it without a status; libraries take that for RESOURCE_EXHAUSTED. */
  cut(): void;
}

/** As much as the longest answer. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/** Who calls, and in which session; undefined: the call came without one. */
export interface Caller {
  /** As of now. @throws CacheError `unauthenticated` when the token is good no more */
  readonly principal: () => Principal;
  readonly session: RequestSession | undefined;
}

/** Statuses that come of others than us and are no fault of the caller's. */
const FOREIGN_CODES: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.UNAVAILABLE]: 'unavailable',
  [status.DEADLINE_EXCEEDED]: 'timeout',
  [status.INTERNAL]: 'internal',
  [status.UNKNOWN]: 'internal',
};

export class DoorCall {
  readonly requestId = createRequestId();
  readonly #arrivedMs: number;
  /** For the log: where the value was found. */
  source: Source | undefined = undefined;
  /** Goes with the status, whatever it is. */
  readonly trailing = new Metadata();
  #caller: Caller | undefined;
  #client: string | undefined;
  #command: Command['command'] | 'BATCH' | undefined;
  #commandCount: number | undefined;
  #commandMs: number | undefined;
  #isAtWork = false;
  #isFault = false;
  #outcome: Outcome | undefined;
  #cause: string | undefined;
  #hasEnded = false;

  constructor(
    readonly door: DoorContext,
    /** The method's name. */
    readonly route: string,
    readonly metadata: Metadata,
    /** Monotonic; Infinity where the caller sets none. */
    readonly callerDeadlineMs: number,
    readonly stream: CallStream,
  ) {
    this.#arrivedMs = door.clock.now();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** @throws Error before `identify` */
  get caller(): Caller {
    if (this.#caller === undefined) throw new Error('this call was not identified');
    return this.#caller;
  }

  /** @throws CacheError `unauthenticated`; `bad_request` for a session that is none of ours */
  identify(): void {
    const { access, sessionTokens } = this.door;
    const [authorization, ...others] = this.metadata.get('authorization');
    const field = others.length === 0 && typeof authorization === 'string' ? authorization : undefined;
    const principal = (): Principal => verifyBearer(field, access);
    this.#client = principal().name;
    const [token, ...more] = this.metadata.get(METADATA.session);
    // The field twice: a library joins the two.
    if (more.length > 0) {
      throw new CacheError('bad_request', `There is more than one ${METADATA.session}.`);
    }
    const show = (sealed: string): void => this.trailing.set(METADATA.session, sealed);
    const session =
      token === undefined
        ? undefined
        : new RequestSession(sessionTokens, show, sessionTokens.open(token.toString()));
    this.#caller = { principal, session };
  }

  /**
   * Takes one of the places for calls at work, until `endCommand`. To be called when the request has arrived as a
   * whole. Gives until when the work may take: monotonic, the caller's deadline or ours.
   * @throws CacheError `unavailable` when all places are taken
   */
  beginCommand(command: Command['command'] | 'BATCH', count?: number): number {
    const { inFlight, clock, limits } = this.door;
    if (!inFlight.take(1)) {
      throw new CacheError('unavailable', 'There are too many requests; try again soon.');
    }
    this.#isAtWork = true;
    this.#command = command;
    this.#commandCount = count;
    this.#commandMs = clock.now();
    return Math.min(this.#commandMs + limits.requestTimeoutMs, this.callerDeadlineMs);
  }

  /**
   * The work is over. The place is not given back before, also when the caller has left: whoever calls and cancels
   * without end would have more at work than there are places.
   */
  endCommand(): void {
    if (this.#isAtWork) this.door.inFlight.release(1);
    this.#isAtWork = false;
  }

  /**
   * For an answer with values, which are held until they are read.
   * @throws CacheError `throttled` when the caller does not read those there are
   */
  checkUnread(): void {
    if (this.stream.unreadBytes() <= UNREAD_BYTES_MAX) return;
    throw new CacheError('throttled', 'Read the answers that wait on this connection first.');
  }

  /** Ends the call without a status, which would wait behind what its caller does not read. */
  cut(): void {
    this.door.log.info({ request_id: this.requestId }, 'cut: what was sent was not read');
    this.stream.cut();
  }

  succeed(outcome: Outcome): void {
    this.#outcome = outcome;
  }

  /** The status for a failure of the call. */
  fail(error: CacheError): CallStatus {
    this.#outcome = error.code;
    this.#isFault = isFault(error.code);
    this.#cause = causeForLog(error);
    this.reportInternal(error);
    return statusOf(error, this.requestId, this.trailing);
  }

  /** Also for a command that failed within a call that did not. */
  reportInternal(error: CacheError): void {
    reportInternal(this.door.log, error, this.requestId);
  }

  /** The status leaves; what none of ours has set is the library's, or of a service that is not ours. */
  conclude({ code }: { readonly code: status }): void {
    if (this.#outcome === undefined && code !== status.OK) {
      const foreign = FOREIGN_CODES[code] ?? 'bad_request';
      this.#outcome = foreign;
      this.#isFault = isFault(foreign);
    }
    this.#end(this.#outcome ?? 'SUCCESS');
  }

  /** The caller has left, or its deadline has passed: nobody is there to get an answer. */
  abandon(): void {
    const isLate = this.door.clock.now() >= this.callerDeadlineMs;
    // Who watches sets a deadline to stop, and who has not sent all by then has only themselves to blame.
    this.#isFault = isLate && this.#isAtWork;
    this.#end(isLate ? 'timeout' : 'INCOMPLETE');
  }

  #end(outcome: Outcome): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { clock, log, observer } = this.door;
    const endMs = clock.now();
    const line = {
      requestId: this.requestId,
      route: this.route,
      client: this.#client,
      address: undefined,
      command: this.#command,
      commands: this.#commandCount,
      outcome,
      source: this.source,
      status: undefined,
      isFault: this.#isFault,
      durationMs: endMs - this.#arrivedMs,
      workMs: this.#commandMs === undefined ? undefined : endMs - this.#commandMs,
      cause: this.#cause,
    };
    log.request(line);
    observer.request(line);
  }
}
