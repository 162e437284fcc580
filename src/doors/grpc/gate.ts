/**
 * Before each call and behind it: who calls is settled from the metadata, before a byte of the message is read, and
 * every call, of whichever service, has its line in the log.
 */
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import { CacheError, toCacheError } from '../../core/errors';
import { type CallStream, DoorCall, type DoorContext } from './door-call';
import { SERVICE_NAME } from './load-service';
import { HEAD_FAULT } from './stream-limits';

export interface Gate {
  readonly interceptor: ServerInterceptor;
  /** The call that came with this metadata. */
  readonly callOf: (metadata: Metadata) => DoorCall;
}

/** `unreadBytesOf`: what waits on a connection to be read. */
export function createGate(
  door: DoorContext,
  unreadBytesOf: (session: Http2Session | undefined) => number,
): Gate {
  const calls = new WeakMap<Metadata, DoorCall>();

  const interceptor: ServerInterceptor = ({ path }, inner) => {
    let call: DoorCall | undefined;
    return new ServerInterceptingCall(inner, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            const stream = callStreamOf(inner, unreadBytesOf);
            call = new DoorCall(door, routeOf(path), metadata, deadlineOf(inner, door), stream);
            try {
              const [fault] = metadata.get(HEAD_FAULT);
              if (fault !== undefined) throw new CacheError('bad_request', fault.toString());
              // Health and reflection are open to all: load balancers have no token, and neither tells of anything that
              // the README of this program does not.
              if (isOurs(path)) call.identify();
            } catch (thrown) {
              const refusal = call.fail(toCacheError(thrown));
              call.conclude(refusal);
              inner.sendStatus(refusal);
              return;
            }
            calls.set(metadata, call);
            pass(metadata);
          },
          onCancel: () => call?.abandon(),
        });
      },
      sendMetadata(metadata, next) {
        // The library's own names what it could unpack.
        metadata.set('grpc-accept-encoding', 'identity');
        next(metadata);
      },
      sendStatus(status, next) {
        call?.conclude(status);
        next(status);
      },
    });
  };

  return {
    interceptor,
    callOf(metadata) {
      const call = calls.get(metadata);
      if (call === undefined) throw new Error('each call passes the gate first');
      return call;
    },
  };
}

function isOurs(path: string): boolean {
  return path.startsWith(`/${SERVICE_NAME}/`);
}

/** `Get`; with its service where that is not ours. Paths of methods that we have, so none has anything of the caller. */
function routeOf(path: string): string {
  return isOurs(path) ? path.slice(SERVICE_NAME.length + 2) : path.slice(1);
}

/** The library gives no public way to it; its version is pinned, and the door's tests fail without it. */
function callStreamOf(
  inner: object,
  unreadBytesOf: (session: Http2Session | undefined) => number,
): CallStream {
  const { stream } = inner as { readonly stream: ServerHttp2Stream };
  return {
    unreadBytes: () => unreadBytesOf(stream.session),
    cut: () => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
  };
}

/** The caller's deadline on our monotonic clock. */
function deadlineOf(inner: { getDeadline(): Date | number }, { clock }: DoorContext): number {
  return clock.now() + Number(inner.getDeadline()) - clock.wallMs();
}
