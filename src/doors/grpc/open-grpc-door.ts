/**
 * The gRPC door: the port, TLS, and the limits of connections and streams; what the calls mean is in
 * `cache-service.ts`.
 */
import { logVerbosity, Server, setLogVerbosity } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { service as healthService } from 'grpc-health-check';
import type { Http2SecureServer } from 'node:http2';
import { type AddressInfo, createServer, type Server as PortServer } from 'node:net';
import { CacheError } from '../../core/errors';
import { Budget } from '../../lib/budget';
import { limitConnections } from '../../lib/limit-connections';
import { type CertificateFiles, readCertificate, watchCertificate } from '../../tls/certificate';
import { createCacheService } from './cache-service';
import { DoorCredentials } from './credentials';
import type { DoorContext, GrpcDeps } from './door-call';
import { createGate } from './gate';
import { Health } from './health';
import { loadService } from './load-service';
import { OpenWatches } from './open-watches';
import { Peers } from './peers';
import { limitStreams } from './stream-limits';

export interface GrpcDoorOptions extends CertificateFiles, GrpcDeps {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly maxConnections: number;
  /** With other workers. */
  readonly sharesPort?: boolean;
  /** In place of what holds usually; for tests. */
  readonly times?: Partial<typeof TIMES> | undefined;
}

export interface GrpcDoor {
  readonly host: string;
  readonly port: number;
  /** Says that it is not serving, answers what was asked, takes no more, and closes. Later calls wait for the first. */
  close(): Promise<void>;
}

const TIMES = {
  handshakeMs: 5000,
  /** A connection on which nothing was said for so long is asked whether it is still there … */
  keepaliveMs: 30_000,
  /** … and closed when it does not answer; one that watches and has nothing to hear stays as long as it answers. */
  keepaliveTimeoutMs: 10_000,
  /** A connection without a call; clients open another one when they need it. */
  idleMs: 10 * 60_000,
  /** For sending a request and for reading its answer, beside the time of the work. */
  transferMs: 15_000,
  /** Of a stop: while load balancers hear that it is not serving, and callers leave. */
  drainMs: 1000,
};

/** Room for the key and the other fields of a request, and for what a batch has of them. */
const MESSAGE_ROOM_BYTES = 1024 * 1024;
/** Bytes of all requests that are being sent or worked on. Over it a call is refused, before memory runs out. */
const RECEIVED_BYTES_MAX = 256 * 1024 * 1024;
/** Calls at the same time on one connection; libraries queue what is over it. */
const STREAMS_MAX = 256;
/** Of one call, names and values with what HTTP/2 counts for each. */
const METADATA_BYTES_MAX = 16 * 1024;
/** Of a stop, for calls that are still at work after the drain. */
const STOP_MS = 15_000;

/** @throws Error when a file is no good (it names the file) or the address cannot be had. */
export async function openGrpcDoor(options: GrpcDoorOptions): Promise<GrpcDoor> {
  const { host, port, cache, limits, clock, log, observer, maxInFlight } = options;
  const times = { ...TIMES, ...options.times };
  // The library writes lines of its own form to standard error, and they may quote what callers sent.
  setLogVerbosity(logVerbosity.NONE);
  const certificate = await readCertificate(options, clock);

  let closed: Promise<void> | undefined;
  const isDraining = (): boolean => closed !== undefined;
  const inFlight = new Budget(maxInFlight);
  const received = new Budget(RECEIVED_BYTES_MAX);
  observer.watchLoad(() => ({
    inFlight: inFlight.taken,
    inFlightMax: maxInFlight,
    bodyBytes: received.taken,
  }));

  const door: DoorContext = { ...options, inFlight };
  const gate = createGate(door, (session) => peers.peerOf(session)?.unreadBytes ?? 0);
  const server = new Server({
    interceptors: [gate.interceptor],
    'grpc.max_receive_message_length': limits.valueBytesMax + MESSAGE_ROOM_BYTES,
    'grpc.keepalive_time_ms': times.keepaliveMs,
    'grpc.keepalive_timeout_ms': times.keepaliveTimeoutMs,
    'grpc.max_connection_idle_ms': times.idleMs,
    'grpc.enable_channelz': 0,
  });
  const { definition, service } = loadService();
  const watches = new OpenWatches(cache, times.transferMs);
  const health = new Health(() => cache.ready() && !isDraining());
  server.addService(service, createCacheService(door, gate.callOf, watches));
  server.addService(healthService, health.methods);
  new ReflectionService(definition).addToServer(server);

  const credentials = new DoorCredentials(
    {
      requestCert: options.clientCaFile !== undefined,
      rejectUnauthorized: options.clientCaFile !== undefined,
      handshakeTimeout: times.handshakeMs,
      unknownProtocolTimeout: times.handshakeMs,
      settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: METADATA_BYTES_MAX },
    },
    certificate,
  );
  const injector = server.createConnectionInjector(credentials);
  const http2Server = http2ServerOf(server);
  const peers = new Peers(http2Server, clock, log);
  limitStreams(http2Server, { peers, received, streamMs: limits.requestTimeoutMs + times.transferMs });

  const portServer = createServer((socket) => {
    peers.accept(socket);
    injector.injectConnection(socket);
  });
  limitConnections(portServer, options.maxConnections, options.sharesPort === true);
  try {
    await listen(portServer, host, port);
  } catch (thrown) {
    health.close();
    peers.stopChecks();
    server.forceShutdown();
    throw thrown;
  }
  portServer.on('error', ({ message }) => log.error({ reason: message }, 'cannot take connections'));
  const stopWatching = watchCertificate(options, certificate, clock, log, (next) => credentials.take(next));

  /**
   * 1. Whoever asks for health hears that it is not serving; watches end, so that they begin anew elsewhere; calls are
   *    still taken while this gets around.
   * 2. No new connections, and no new calls on those there are. What is at work is answered.
   * 3. What is left then is cut.
   */
  async function close(): Promise<void> {
    health.tellWatchers();
    watches.endAll(new CacheError('unavailable', 'This gateway is stopping: watch again, on another one.'));
    await pause(times.drainMs);
    health.close();
    const isPortClosed = new Promise<void>((resolve) => portServer.close(() => resolve()));
    const stopMs = Math.min(STOP_MS, limits.requestTimeoutMs + 1000);
    const cut = setTimeout(() => {
      log.warn({ connections: peers.size, calls: inFlight.taken }, 'cut connections of gRPC at the end');
      server.forceShutdown();
      peers.destroyAll();
    }, stopMs);
    await Promise.all([isPortClosed, new Promise<void>((resolve) => server.tryShutdown(() => resolve()))]);
    clearTimeout(cut);
    peers.stopChecks();
    stopWatching();
  }

  const address = portServer.address() as AddressInfo;
  return { host: address.address, port: address.port, close: () => (closed ??= close()) };
}

/** The library gives no public way to it; its version is pinned, and the door's tests fail without it. */
function http2ServerOf(server: Server): Http2SecureServer {
  const { http2Servers } = server as unknown as { http2Servers: ReadonlyMap<Http2SecureServer, unknown> };
  const [http2Server] = http2Servers.keys();
  if (http2Server === undefined) throw new Error('the gRPC library keeps its HTTP/2 server elsewhere');
  return http2Server;
}

function listen(server: PortServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`Cannot listen on ${host}:${port}.`, { cause })));
    server.listen({ host, port }, resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
