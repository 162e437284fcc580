/**
 * The standard health service: SERVING while a shard can be used and the door is not closing, as `/readyz` has it. The
 * package's own implementation keeps whatever names strangers ask for; this one knows its names.
 */
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { SERVICE_NAME } from './load-service';

type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

interface HealthRequest {
  readonly service: string;
}
interface HealthReply {
  readonly status: ServingStatus;
}
interface Watcher {
  readonly stream: ServerWritableStream<HealthRequest, HealthReply>;
  told: ServingStatus | undefined;
}

/** The empty name stands for the server as a whole. */
const NAMES: readonly string[] = ['', SERVICE_NAME];
/** Between two looks at what is told to those who watch. */
const LOOK_MS = 250;
/** Strangers may watch too. */
const WATCHERS_MAX = 256;

export class Health {
  readonly #isServing: () => boolean;
  readonly #watchers = new Set<Watcher>();
  readonly #timer: NodeJS.Timeout;

  constructor(isServing: () => boolean) {
    this.#isServing = isServing;
    this.#timer = setInterval(() => this.tellWatchers(), LOOK_MS).unref();
  }

  get methods(): UntypedServiceImplementation {
    const check: handleUnaryCall<HealthRequest, HealthReply> = ({ request }, respond) => {
      const found = this.#statusOf(request.service);
      if (found !== 'SERVICE_UNKNOWN') respond(null, { status: found });
      else respond({ code: status.NOT_FOUND, details: 'There is no such service.' });
    };
    const list: handleUnaryCall<unknown, { statuses: Record<string, HealthReply> }> = (_call, respond) => {
      const statuses = NAMES.map((name) => [name, { status: this.#statusOf(name) }] as const);
      respond(null, { statuses: Object.fromEntries(statuses) });
    };
    const watch: handleServerStreamingCall<HealthRequest, HealthReply> = (stream) => {
      if (this.#watchers.size >= WATCHERS_MAX) {
        stream.emit('error', { code: status.UNAVAILABLE, details: 'There are too many who watch.' });
        return;
      }
      const watcher: Watcher = { stream, told: undefined };
      this.#watchers.add(watcher);
      stream.on('cancelled', () => this.#watchers.delete(watcher));
      this.#tell(watcher);
    };
    return { Check: check, List: list, Watch: watch };
  }

  /** Tells those who watch what is another state than they were told. */
  tellWatchers(): void {
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  /** Ends the streams of those who watch. */
  close(): void {
    clearInterval(this.#timer);
    for (const { stream } of this.#watchers) stream.end();
    this.#watchers.clear();
  }

  #tell(watcher: Watcher): void {
    const now = this.#statusOf(watcher.stream.request.service);
    // Who does not read is told the state of when they do.
    if (watcher.told === now || watcher.stream.writableLength > 0) return;
    watcher.told = now;
    watcher.stream.write({ status: now });
  }

  #statusOf(name: string): ServingStatus {
    if (!NAMES.includes(name)) return 'SERVICE_UNKNOWN';
    return this.#isServing() ? 'SERVING' : 'NOT_SERVING';
  }
}
