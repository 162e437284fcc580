/** The listener of the RESP door: sockets, plain or TLS, their number, and how they end. Opens last and closes first. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { Access } from '../../auth/access';
import type { CacheService } from '../../core/cache';
import type { Limits } from '../../core/limits';
import type { Log, Observer } from '../../core/ports';
import { Budget } from '../../lib/budget';
import type { Clock } from '../../lib/clock';
import { limitConnections } from '../../lib/limit-connections';
import { readCertificate, watchCertificate, type CertificateFiles } from '../../tls/certificate';
import { TLS_OPTIONS } from '../../tls/options';
import { Connections } from './connections';
import { createStoreFacts } from './local/store-facts';
import type { RequestHandler } from './request-handler';
import type { SessionState } from './session-state';
import { UnreadReplies } from './unread-replies';

export interface RespListenerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** undefined: plain TCP. */
  readonly tls: CertificateFiles | undefined;
  readonly maxConnections: number;
  /** With other workers. */
  readonly sharesPort?: boolean;
  readonly maxInFlight: number;
  readonly cache: CacheService;
  readonly access: Pick<Access, 'admit'>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  /** False: every request takes the general way (`short-way.ts`). */
  readonly hasShortWay: boolean;
  /** Carries out what a connection asks for. */
  readonly createSession: (state: SessionState) => RequestHandler;
}

export interface RespListener {
  readonly host: string;
  readonly port: number;
  /** Answers what is at work, takes no more, and closes; within `STOP_MS`. Later calls wait for the first. */
  close(): Promise<void>;
}

const SOCKET_OPTIONS = {
  // Who sends a pipeline and closes its side is still to be answered.
  allowHalfOpen: true,
  noDelay: true,
  // Nobody has to say anything between requests, so only this finds out about an end that is gone without a word.
  keepAlive: true,
  keepAliveInitialDelay: 300_000,
} as const;

const HANDSHAKE_MS = 5000;
/** Bytes of all long requests of which a part is still to come; as the HTTP door has it for bodies. */
const REQUEST_BYTES_MAX = 256 * 1024 * 1024;
/** Connections beyond the limit that are let in to be told so; those beyond even that are cut without a word. */
const SURPLUS_MAX = 64;
/** Connections to the store beside those that are shared, of all sessions together: each Redis has 10,000 places. */
const UPSTREAMS_MAX = 4096;
/** For what is at work when the door closes. */
const STOP_MS = 2500;
const POLL_MS = 25;

/** @throws Error when a file is no good (it names the file) or the address cannot be had */
export async function openRespListener(options: RespListenerOptions): Promise<RespListener> {
  const { host, port, cache, access, limits, clock, log, observer, hasShortWay, maxInFlight } = options;
  const places = new Budget(maxInFlight);
  const connections = new Connections({
    deps: {
      ...{ cache, access, limits, clock, log, observer, hasShortWay, places },
      upstreams: new Budget(UPSTREAMS_MAX),
      requestBytes: new Budget(REQUEST_BYTES_MAX),
      unread: new UnreadReplies(limits.valueBytesMax),
      facts: createStoreFacts(cache, clock, limits),
      startedMs: clock.now(),
    },
    maxConnections: options.maxConnections,
    createSession: options.createSession,
  });
  const { server, stopWatching } =
    options.tls === undefined
      ? openPlain(connections)
      : await openSecure(options.tls, connections, clock, log);
  limitConnections(server, options.maxConnections + SURPLUS_MAX, options.sharesPort === true);
  try {
    await listen(server, host, port);
  } catch (failure) {
    stopWatching();
    throw failure;
  }
  server.on('error', ({ message }) =>
    log.error({ door: 'resp', reason: message }, 'cannot take connections'),
  );
  connections.startChecks();
  observer.watchLoad(() => ({
    inFlight: places.taken,
    inFlightMax: maxInFlight,
    bodyBytes: connections.heldBytes,
  }));

  async function drain(): Promise<void> {
    stopWatching();
    const isClosed = new Promise<void>((resolve) => server.close(() => resolve()));
    connections.finishAll();
    for (let leftMs = STOP_MS; leftMs > 0 && connections.size > 0; leftMs -= POLL_MS) await pause(POLL_MS);
    if (connections.size > 0) {
      log.warn({ door: 'resp', connections: connections.size }, 'cut connections at the end');
      connections.destroyAll();
    }
    connections.stopChecks();
    await isClosed;
  }

  let closed: Promise<void> | undefined;
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port, close: () => (closed ??= drain()) };
}

interface Opened {
  readonly server: Server;
  readonly stopWatching: () => void;
}

function openPlain(connections: Connections): Opened {
  const server = createServer(SOCKET_OPTIONS, (socket) => {
    connections.accept(socket);
    connections.open(socket);
  });
  return { server, stopWatching: () => undefined };
}

async function openSecure(
  files: CertificateFiles,
  connections: Connections,
  clock: Clock,
  log: Log,
): Promise<Opened> {
  const certificate = await readCertificate(files, clock);
  const { untimely } = certificate;
  if (untimely !== undefined) log.warn({ file: files.certFile }, `the certificate ${untimely}`);
  const server: TlsServer = createTlsServer({
    ...SOCKET_OPTIONS,
    ...TLS_OPTIONS,
    ...certificate.context,
    handshakeTimeout: HANDSHAKE_MS,
    requestCert: files.clientCaFile !== undefined,
    rejectUnauthorized: files.clientCaFile !== undefined,
  });
  server.on('connection', (transport: Socket) => connections.accept(transport));
  server.on('secureConnection', (socket) => connections.open(socket));
  server.on('tlsClientError', ({ code }: NodeJS.ErrnoException, socket) => {
    log.debug({ door: 'resp', code }, 'connection failed');
    socket.destroy();
  });
  const stopWatching = watchCertificate(files, certificate, clock, log, ({ context }) =>
    server.setSecureContext({ ...TLS_OPTIONS, ...context }),
  );
  return { server, stopWatching };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`Cannot listen on ${host}:${port}.`, { cause })));
    server.listen({ host, port }, resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
