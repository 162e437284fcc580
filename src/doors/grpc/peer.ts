/**
 * One connection of the gRPC door: the calls that are open on it, and whether its other end keeps up. Who does not is
 * cut, a call by itself where that is enough: one that sends slowly takes memory, one that does not read holds answers.
 */
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { bytesTaken, Patience } from '../../lib/patience';

/** A connection says what it expects of HTTP/2 within this time, and no head of a call takes longer to arrive. */
const HEAD_MS = 5000;
/** Who pauses longer between two pieces is not in the middle of something. */
const PIECE_GAP_MS = 2500;
/** Between two checks; libraries send one in several seconds at most. */
const PINGS_MAX = 50;

interface OpenCall {
  /** It may last as long as it likes. */
  readonly isEndless: boolean;
  readonly receiving: Patience;
  receivedBytes: number;
}

export class Peer {
  readonly #transport: Socket;
  readonly #openedMs: number;
  readonly #calls = new Map<ServerHttp2Stream, OpenCall>();
  readonly #reading = new Patience();
  #hasGreeted = false;
  #pings = 0;
  /** What arrives while there is no call: since when, the last time, and of how many bytes that was the end. */
  #piecesSinceMs: number | undefined;
  #pieceMs = 0;
  #seenBytes = 0;

  /** `transport`: the TCP connection beneath. */
  constructor(session: Http2Session, transport: Socket, openedMs: number) {
    this.#transport = transport;
    this.#openedMs = openedMs;
    session.on('remoteSettings', () => (this.#hasGreeted = true));
    session.on('ping', () => this.#pings++);
  }

  /** The call on this stream is open until the stream closes. */
  begin(stream: ServerHttp2Stream, isEndless: boolean): void {
    const call: OpenCall = { isEndless, receiving: new Patience(), receivedBytes: 0 };
    this.#calls.set(stream, call);
    stream.on('data', ({ length }: Buffer) => (call.receivedBytes += length));
    stream.once('close', () => this.#calls.delete(stream));
  }

  /** Bytes of answers that have not left, since they are not read. */
  get unreadBytes(): number {
    let bytes = 0;
    for (const stream of this.#calls.keys()) bytes += stream.bufferSize;
    return bytes;
  }

  /** To be called about twice a second. Gives why the connection was cut, if it was. */
  checkPace(nowMs: number, elapsedMs: number): string | undefined {
    this.#cutSlowCalls(elapsedMs);
    const fault = this.#faultOf(nowMs, elapsedMs);
    this.#pings = 0;
    if (fault !== undefined) this.#transport.destroy();
    return fault;
  }

  #cutSlowCalls(elapsedMs: number): void {
    for (const [stream, { receiving, receivedBytes }] of this.#calls) {
      if (stream.readableEnded || receiving.lasts(elapsedMs, receivedBytes)) continue;
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  #faultOf(nowMs: number, elapsedMs: number): string | undefined {
    if (this.#pings > PINGS_MAX) return 'it sent too many pings';
    if (!this.#hasGreeted && nowMs - this.#openedMs > HEAD_MS) return 'it did not begin';
    if (!this.#readsInTime(elapsedMs)) return 'answers were not read';
    return this.#sendsInPieces(nowMs) ? 'a head arrived too slowly' : undefined;
  }

  #readsInTime(elapsedMs: number): boolean {
    const takenBytes = bytesTaken(this.#transport);
    for (const [stream, { isEndless }] of this.#calls) {
      // Who watches may pause, and has a time of its own.
      if (!isEndless && stream.bufferSize > 0) return this.#reading.lasts(elapsedMs, takenBytes);
    }
    this.#reading.renew(takenBytes);
    return true;
  }

  /** Whether bytes come and come, and no call comes of them. */
  #sendsInPieces(nowMs: number): boolean {
    const { bytesRead } = this.#transport;
    const hasSent = bytesRead > this.#seenBytes;
    this.#seenBytes = bytesRead;
    if (this.#calls.size > 0 || nowMs - this.#pieceMs > PIECE_GAP_MS) this.#piecesSinceMs = undefined;
    if (!hasSent) return false;
    this.#pieceMs = nowMs;
    this.#piecesSinceMs ??= nowMs;
    return nowMs - this.#piecesSinceMs > HEAD_MS;
  }
}
