/** The Watch streams of one door: each writes what its watch in the core tells, as fast as its caller reads. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { CacheService } from '../../core/cache';
import type { Key } from '../../core/command';
import { CacheError, toCacheError } from '../../core/errors';
import { keyToText } from '../../core/key';
import type { Seen, Watch } from '../../core/watches';
import type { DoorCall } from './door-call';
import type { WatchEvent } from './messages';
import { foundMessage } from './reply-messages';

/** The library ends a call whose deadline has passed and takes nothing more; its clock and ours differ by less. */
const DEADLINE_MARGIN_MS = 5;

type Stream = ServerWritableStream<unknown, WatchEvent>;

export class OpenWatches {
  readonly #cache: CacheService;
  readonly #readMs: number;
  readonly #open = new Set<Watch>();
  #ended: CacheError | undefined;

  /** `readMs`: how long a caller may leave one event unread; it is held until then. */
  constructor(cache: CacheService, readMs: number) {
    this.#cache = cache;
    this.#readMs = readMs;
  }

  /** Serves the stream to its end; what `parse` throws is that end. */
  serve(stream: Stream, call: DoorCall, parse: () => readonly Key[]): void {
    this.#tell(stream, call, parse).catch((thrown: unknown) => {
      if (call.hasEnded) return;
      // The stream takes it for its status.
      stream.emit('error', call.fail(toCacheError(thrown)));
    });
  }

  /** Ends all streams, those to come too, for this reason. */
  endAll(reason: CacheError): void {
    this.#ended = reason;
    for (const watch of this.#open) watch.close(reason);
  }

  async #tell(stream: Stream, call: DoorCall, parse: () => readonly Key[]): Promise<never> {
    if (this.#ended !== undefined) throw this.#ended;
    const watch = this.#cache.watch(call.caller.principal, parse());
    this.#open.add(watch);
    const leave = (): void => watch.close(new CacheError('unavailable', 'The caller has left.'));
    stream.on('cancelled', leave);
    try {
      // So that a caller knows that it is watching, however long nothing can be told.
      stream.sendMetadata(call.trailing.clone());
      for (;;) await this.#write(stream, call, await watch.next());
    } finally {
      this.#open.delete(watch);
      watch.close(new CacheError('unavailable', 'The watch has ended.'));
    }
  }

  /** Settles when the caller has room for more. */
  async #write(stream: Stream, call: DoorCall, { key, value, source }: Seen): Promise<void> {
    const isOver = call.hasEnded || call.door.clock.now() >= call.callerDeadlineMs - DEADLINE_MARGIN_MS;
    if (isOver) throw new CacheError('timeout', 'The deadline of the call has passed.');
    call.checkUnread();
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        reject(new CacheError('unavailable', 'The caller has left.'));
      };
      const timer = setTimeout(() => call.cut(), this.#readMs).unref();
      stream.once('cancelled', leave);
      stream.write({ key: keyToText(key), ...foundMessage(value, source) }, () => {
        clearTimeout(timer);
        stream.off('cancelled', leave);
        resolve();
      });
    });
  }
}
