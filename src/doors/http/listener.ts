/**
 * The HTTPS listener: sockets, TLS, framing and limits; everything that is settled before the application sees a
 * request, and all that can go wrong without it seeing one. Opens last and closes first.
 */
import type { Express } from 'express';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CacheError, toCacheError } from '../../core/errors';
import type { Log } from '../../core/ports';
import type { Clock } from '../../lib/clock';
import { limitConnections } from '../../lib/limit-connections';
import { type CertificateFiles, readCertificate, watchCertificate } from '../../tls/certificate';
import { TLS_OPTIONS } from '../../tls/options';
import { Connections } from './connections';
import { type FastHandler, attachFastPath } from './fast/fast-path';
import { KEEP_ALIVE_MS } from './fast/plain-messages';
import { parseTarget } from './framing';
import { CacheRequest, createMessageClasses } from './messages';

export interface ListenerOptions extends CertificateFiles {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly maxConnections: number;
  /** With other workers. */
  readonly sharesPort?: boolean;
  readonly app: Express | RequestListener;
  /** Plain commands go to it, past `app`; undefined: all requests go to `app`. */
  readonly fast?: FastHandler | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** True from the call of `close`: no new work should be sent here. */
  readonly draining: boolean;
  /** Answers what was asked, takes no more, and closes; within `DRAIN_MS + STOP_MS`. Later calls wait for the first. */
  close(): Promise<void>;
}

/** A fresh connection that says nothing is cut by `headersTimeout` as well. */
const LIMITS = {
  handshakeTimeout: 5000,
  headersTimeout: 5000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 1000,
  // Longer than load balancers keep idle connections, so that it is they who close them and never send into a close.
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxHeaderSize: 8192,
} as const;

/** Connections beyond the limit that are let in to be told so; those beyond even that are cut without a word. */
const SURPLUS_MAX = 64;

/** For the time of a stop in which new connections are still taken, while load balancers notice. */
const DRAIN_MS = 1000;
/**
 * For requests that are still under way after that: one that began just before the end may take `requestTimeout` to
 * arrive, and is to be answered then. Those who start the service give it 20 s in all.
 */
const STOP_MS = LIMITS.requestTimeout + 1000;
/** For the first request of a connection that was opened just before the end. */
const FRESH_MS = 1000;
const POLL_MS = 25;

/** @throws Error when a file is no good (it names the file) or the address cannot be had. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { host, port, app, clock, log } = options;
  const certificate = await readCertificate(options, clock);
  const { untimely } = certificate;
  if (untimely !== undefined) log.warn({ file: options.certFile }, `the certificate ${untimely}`);

  const server: Server = createServer({
    ...LIMITS,
    ...TLS_OPTIONS,
    ...certificate.context,
    requestCert: options.clientCaFile !== undefined,
    rejectUnauthorized: options.clientCaFile !== undefined,
    // Node would answer without our body and headers; `parseTarget` checks it.
    requireHostHeader: false,
    ...('request' in app ? createMessageClasses(app) : { IncomingMessage: CacheRequest }),
  });
  limitConnections(server, options.maxConnections + SURPLUS_MAX, options.sharesPort === true);

  const connections = new Connections(options.maxConnections, clock, log);
  let closed: Promise<void> | undefined;
  serve(server, connections, options, () => closed !== undefined);
  await listen(server, host, port);
  server.on('error', ({ message }) => log.error({ reason: message }, 'cannot take connections'));
  connections.startChecks();
  const address = server.address() as AddressInfo;
  const stopWatching = watchCertificate(options, certificate, clock, log, ({ context }) =>
    server.setSecureContext({ ...TLS_OPTIONS, ...context }),
  );

  async function close(): Promise<void> {
    await drain(server, connections, log);
    connections.stopChecks();
    stopWatching();
  }

  return {
    host: address.address,
    port: address.port,
    get draining() {
      return closed !== undefined;
    },
    close: () => (closed ??= close()),
  };
}

/** Wires the server's events: what may pass goes to the application, the rest is answered here. */
function serve(
  server: Server,
  connections: Connections,
  { app, fast, log }: ListenerOptions,
  isDraining: () => boolean,
): void {
  // Shared by all answers, so that a request costs no function of its own.
  function settle(this: ServerResponse): void {
    connections.peerOf(this.req.socket)?.settle();
  }

  /** Whether the application may see the request; if not, it is answered, or its connection is past answering. */
  function admits(request: CacheRequest, response: ServerResponse, canMeetExpectation = true): boolean {
    const peer = connections.peerOf(request.socket);
    if (peer === undefined || peer.isClosing) {
      request.resume();
      return false;
    }
    peer.begin(request, response);
    response.on('close', settle);
    if (isDraining() || peer.isSurplus) peer.announceEnd();
    try {
      if (!canMeetExpectation)
        throw new CacheError('bad_request', 'The only expectation met is 100-continue.');
      request.url = parseTarget(request);
      if (peer.isSurplus)
        throw new CacheError('unavailable', 'There are too many connections; try again soon.');
      return true;
    } catch (thrown) {
      peer.announceEnd();
      peer.reject(request, response, toCacheError(thrown));
      return false;
    }
  }

  server.on('request', (request: CacheRequest, response) => {
    if (admits(request, response)) app(request, response);
  });
  server.on('checkContinue', (request: CacheRequest, response) => {
    request.awaitsContinue = true;
    if (admits(request, response)) app(request, response);
  });
  server.on('checkExpectation', (request: CacheRequest, response) => {
    admits(request, response, false);
  });
  server.on('connect', (_request, socket) => {
    socket.resume();
    connections.peerOf(socket)?.giveUp(new CacheError('method_not_allowed', 'CONNECT is not supported.'));
  });
  // Node lets an idle connection end by this timer, and takes a request of the fast path for idleness. The answer to
  // that winds the timer up again.
  server.on('timeout', (socket: TLSSocket) => {
    if ((connections.peerOf(socket)?.pending ?? 0) === 0) socket.destroy();
  });
  server.on('connection', (socket: Socket) => connections.accept(socket));
  server.on('secureConnection', (socket) => {
    connections.secure(socket);
    const peer = connections.peerOf(socket);
    if (fast !== undefined && peer !== undefined) attachFastPath(socket, { peer, handler: fast, isDraining });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const peer = connections.peerOf(socket);
    if (peer === undefined || !socket.writable) {
      // The TLS handshake failed, or the other end is gone.
      log.debug({ code: error.code }, 'connection failed');
      socket.destroy();
    } else if (!peer.hasAsked && peer.socket.bytesRead === 0) {
      // It never said a word: an answer would be one to nothing.
      socket.destroy();
    } else {
      peer.giveUp(faultOf(error));
    }
  });
}

/** What Node says of bytes that are no HTTP, in the words of our closed list. Never a 5xx: the input is at fault. */
function faultOf(cause: NodeJS.ErrnoException): CacheError {
  switch (cause.code) {
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new CacheError('too_large', 'The header fields are too long.', { cause });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new CacheError('bad_request', 'The request arrived too slowly.', { cause });
    default:
      return new CacheError('bad_request', 'This is not valid HTTP.', { cause });
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`Cannot listen on ${host}:${port}.`, { cause })));
    server.listen({ host, port }, resolve);
  });
}

/**
 * 1. Every answer from now on says that it is the connection's last, while new connections are still taken: so
 *    clients and load balancers leave of their own will, and no request meets a closing socket.
 * 2. No new connections; idle ones are closed, owed answers are given.
 * 3. What is left then is cut.
 */
async function drain(server: Server, connections: Connections, log: Log): Promise<void> {
  connections.announceEnd();
  // Whether or not anyone is connected: those who ask for readiness may open a connection each time.
  await pause(DRAIN_MS);

  // Node's own idea of an idle connection includes those whose answer is still leaving, and cuts it off.
  server.closeIdleConnections = () => undefined;
  const isClosed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (let leftMs = STOP_MS; leftMs > 0 && connections.size > 0; leftMs -= POLL_MS) {
    connections.closeIdle(FRESH_MS);
    await pause(POLL_MS);
  }
  if (connections.size > 0) {
    log.warn({ connections: connections.size, answers_owed: connections.owed }, 'cut connections at the end');
    connections.destroyAll();
  }
  await isClosed;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
