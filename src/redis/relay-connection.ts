/**
 * A connection to one Redis server on which commands leave, and replies come in, as bytes: for callers who speak
 * Redis's own protocol, so that nothing is lost in translation. ioredis decodes replies, and the difference between a
 * status and a string, or a map and an array, is gone then.
 *
 * It connects once and never again, and nothing is sent twice or later than in its own turn of the event loop: whoever
 * owns it knows what became of each command.
 */
import { connect as connectPlainly, isIP, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { CacheError } from '../core/errors';
import type { Protocol, Words } from '../core/ports';
import { Alarm } from '../lib/alarm';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { CONNECT_TIMEOUT_MS, UNSENT_BYTES_MAX, type NodeAddress } from './client';
import { encodeCommands, encodedBytes } from './command-encoder';
import { overloaded, reasonOf, timedOut, tooLate, translateRedisError, unreachable } from './redis-errors';
import { handshakeOf } from './relay-handshake';
import { errorTextOf, ReplyFramer, TOO_LARGE } from './reply-framer';
import { WaitingLine } from './waiting-line';

const KEEP_ALIVE_MS = 10_000;
/** Silence after which the connection is given up: it may be half open, and only a new one would tell. */
const SILENCE_MS_MAX = 3000;
/** The same while something waits to leave: a large value over a slow network is taken in without a word. */
const TAKING_MS_MAX = 15_000;
/** Replies owed; beyond it, commands are refused. */
const OWED_REPLIES_MAX = 131_072;
const PUSH = 0x3e;

/** Who waits for one reply. Exactly one of the two is called, and never before `send` has returned. They never throw. */
export interface ReplyWaiter {
  /** Monotonic; Infinity: as long as the connection lives. */
  readonly deadlineMs: number;
  /** The whole reply as it came, which may be a view of a larger block. */
  settle(reply: Buffer): void;
  /** `timeout`, `too_large` (the reply was longer than `replyBytesMax`, and dropped as it came), `unavailable`. */
  fail(error: CacheError): void;
}

export interface RelayConnectionOptions {
  readonly protocol: Protocol;
  /** A replica of a cluster must be told that reads are wanted from it. */
  readonly readOnly: boolean;
  /** Longer replies are dropped as they arrive, and their waiters told so. */
  readonly replyBytesMax: number;
  readonly clock: Clock;
  /** Called before the commands of a turn leave; what it sends leaves with them, behind them. */
  readonly onFlush?: () => void;
  /** A subscriber's: every frame that arrives, confirmations too; `send` is not for such a connection. */
  readonly onMessage?: (frame: Buffer) => void;
  /** The connection has ended, or could not be opened; every waiter has been told. Not after `close`. */
  readonly onEnd?: (cause: Error) => void;
}

/** A command, and who waits for its reply. */
export interface AwaitedCommand {
  readonly words: Words;
  readonly waiter: ReplyWaiter;
}

/** A command of this turn that has not left yet; of a subscriber's nobody waits for the reply. */
interface Departure {
  readonly words: Words;
  readonly waiter: ReplyWaiter | undefined;
}

export class RelayConnection {
  readonly #address: NodeAddress;
  readonly #options: RelayConnectionOptions;
  readonly #clock: Clock;
  readonly #framer: ReplyFramer;
  readonly #line = new WaitingLine<ReplyWaiter>();
  #socket: Socket | undefined;
  #isReady = false;
  #isEnded = false;
  #isClosed = false;
  /** The commands that leave together at the end of this turn, and those who are told then that theirs do not. */
  #departures: Departure[] = [];
  #departingBytes = 0;
  #refused: { readonly waiter: ReplyWaiter; readonly error: CacheError }[] = [];
  #isFlushDue = false;
  /** A subscriber has asked for something, and nothing has come since. */
  #isAsked = false;
  #silentSinceMs = 0;
  readonly #alarm: Alarm;

  constructor(address: NodeAddress, options: RelayConnectionOptions) {
    this.#address = address;
    this.#options = options;
    this.#clock = options.clock;
    this.#framer = new ReplyFramer(options.replyBytesMax);
    this.#alarm = new Alarm(options.clock, () => this.#look());
  }

  /** Handshake done, not ended. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** So much waits to leave, or so many replies are owed, that commands are refused. */
  get isFull(): boolean {
    const unsentBytes = this.#departingBytes + (this.#socket?.writableLength ?? 0);
    return unsentBytes >= UNSENT_BYTES_MAX || this.#line.length + this.#departures.length >= OWED_REPLIES_MAX;
  }

  /** For how long the node has owed something, and not one byte has come or been taken. */
  get silentMs(): number {
    return this.#isAsked || this.#line.length > 0 ? this.#clock.now() - this.#silentSinceMs : 0;
  }

  /**
   * Connects and shakes hands; to be called once. @throws CacheError `unavailable` (nothing was done) when it is not
   * ready by then, or within a second
   */
  async open(deadlineMs: number): Promise<void> {
    try {
      if (this.#isEnded) throw new Error('the connection was closed');
      const waitMs = Math.min(CONNECT_TIMEOUT_MS, deadlineMs - this.#clock.now());
      await withDeadline(this.#connect(), waitMs, () => new Error('connecting took too long'));
    } catch (thrown) {
      const cause = new Error(reasonOf(thrown));
      this.#end(cause);
      throw unreachable(cause);
    }
  }

  /**
   * The command leaves at the end of this turn of the event loop, with all others of the turn in one packet. It fails
   * as not done when the connection is not ready or is full, or when its deadline has passed by then.
   */
  send(words: Words, waiter: ReplyWaiter): void {
    this.#accept({ words, waiter }, this.#refusal());
    this.#flushSoon();
  }

  /** As `send`, all of them or none: an EXEC that stays behind would leave everybody in its MULTI. One deadline. */
  sendAll(commands: readonly AwaitedCommand[]): void {
    const refusal = this.#refusal();
    for (const command of commands) this.#accept(command, refusal);
    this.#flushSoon();
  }

  /** A command whose replies are messages. */
  tell(words: Words): void {
    if (!this.#isReady) return;
    if (this.isFull) setImmediate(() => this.#end(new Error('the node takes nothing')));
    else this.#depart({ words, waiter: undefined });
    this.#flushSoon();
  }

  /** Whoever still waits for a reply is told at once that it will not come. */
  close(): void {
    this.#isClosed = true;
    this.#end(new Error('the connection was closed'));
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = openSocket(this.#address);
      this.#socket = socket;
      const lose = (cause: Error): void => {
        reject(cause);
        this.#end(cause);
      };
      socket.once(this.#address.tls ? 'secureConnect' : 'connect', () => {
        socket.setNoDelay(true);
        socket.setKeepAlive(true, KEEP_ALIVE_MS);
        this.#shakeHands(resolve, lose);
      });
      socket.on('data', (chunk: Buffer) => this.#receive(chunk));
      socket.on('drain', () => {
        this.#silentSinceMs = this.#clock.now();
      });
      socket.on('error', lose);
      socket.on('end', () => lose(new Error('the node ended the connection')));
      socket.on('close', () => lose(new Error('the connection was lost')));
    });
  }

  #shakeHands(succeed: () => void, fail: (cause: Error) => void): void {
    const steps = handshakeOf(this.#address, this.#options);
    steps.forEach(({ mayFail }, index) => {
      this.#line.add({
        deadlineMs: Infinity,
        settle: (reply) => {
          const refusal = errorTextOf(reply);
          if (refusal !== undefined && !mayFail(refusal)) fail(new Error(reasonOf(new Error(refusal))));
          else if (index === steps.length - 1) {
            this.#isReady = true;
            succeed();
          }
        },
        fail,
      });
    });
    this.#write(steps.map(({ words }) => words));
  }

  #refusal(): CacheError | undefined {
    if (!this.#isReady) return unreachable();
    return this.isFull ? overloaded() : undefined;
  }

  #accept(command: AwaitedCommand, refusal: CacheError | undefined): void {
    if (refusal === undefined) this.#depart(command);
    else this.#refused.push({ waiter: command.waiter, error: refusal });
  }

  #depart(departure: Departure): void {
    this.#departures.push(departure);
    this.#departingBytes += encodedBytes(departure.words);
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#departures.length > 0) this.#options.onFlush?.();
    const departures = this.#departures;
    const refused = this.#refused;
    this.#isFlushDue = false;
    this.#departures = [];
    this.#departingBytes = 0;
    this.#refused = [];
    const nowMs = this.#clock.now();
    const commands: Words[] = [];
    if (this.#line.length === 0 && !this.#isAsked) this.#silentSinceMs = nowMs;
    for (const { words, waiter } of departures) {
      if (waiter !== undefined && waiter.deadlineMs <= nowMs) {
        refused.push({ waiter, error: tooLate() });
        continue;
      }
      if (waiter === undefined) this.#isAsked = true;
      else this.#line.add(waiter);
      commands.push(words);
    }
    if (commands.length > 0) {
      this.#write(commands);
      this.#watch();
    }
    for (const { waiter, error } of refused) waiter.fail(error);
  }

  #write(commands: readonly Words[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const pieces = encodeCommands(commands);
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
  }

  #receive(chunk: Buffer): void {
    if (this.#isEnded) return;
    this.#silentSinceMs = this.#clock.now();
    this.#isAsked = false;
    this.#framer.push(chunk);
    for (;;) {
      const reply = this.#nextReply();
      if (reply === undefined) break;
      this.#handOn(reply);
    }
    this.#watch();
  }

  #nextReply(): Buffer | typeof TOO_LARGE | undefined {
    // A reply may have moved its waiter to close the connection.
    if (this.#isEnded) return undefined;
    try {
      return this.#framer.next();
    } catch (thrown) {
      this.#end(thrown instanceof Error ? thrown : new Error(String(thrown)));
      return undefined;
    }
  }

  #handOn(reply: Buffer | typeof TOO_LARGE): void {
    const { onMessage, replyBytesMax } = this.#options;
    if (this.#isReady && onMessage !== undefined) {
      // Nobody must miss a message without being told.
      if (reply === TOO_LARGE) this.#end(new Error('the node sent a message that is too long'));
      else onMessage(reply);
    } else if (reply !== TOO_LARGE && reply[0] === PUSH) {
      // Not a reply to anything that was asked for.
    } else if (this.#line.length === 0) {
      this.#end(new Error('the node sent a reply that nobody asked for'));
    } else {
      const waiter = this.#line.shift();
      if (reply === TOO_LARGE) waiter?.fail(tooLarge(replyBytesMax));
      else waiter?.settle(reply);
    }
  }

  /** When the node's silence becomes too long; what blocks may be silent. */
  get #patienceEndsMs(): number {
    const isOwed = this.#isAsked || this.#line.length > 0;
    return isOwed && !this.#line.isPatient ? this.#silentSinceMs + SILENCE_MS_MAX : Infinity;
  }

  #watch(): void {
    this.#alarm.setBy(Math.min(this.#line.earliestDeadlineMs, this.#patienceEndsMs));
  }

  #look(): void {
    if (this.#isEnded) return;
    const nowMs = this.#clock.now();
    this.#line.expire(nowMs, timedOut);
    const isTaking = (this.#socket?.writableLength ?? 0) > 0 && nowMs < this.#silentSinceMs + TAKING_MS_MAX;
    if (nowMs >= this.#patienceEndsMs && !isTaking) this.#end(new Error('the node is silent'));
    else this.#watch();
  }

  #end(cause: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isReady = false;
    this.#alarm.cancel();
    this.#socket?.destroy();
    const departures = this.#departures;
    const refused = this.#refused;
    this.#departures = [];
    this.#departingBytes = 0;
    this.#refused = [];
    this.#isAsked = false;
    this.#line.end(translateRedisError(cause));
    for (const { waiter } of departures) waiter?.fail(unreachable(cause));
    for (const { waiter, error } of refused) waiter.fail(error);
    if (!this.#isClosed) this.#options.onEnd?.(cause);
  }
}

/** Not yet connected; as `createClient` does it. */
function openSocket({ host, port, tls }: NodeAddress): Socket {
  if (!tls) return connectPlainly({ host, port });
  return connectSecurely({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) });
}

function tooLarge(bytesMax: number): CacheError {
  const message = `The reply is longer than ${bytesMax} bytes and cannot be passed on. The command was carried out.`;
  return new CacheError('too_large', message);
}
