/**
 * One connection: bytes to requests, one after the other to its session, and replies back. Whatever the other end does
 * (a hundred thousand requests in one packet, half a request and no more, never a look at its replies), it holds a
 * bounded amount of memory, and a few milliseconds of the event loop at a time.
 */
import type { Socket } from 'node:net';
import { CacheError, causeForLog, toCacheError } from '../../core/errors';
import type { Words } from '../../core/ports';
import { bytesTaken } from '../../lib/patience';
import { DoorShare } from './door-share';
import { errorReply, protocolErrorReply } from './errors';
import { Pace } from './pace';
import { OutputLine } from './reply-line';
import type { GetHandler, RequestHandler } from './request-handler';
import { requestLimitsOf } from './request-limits';
import { ProtocolError, RequestParser, type RequestLimits } from './request-parser';
import { createState, type RespDeps, type SessionState } from './session-state';

/** Replies that one connection may be owed; then no request is taken until some have left. */
const OWED_MAX = 1024;
/** The same, by what they will come to if they are like those before them: a pipeline of GETs of large values. */
const EXPECTED_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Replies that were not read: from here on no request is taken. One who does not read is closed soon (`pace.ts`), and
 * however fast they are read there is an end to what all have together (`unread-replies.ts`).
 */
const UNREAD_BYTES_PAUSED = 1024 * 1024;
/** For those who have never shown who they are, and what ends them: all that they are ever told is short. */
const STRANGER_UNREAD_BYTES_PAUSED = 16 * 1024;
const STRANGER_UNREAD_BYTES_MAX = 64 * 1024;
/** What may arrive while no request is taken, before the socket is paused: until then its end is noticed. */
const UNTAKEN_BYTES_MAX = 64 * 1024;
/**
 * The same while the session waits for what may never come. Its end must be noticed then, since an element would be popped
 * for nobody; so the socket is read on, and whoever sends more than this is closed.
 */
const BLOCKED_BYTES_MAX = 4 * 1024 * 1024;

/** A turn of the event loop is left to others after so many requests, or so much time, looked at every few requests. */
const TURN_REQUESTS_MAX = 1000;
const TURN_MS = 4;
const TURN_LOOK = 64;

/**
 * What still arrives after our last reply is read and thrown away for this long: closing a socket with unread bytes
 * resets the connection, and the reset may overtake the reply.
 */
const LINGER_MS = 500;

const TOO_MUCH = errorReply(new CacheError('unavailable', 'Too much is being sent at once.'));

export interface ConnectionOptions {
  /** Plain or TLS, its handshake done; half-open ends allowed. */
  readonly socket: Socket;
  /** The TCP connection beneath; the same where there is no TLS. */
  readonly transport: Socket;
  readonly id: number;
  readonly deps: RespDeps;
  readonly createSession: (state: SessionState) => RequestHandler;
}

export class Connection {
  readonly state: SessionState;
  readonly #socket: Socket;
  readonly #transport: Socket;
  readonly #session: RequestHandler;
  readonly #stranger: RequestLimits;
  readonly #known: RequestLimits;
  readonly #parser: RequestParser;
  readonly #line: OutputLine;
  readonly #share: DoorShare;
  #isWorking = false;
  #isWorkDue = false;
  /** Others come first: no request is taken before the next turn of the event loop. */
  #isYielding = false;
  /** The session has not done with the last request yet. */
  #isWaiting = false;
  /** Requests may be there that were not taken. */
  #hasUntaken = false;
  #untakenBytes = 0;
  /** Nothing more is taken; ends when what is owed has left. */
  #isClosing = false;
  /** The other end sends nothing more. */
  #hasHeardAll = false;
  #hasSaidAll = false;
  #hasEndedSession = false;
  /** Behind all that is owed. */
  #lastWords: Buffer | undefined;
  /** It has shown once who it is. */
  #wasKnown = false;
  /** In the socket when it was looked at last. Only a flush adds to it, and a look for each request is dear. */
  #leavingBytes = 0;
  #receivedBytes = 0;
  #requests = 0;
  readonly #pace = new Pace();

  constructor({ socket, transport, id, deps, createSession }: ConnectionOptions) {
    const { limits } = deps;
    this.#line = new OutputLine(() => this.#workSoon(), deps.observer);
    this.#socket = socket;
    this.#transport = transport;
    this.#share = new DoorShare(deps);
    this.#stranger = requestLimitsOf(limits, false);
    this.#known = requestLimitsOf(limits, true);
    this.#parser = new RequestParser(this.#stranger);
    this.state = createState(deps, id, socket, this.#line, {
      close: () => {
        this.#isClosing = true;
        this.#workSoon();
      },
      fail: (thrown) => this.#fail(thrown),
    });
    this.#session = createSession(this.state);
    // As `#guard`, without a closure for each chunk.
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#receive(chunk);
      } catch (thrown) {
        this.#fail(thrown);
      }
    });
    socket.on('drain', () => this.#guard(() => this.#work()));
    socket.on('end', () => {
      this.#hasHeardAll = true;
      this.#guard(() => this.#work());
    });
    socket.on('close', () => this.#guard(() => this.#end()));
  }

  /** Bytes of requests that are held. */
  get heldBytes(): number {
    return this.#parser.heldBytes;
  }

  /** No more requests are taken. Ends at once if nothing is at work, or if what is may never come; else behind it. */
  finish(): void {
    if (isOpenEnded(this.state)) this.destroy();
    else this.state.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Ends the connection if its other end takes too long for anything, or may not be here any more; to be called about
   * twice a second.
   */
  check(elapsedMs: number): void {
    this.#guard(() => this.#check(elapsedMs));
  }

  #check(elapsedMs: number): void {
    if (this.#socket.destroyed) return;
    this.#countUnread();
    const fault = this.#pace.fault(elapsedMs, {
      isStranger: this.state.credential === undefined,
      isSending: !this.#hasUntaken && this.#parser.heldBytes > 0,
      requests: this.#requests,
      receivedBytes: this.#receivedBytes,
      isReading: this.#socket.writableLength > 0,
      unreadBytes: this.#measureUnread(),
      takenBytes: bytesTaken(this.#transport),
    });
    // The session may have begun to wait while the socket was paused.
    if (this.state.isBlocked) this.#readOn();
    if (fault !== undefined) this.#giveUp(fault);
    else if (!this.#endInTime()) this.#recheck();
  }

  /** Whoever asks for nothing is looked at by nobody else. */
  #recheck(): void {
    const { credential } = this.state;
    if (credential === undefined || this.#isClosing) return;
    // First: what waits for a push must not take it for nobody.
    this.#session.recheck?.();
    credential.principal();
  }

  /** What is thrown at nobody would end the process. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(thrown: unknown): void {
    const { deps, address } = this.state;
    const error = toCacheError(thrown);
    const fields = { door: 'resp', address, code: error.code, cause: causeForLog(error) };
    if (error.code === 'internal') deps.log.error(fields, 'a connection failed');
    else deps.log.info(fields, 'ended a connection');
    try {
      this.#endWith(errorReply(error));
    } catch {
      this.destroy();
    }
  }

  /**
   * Takes no more requests, and says this behind the replies that are owed: in front of them it would be taken for one.
   * What may never come is not waited for.
   */
  #endWith(lastWords: Buffer): void {
    this.#isClosing = true;
    this.#lastWords ??= lastWords;
    if (this.#isDone() || isOpenEnded(this.state)) this.#sayAll();
    else setTimeout(() => this.#guard(() => this.#sayAll()), this.state.deps.limits.requestTimeoutMs).unref();
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#isClosing) return;
    this.#parser.push(chunk);
    this.#work();
    if (!this.#hasUntaken) return;
    this.#untakenBytes += chunk.length;
    if (this.state.isBlocked) this.#readOn();
    else if (this.#untakenBytes >= UNTAKEN_BYTES_MAX) this.#socket.pause();
  }

  #readOn(): void {
    if (this.#untakenBytes >= BLOCKED_BYTES_MAX) this.#giveUp('it sent too much while it waited');
    else this.#socket.resume();
  }

  /** At the end of this turn of the event loop, so that the replies that come in one turn leave together. */
  #workSoon(): void {
    if (this.#isWorking || this.#isWorkDue) return;
    this.#isWorkDue = true;
    setImmediate(() => {
      this.#isWorkDue = false;
      this.#isYielding = false;
      this.#guard(() => this.#work());
    });
  }

  /** Takes what requests there are and may be taken now, and lets replies leave. */
  #work(): void {
    if (this.#isWorking || this.#socket.destroyed) return;
    this.#isWorking = true;
    try {
      this.#takeRequests();
    } finally {
      this.#isWorking = false;
    }
    this.#countRequestBytes();
    if (this.#isYielding) this.#workSoon();
    if (!this.#hasUntaken && this.#untakenBytes > 0) {
      this.#untakenBytes = 0;
      this.#socket.resume();
    }
    this.#flush();
    this.#endInTime();
  }

  /** Ends what has nothing left to do, or would wait for what nobody is here for. True: it was that. */
  #endInTime(): boolean {
    if (this.#isDone() || (this.#isClosing && this.state.isBlocked)) this.#sayAll();
    else if (this.#hasHeardAll && isOpenEnded(this.state)) this.destroy();
    else return false;
    return true;
  }

  #takeRequests(): void {
    const { clock } = this.state.deps;
    const { shortWay } = this.#session;
    const beginMs = clock.now();
    const endMs = beginMs + TURN_MS;
    shortWay?.beginTurn(beginMs);
    this.#leavingBytes = this.#socket.writableLength;
    for (let taken = 0; !this.#isWaiting && !this.#isYielding && !this.#isClosing; taken++) {
      this.#hasUntaken = true;
      if (!this.#hasRoom()) {
        this.#flush();
        if (!this.#hasRoom()) return;
      }
      if (shortWay === undefined || !this.#takeGet(shortWay)) {
        const words = this.#next();
        if (words === undefined) {
          this.#hasUntaken = false;
          return;
        }
        this.#handOver(words);
      }
      const isLookDue = (taken + 1) % TURN_LOOK === 0;
      this.#isYielding = taken + 1 === TURN_REQUESTS_MAX || (isLookDue && clock.now() > endMs);
    }
  }

  /** False: what comes next is to be handed over in words, if there is anything. */
  #takeGet(shortWay: GetHandler): boolean {
    const parser = this.#parser;
    const key = parser.peekGet();
    if (key === undefined || !shortWay.get(key)) return false;
    parser.takeGet();
    this.#requests++;
    return true;
  }

  #hasRoom(): boolean {
    const line = this.#line;
    return (
      line.owed < OWED_MAX &&
      line.expectedBytes < EXPECTED_BYTES_MAX &&
      line.bytes + this.#leavingBytes <
        (this.#isStranger ? STRANGER_UNREAD_BYTES_PAUSED : UNREAD_BYTES_PAUSED)
    );
  }

  get #isStranger(): boolean {
    this.#wasKnown ||= this.state.credential !== undefined;
    return !this.#wasKnown;
  }

  /** Of all replies that have not left, looked at anew. */
  #measureUnread(): number {
    this.#leavingBytes = this.#socket.writableLength;
    return this.#line.bytes + this.#leavingBytes;
  }

  /** What is no request is answered, and ends the connection. */
  #next(): Words | undefined {
    this.#parser.limits = this.state.credential === undefined ? this.#stranger : this.#known;
    try {
      return this.#parser.next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#line.write(protocolErrorReply(error.message));
      this.#isClosing = true;
      return undefined;
    }
  }

  #handOver(words: Words): void {
    if (isHttp(words[0])) {
      // A browser was made to send this by a page of somebody else's, with commands in what follows.
      this.#giveUp('it speaks HTTP');
      return;
    }
    this.#requests++;
    this.#line.label = 'OTHER';
    const pending = this.#session.handle(words);
    if (pending === undefined) return;
    this.#isWaiting = true;
    pending.then(
      () => {
        this.#isWaiting = false;
        this.#guard(() => this.#work());
      },
      (thrown: unknown) => {
        this.#isWaiting = false;
        this.#fail(thrown);
      },
    );
  }

  /** What waits for its turn is not counted where it is not long: it is not for the other end to finish. */
  #countRequestBytes(): void {
    const isShort = this.#hasUntaken && !this.state.isBlocked;
    if (this.#share.holdRequest(isShort ? 0 : this.#parser.heldBytes)) return;
    this.#parser.close();
    this.#endWith(TOO_MUCH);
  }

  #flush(): void {
    const socket = this.#socket;
    const chunks = this.#line.takeOutput();
    const [first] = chunks;
    if (first !== undefined && socket.writable) {
      // One chunk is the rule, and corking for it makes a request that comes alone a tenth dearer (bench, row P4).
      if (chunks.length === 1) socket.write(first, 'latin1');
      else {
        socket.cork();
        for (const chunk of chunks) socket.write(chunk, 'latin1');
        socket.uncork();
      }
    }
    this.#countUnread();
  }

  #countUnread(): void {
    const bytes = this.#measureUnread();
    const isFine = this.#share.holdUnread(bytes);
    if (!isFine || (bytes > STRANGER_UNREAD_BYTES_MAX && this.#isStranger))
      this.#giveUp('too many replies were not read');
  }

  /** Nothing is owed, and nothing more will be. */
  #isDone(): boolean {
    if (this.#line.owed > 0 || this.#isWaiting) return false;
    return this.#isClosing || (this.#hasHeardAll && !this.#hasUntaken);
  }

  #sayAll(): void {
    if (this.#hasSaidAll || this.#socket.destroyed) return;
    this.#hasSaidAll = true;
    this.#isClosing = true;
    if (this.#lastWords !== undefined) {
      this.#line.push(this.#lastWords);
      this.#flush();
    }
    this.#socket.resume();
    this.#socket.end(() => setTimeout(() => this.destroy(), LINGER_MS).unref());
    // What waits for a message or an element would take one that nobody gets.
    if (isOpenEnded(this.state)) this.#endSession();
  }

  #giveUp(reason: string): void {
    if (this.#socket.destroyed) return;
    this.#isClosing = true;
    const { deps, address } = this.state;
    deps.log.info({ door: 'resp', address, reason }, 'closed a connection');
    this.destroy();
  }

  #endSession(): void {
    if (this.#hasEndedSession) return;
    this.#hasEndedSession = true;
    this.#session.end();
  }

  #end(): void {
    const { deps, address, id, openedMs } = this.state;
    this.#share.release();
    this.#line.close();
    this.#endSession();
    const durationMs = Math.round(deps.clock.now() - openedMs);
    deps.log.debug(
      { door: 'resp', address, id, requests: this.#requests, duration_ms: durationMs },
      'a connection ended',
    );
  }
}

/** It waits for what may never come, so its end is not waited for. */
function isOpenEnded({ isBlocked, subscriptions }: SessionState): boolean {
  return isBlocked || subscriptions > 0;
}

/** The first word of a request line, or of the header field that browsers always send. Redis looks for the same two. */
function isHttp(name: Buffer | undefined): boolean {
  if (name === undefined || (name.length !== 4 && name.length !== 5)) return false;
  const text = name.toString('latin1').toLowerCase();
  return text === 'post' || text === 'host:';
}
