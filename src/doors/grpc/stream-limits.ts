/**
 * What the gRPC library leaves open, closed on the HTTP/2 streams below it: how many bytes of requests are held in all,
 * how long a caller may take to send or to read, and what it would make of a head that is not as it should be.
 */
import {
  constants,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Budget } from '../../lib/budget';
import { SERVICE_NAME } from './load-service';
import type { Peers } from './peers';

export interface StreamLimits {
  readonly peers: Peers;
  /** Bytes of requests that have arrived in part or as a whole and are not done with. */
  readonly received: Budget;
  /** How long a stream may last that is not one of those that watch; theirs may, once their request is there. */
  readonly streamMs: number;
}

/** Metadata of ours, never a caller's: why the call is refused, in words. */
export const HEAD_FAULT = 'ringcache-head-fault';

/** More than anybody has to say to services that are open to all. */
const OPEN_REQUEST_BYTES_MAX = 4096;

const ENDLESS = [`/${SERVICE_NAME}/Watch`, '/grpc.health.v1.Health/Watch'];

/** The protocol's `Timeout` (PROTOCOL-HTTP2.md of gRPC), and what its units are in milliseconds. */
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNITS_MS: Readonly<Record<string, number>> = { H: 3.6e6, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** What Node's timers can wait; a longer one would ring at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** To be called before there is a connection. */
export function limitStreams(server: Http2SecureServer, { peers, received, streamMs }: StreamLimits): void {
  server.prependListener(
    'stream',
    (_stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      // Node hands on the first of several and drops the others, which a proxy before us may have checked instead.
      if (timesOf('authorization', raw) > 1) headers.authorization = '';
      Reflect.deleteProperty(headers, HEAD_FAULT);
      settleTimeout(headers);
      // The library would unpack what strangers send, a thousandfold, and call it our failure where it cannot. So it
      // does not know the packing, and says so in the way that the protocol has for that.
      const packing = headers['grpc-encoding'];
      if (packing !== undefined && packing !== 'identity') headers['grpc-encoding'] = 'other than identity';
    },
  );

  // Behind the library's listener, which has stopped the flow of the message until somebody asks for it.
  server.on('stream', (stream, headers) => {
    const path = headers[':path'] ?? '';
    const isOurs = path.startsWith(`/${SERVICE_NAME}/`);
    const isEndless = ENDLESS.includes(path);
    let held = 0;
    stream.on('data', (chunk: Buffer) => {
      const isTooMuch = !isOurs && held + chunk.length > OPEN_REQUEST_BYTES_MAX;
      if (isTooMuch || !received.take(chunk.length)) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      else held += chunk.length;
    });
    peers.peerOf(stream.session)?.begin(stream, isEndless);
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), streamMs).unref();
    if (isEndless) stream.once('end', () => clearTimeout(timer));
    stream.once('close', () => {
      clearTimeout(timer);
      received.release(held);
    });
    // The library listens for the first only, and a second one that nobody hears would end the process.
    stream.on('error', () => undefined);
  });
}

/** Leaves a deadline that the library understands: it fails with INTERNAL on others, and is too soon with far ones. */
function settleTimeout(headers: IncomingHttpHeaders): void {
  const text = headers['grpc-timeout'];
  if (text === undefined) return;
  const [, digits = '', unit = ''] = (typeof text === 'string' ? TIMEOUT.exec(text) : null) ?? [];
  const timeoutMs = Number(digits) * (UNITS_MS[unit] ?? NaN);
  if (timeoutMs <= TIMEOUT_MS_MAX) return;
  Reflect.deleteProperty(headers, 'grpc-timeout');
  if (Number.isNaN(timeoutMs)) headers[HEAD_FAULT] = 'The grpc-timeout is not up to 8 digits and a unit.';
}

function timesOf(name: string, raw: readonly string[]): number {
  let times = 0;
  for (let at = 0; at < raw.length; at += 2) if (raw[at] === name) times++;
  return times;
}
