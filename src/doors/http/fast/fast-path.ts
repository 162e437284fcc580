/**
 * The fast path of `POST /cache`. Node's parser and message objects are half of what a near hit costs, and nearly all
 * requests of a busy connection look alike: the same head, a small body, both in one record. Such a request is taken from the
 * connection before Node's parser sees it, and its answer is written past Node's: what is between the two, and so all that is
 * said, is the same as for all others. Whatever is not like that is handed to the parser as it came.
 *
 * Nobody must ever read the same bytes in two ways, so:
 *
 *   1. The first request of a connection is the parser's, which measures by it how long a connection may be silent.
 *   2. What the parser is given is counted: only where a request of its own has ended with the last byte it got, and was
 *      answered, is the next one looked at here.
 *   3. Where that cannot be told (a head that is in parts or not plain, chunks, more than one request in a record) the
 *      connection is the parser's for good. So is one on which so many requests in a row were no commands (`OTHERS_MAX`):
 *      what is read of each here is read again by the parser.
 *   4. While a request of the fast path has no answer, nothing that comes behind it is looked at. Who sends one while another
 *      still waits for something has the parser for all that follows: there they are worked on side by side.
 */
import type { TLSSocket } from 'node:tls';
import type { Peer } from '../peer';
import { KnownHead } from './known-head';
import { parsePlainHead, type PlainHead } from './plain-head';
import { type AnswerSink, PlainRequest, PlainResponse } from './plain-messages';

/** Answers one request. It never throws. */
export type FastHandler = (request: PlainRequest, response: PlainResponse) => void;

export interface FastPathOptions {
  readonly peer: Peer;
  readonly handler: FastHandler;
  readonly isDraining: () => boolean;
}

/**
 * Who never sends a command costs 2 µs a request here. So many that whoever sends one now and then, be it each fifth time, keeps
 * the fast path.
 */
const OTHERS_MAX = 64;

type DataListener = (chunk: Buffer) => void;

/**
 * Takes what comes on the connection before Node's parser does. To be called when Node's server has begun to read it, and before
 * anything has come. Nothing is to be closed: it ends with the connection.
 */
export function attachFastPath(socket: TLSSocket, options: FastPathOptions): void {
  const parsers = socket.listeners('data') as DataListener[];
  const [parser] = parsers;
  // A Node that reads in another way is left alone.
  if (parser !== undefined && parsers.length === 1) new FastPath(socket, parser, options);
}

class FastPath implements AnswerSink {
  readonly #socket: TLSSocket;
  readonly #parser: DataListener;
  readonly #options: FastPathOptions;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  /** Of the request that the parser is in, what has not come yet. */
  #parserBytes = 0;
  /** What is at work, or has not left. */
  #response: PlainResponse | undefined;
  /** A record came while a command waited for something. */
  #isOverlapping = false;
  #known: KnownHead | undefined;
  /** Requests since the last command. */
  #othersInARow = 0;

  constructor(socket: TLSSocket, parser: DataListener, options: FastPathOptions) {
    this.#socket = socket;
    this.#parser = parser;
    this.#options = options;
    // In this order: Node reads the records itself as long as nobody listens.
    socket.on('data', this.#onData);
    socket.removeListener('data', parser);
  }

  get isGone(): boolean {
    return !this.#socket.writable;
  }

  answer(text: string, encoding: 'latin1' | 'utf8', isLast: boolean): void {
    const socket = this.#socket;
    const isTaken = socket.write(text, encoding);
    if (isTaken || isLast) {
      this.#settle();
      if (isLast) this.#options.peer.close();
      return;
    }
    // Who does not read its answers is read from no more: the others wait in its own buffers. Until then the answer has not
    // left, and is owed.
    socket.pause();
    socket.once('drain', () => this.#settle());
  }

  #settle(): void {
    this.#response = undefined;
    this.#options.peer.settle();
    // Behind the last answer too: what is left unread would reset the connection, and the answer with it.
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  #take(chunk: Buffer): void {
    const { peer, handler } = this.#options;
    if (this.#response !== undefined) {
      this.#isOverlapping ||= !this.#response.isDeparting;
      this.#socket.pause();
      this.#socket.unshift(chunk);
      return;
    }
    if (this.#parserBytes > 0) {
      this.#handOver(chunk, this.#parserBytes);
      return;
    }
    const plain = this.#isOverlapping ? undefined : this.#plainHead(chunk);
    if (plain === undefined) {
      this.#leave(chunk);
      return;
    }
    const { bytes, bodyBytes, head, isCommand } = plain;
    this.#othersInARow = isCommand ? 0 : this.#othersInARow + 1;
    if (this.#othersInARow > OTHERS_MAX) {
      this.#leave(chunk);
      return;
    }
    if (!isCommand || bytes + bodyBytes !== chunk.length || !this.#isAdmitted()) {
      this.#handOver(chunk, bytes + bodyBytes);
      return;
    }
    const request = new PlainRequest(head, chunk.subarray(bytes));
    const response = new PlainResponse(this);
    this.#response = response;
    peer.begin(request, response);
    handler(request, response);
  }

  #plainHead(chunk: Buffer): PlainHead | undefined {
    const known = this.#known?.match(chunk);
    if (known !== undefined) return known;
    const plain = parsePlainHead(chunk);
    if (plain !== undefined) this.#known = KnownHead.of(chunk, plain) ?? this.#known;
    return plain;
  }

  /** Whatever else there is to say to this connection, the general way says it. */
  #isAdmitted(): boolean {
    const { peer, isDraining } = this.#options;
    return peer.hasAsked && peer.pending === 0 && !peer.isClosing && !peer.isSurplus && !isDraining();
  }

  /** To the parser, which is in a request that has so many bytes to come, these included. */
  #handOver(chunk: Buffer, bytesToCome: number): void {
    if (chunk.length > bytesToCome) {
      this.#leave(chunk);
      return;
    }
    this.#parserBytes = bytesToCome - chunk.length;
    this.#parser(chunk);
  }

  /** The parser has the connection from here on. */
  #leave(chunk: Buffer): void {
    const socket = this.#socket;
    socket.removeListener('data', this.#onData);
    socket.on('data', this.#parser);
    this.#parser(chunk);
  }
}
