/**
 * One connection to one broker. Every question has a deadline. A broker answers in order, so one that has said nothing since a
 * question is silent, and the connection is ended when that has lasted; a deadline that was shorter ends the question only. What
 * ends a connection ends it for good: its owner makes another one.
 *
 *     request  = size:int32 key:int16 version:int16 correlation:int32 client:string body
 *     response = size:int32 correlation:int32 body
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { exchangeOf, type Api, type BrokerVersions, type Exchange, type KafkaProtocol } from './protocol';

const CLIENT = Buffer.from('ringcache');
/** Larger than any batch that we ask for, or that another program of ours may have written. */
const RESPONSE_BYTES_MAX = 128 * 1024 * 1024;
const KEEP_ALIVE_MS = 10_000;
const SILENCE_MS = 900;

/** Where Kafka is, and who we are there. */
export interface KafkaAddress {
  /** `host:port`; at least one. */
  readonly brokers: readonly string[];
  readonly tls: boolean;
  /** PLAIN; with TLS only. */
  readonly sasl: { readonly username: string; readonly password: string } | undefined;
}

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

interface Waiting {
  resolve(body: Buffer): void;
  reject(cause: Error): void;
}

export class BrokerConnection {
  readonly #clock: Clock;
  readonly #onEnd: (cause: Error) => void;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #versions: BrokerVersions = new Map([[18, { minVersion: 0, maxVersion: 0 }]]);
  #correlation = 0;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Until the next thing that can be read: a size, or a whole response. */
  #bytesNeeded = 4;
  #ended: Error | undefined;
  #heardMs = -Infinity;

  private constructor(
    socket: Socket,
    options: { readonly clock: Clock; readonly onEnd: (cause: Error) => void },
  ) {
    this.#clock = options.clock;
    this.#onEnd = options.onEnd;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (piece) => this.#read(piece));
    socket.on('error', (cause) => this.end(cause));
    socket.on('close', () => this.end(new Error('the broker closed the connection')));
  }

  /**
   * A connection that may be used. `onEnd` is called once, whoever ends it; `signal` ends it, also before it is there.
   * @throws Error when it is not there by the deadline
   */
  static async open(
    { host, port }: BrokerAddress,
    { tls, sasl }: Pick<KafkaAddress, 'tls' | 'sasl'>,
    options: {
      readonly protocol: KafkaProtocol;
      readonly clock: Clock;
      readonly deadlineMs: number;
      readonly signal: AbortSignal;
      readonly onEnd: (cause: Error) => void;
    },
  ): Promise<BrokerConnection> {
    const { protocol, deadlineMs, signal } = options;
    signal.throwIfAborted();
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = tls ? connectTls({ host, port, ...servername }) : connectTcp({ host, port });
    const connection = new BrokerConnection(socket, options);
    signal.addEventListener('abort', () => connection.end(errorOf(signal.reason)), { once: true });
    try {
      await connection.#connected(tls ? 'secureConnect' : 'connect', deadlineMs);
      const { apiVersions } = await connection.ask(protocol.apiVersions, undefined, deadlineMs);
      connection.#versions = new Map(apiVersions.map((versions) => [versions.apiKey, versions]));
      if (sasl !== undefined) {
        await connection.ask(protocol.saslHandshake, { mechanism: 'PLAIN' }, deadlineMs);
        // RFC 4616, with the length that Kafka's own bytes have.
        const words = Buffer.from(`\0${sasl.username}\0${sasl.password}`);
        const authBytes = Buffer.concat([int32(words.length), words]);
        await connection.ask(protocol.saslAuthenticate, { authBytes }, deadlineMs);
      }
      return connection;
    } catch (cause) {
      connection.end(errorOf(cause));
      throw cause;
    }
  }

  /** @throws Error; with `refusalOf` where the broker refused it; else it came too late, or the connection has ended */
  ask<Q, R>(api: Api<Q, R>, question: Q, deadlineMs: number): Promise<R> {
    return this.askRaw(api, question, deadlineMs, async (body, { response }) =>
      response.parse(await response.decode(body)),
    );
  }

  /** The same, with the answer's bytes read by `read`. */
  async askRaw<Q, R, T>(
    api: Api<Q, R>,
    question: Q,
    deadlineMs: number,
    read: (body: Buffer, exchange: Exchange<R>) => Promise<T>,
  ): Promise<T> {
    const exchange = exchangeOf(api, question, this.#versions);
    const body = (await exchange.request.encode()).buffer;
    if (this.#ended !== undefined) throw this.#ended;
    const correlation = this.#correlation;
    this.#correlation = (correlation + 1) % 0x7fff_ffff;
    const answer = new Promise<Buffer>((resolve, reject) => {
      this.#waiting.set(correlation, { resolve, reject });
    });
    const { apiKey, apiVersion } = exchange.request;
    const head = Buffer.alloc(14);
    head.writeInt32BE(10 + CLIENT.length + body.length, 0);
    head.writeInt16BE(apiKey, 4);
    head.writeInt16BE(apiVersion, 6);
    head.writeInt32BE(correlation, 8);
    head.writeInt16BE(CLIENT.length, 12);
    this.#socket.write(Buffer.concat([head, CLIENT, body]));
    try {
      return await read(await this.#inTime(answer, deadlineMs), exchange);
    } finally {
      this.#waiting.delete(correlation);
    }
  }

  /** All that waits fails with `cause`. */
  end(cause: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = cause;
    this.#socket.destroy();
    this.#pieces = [];
    for (const waiting of this.#waiting.values()) waiting.reject(cause);
    this.#waiting.clear();
    this.#onEnd(cause);
  }

  #connected(event: string, deadlineMs: number): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.#socket.once(event, resolve);
      this.#socket.once('close', () => reject(this.#ended ?? new Error('not connected')));
    });
    return this.#inTime(connected, deadlineMs);
  }

  #inTime<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
    const sinceMs = this.#clock.now();
    return withDeadline(work, deadlineMs - sinceMs, () => {
      const late = new Error('the broker did not answer in time');
      if (this.#heardMs < sinceMs && this.#clock.now() - sinceMs >= SILENCE_MS) this.end(late);
      return late;
    });
  }

  #read(piece: Buffer): void {
    this.#heardMs = this.#clock.now();
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes >= this.#bytesNeeded && this.#ended === undefined) {
      const [first] = this.#pieces;
      const bytes = first !== undefined && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
      const size = bytes.readInt32BE(0);
      const end = 4 + size;
      if (size < 4 || size > RESPONSE_BYTES_MAX) {
        this.end(new Error('the broker does not speak Kafka'));
        return;
      }
      if (bytes.length < end) {
        this.#pieces = [bytes];
        this.#bytesNeeded = end;
        return;
      }
      const rest = bytes.subarray(end);
      this.#pieces = [rest];
      this.#bytes = rest.length;
      this.#bytesNeeded = 4;
      const correlation = bytes.readInt32BE(4);
      this.#waiting.get(correlation)?.resolve(bytes.subarray(8, end));
    }
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function errorOf(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
