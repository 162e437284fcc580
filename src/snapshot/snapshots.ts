/**
 * When a snapshot is loaded and saved, and what becomes of one that cannot be used.
 *
 * What is saved is either all that an engine holds, or the keys of a near cache. The file of the one is refused as the
 * other. A file that is refused for whatever reason is set aside, and the service starts without it: it is a cache. It
 * is looked through as a whole before anything of it is used, so nothing is started with half of it.
 */
import { constants, promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import type {
  EngineContent,
  Log,
  SavedSnapshot,
  SnapshotContent,
  SnapshotResult,
  SnapshotSaver,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { BadSnapshot, type SnapshotKind } from './format';
import { openSnapshot, type SnapshotReader } from './read-snapshot';
import { isErrno, setAside } from './set-aside';
import { writeSnapshot } from './write-snapshot';

export interface SnapshotsOptions {
  readonly file: string;
  /** From the end of one to the beginning of the next. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Snapshots extends SnapshotSaver {
  /** Loads the entries of the file, if there is one that can be used. Never rejects. */
  load(content: EngineContent): Promise<void>;
  /** The last `keysMax` keys of the file, most recently used last; none where no file can be used. Never rejects. */
  loadKeys(keysMax: number): Promise<readonly Key[]>;
  /**
   * From now on there is something to save: each interval, on demand, and when it is closed. Nothing is saved while
   * `isWhole` is false: the last file has more than what there is now.
   */
  begin(kind: SnapshotKind, content: SnapshotContent, isWhole: () => boolean): void;
  /** undefined: none yet. */
  last(): SavedSnapshot | undefined;
  /** Saves once more, within `CLOSE_MS_MAX`. Never rejects; nothing is saved where nothing has begun. */
  close(): Promise<void>;
}

/** A disk that takes longer is taken for one that hangs. */
const SAVE_MS_MAX = 600_000;
/** For the last one, before whoever stops this process loses patience with it. */
const CLOSE_MS_MAX = 10_000;
/** What a timer can be set to. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Without I/O: nothing happens before it is told to. */
export function createSnapshots(options: SnapshotsOptions): Snapshots {
  return new SnapshotFile(options);
}

class SnapshotFile implements Snapshots {
  readonly #options: SnapshotsOptions;
  #source:
    | { readonly kind: SnapshotKind; readonly content: SnapshotContent; readonly isWhole: () => boolean }
    | undefined;
  #underWay: { readonly result: Promise<SnapshotResult>; readonly abort: AbortController } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: SavedSnapshot | undefined;
  /** What lies under the name is not to be written over. */
  #mustSetAside = false;
  #closed = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  async load(content: EngineContent): Promise<void> {
    await this.#read('entries', async (reader) => {
      let entries = 0;
      for await (const block of reader.blocks()) {
        content.load(block, reader.header.marks);
        entries += block.length;
      }
      return entries;
    });
  }

  async loadKeys(keysMax: number): Promise<readonly Key[]> {
    const keys: Key[] = [];
    await this.#read('keys', async (reader) => {
      for await (const block of reader.blocks()) {
        keys.push(...block.map(({ key }) => key));
        keys.splice(0, Math.max(0, keys.length - keysMax));
      }
      return keys.length;
    });
    return keys;
  }

  begin(kind: SnapshotKind, content: SnapshotContent, isWhole: () => boolean): void {
    this.#source = { kind, content, isWhole };
    this.#schedule(this.#options.clock.now() + this.#options.intervalMs);
  }

  last(): SavedSnapshot | undefined {
    return this.#last;
  }

  save(): Promise<SnapshotResult> {
    return this.#saveWithin(SAVE_MS_MAX);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#source === undefined) return;
    const endMs = this.#options.clock.now() + CLOSE_MS_MAX;
    const left = (): number => endMs - this.#options.clock.now();
    // One that is under way may have passed by what was changed last. Whatever failed is in the log.
    if (this.#underWay !== undefined) await this.#saveWithin(left()).catch(() => undefined);
    if (left() > 0) await this.#saveWithin(left()).catch(() => undefined);
    this.#source = undefined;
  }

  /** @throws CacheError `unavailable` */
  #saveWithin(waitMs: number): Promise<SnapshotResult> {
    const { result, abort } = (this.#underWay ??= this.#begin());
    return withDeadline(result, waitMs, () => {
      const late = new CacheError('unavailable', 'The snapshot took too long; the last one is still there.');
      abort.abort(late);
      return late;
    });
  }

  #begin(): { readonly result: Promise<SnapshotResult>; readonly abort: AbortController } {
    const abort = new AbortController();
    const result = this.#save(abort.signal).finally(() => {
      this.#underWay = undefined;
    });
    return { result, abort };
  }

  async #save(signal: AbortSignal): Promise<SnapshotResult> {
    const { file, clock, log } = this.#options;
    const savedAtMs = clock.wallMs();
    const beganMs = clock.now();
    try {
      if (this.#source?.isWhole() !== true) throw new BadSnapshot('not everything is here yet');
      if (this.#mustSetAside) await this.#setAside();
      const { kind, content } = this.#source;
      const header = { kind, savedAtMs, marks: content.marks() };
      const written = await writeSnapshot(file, header, content.pages(), signal);
      const result = { ...written, durationMs: clock.now() - beganMs };
      this.#last = { ...result, savedAtMs };
      log.info({ file, ...written, seconds: result.durationMs / 1000 }, 'snapshot saved');
      return result;
    } catch (cause) {
      log.error(
        { file, cause: messageOf(cause) },
        'the snapshot could not be saved; the last one is still there',
      );
      throw new CacheError('unavailable', 'The snapshot could not be saved; the last one is still there.', {
        cause,
      });
    }
  }

  #schedule(atMs: number): void {
    const { clock, intervalMs } = this.#options;
    const waitMs = Math.min(Math.max(0, atMs - clock.now()), TIMER_MS_MAX);
    this.#timer = setTimeout(() => {
      if (clock.now() < atMs) {
        this.#schedule(atMs);
        return;
      }
      const again = (): void => {
        if (!this.#closed) this.#schedule(clock.now() + intervalMs);
      };
      this.save().then(again, again);
    }, waitMs);
    this.#timer.unref();
  }

  /** Opens the file, looks all of it through, and lets `use` have it; that gives how many entries it took. */
  async #read(kind: SnapshotKind, use: (reader: SnapshotReader) => Promise<number>): Promise<void> {
    const { file, clock, log } = this.#options;
    const beganMs = clock.now();
    try {
      const reader = await openSnapshot(file);
      try {
        const { header, bytes } = reader;
        if (header.kind !== kind) {
          throw new BadSnapshot(`it holds ${header.kind}, and with these settings it must hold ${kind}`);
        }
        await checkAll(reader);
        const entries = await use(reader);
        const seconds = (clock.now() - beganMs) / 1000;
        log.info(
          { file, entries, bytes, seconds, saved_at: new Date(header.savedAtMs).toISOString() },
          'snapshot loaded',
        );
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) await this.#refuse(error);
    }
    await this.#checkFolder();
  }

  /** Tells of a folder that is no good at the start, when somebody looks at the log, and not at the first interval only. */
  async #checkFolder(): Promise<void> {
    const { file, log } = this.#options;
    try {
      await fs.access(dirname(file), constants.W_OK | constants.X_OK);
    } catch (error) {
      log.error(
        { file, cause: messageOf(error) },
        'the snapshot could not be saved: its folder is missing, or may not be written to',
      );
    }
  }

  async #refuse(error: unknown): Promise<void> {
    const { file, log } = this.#options;
    this.#mustSetAside = true;
    log.error({ file, cause: messageOf(error) }, 'the snapshot cannot be used; starting without it');
    await this.#setAside().catch((cause: unknown) => {
      log.error(
        { file, cause: messageOf(cause) },
        'the snapshot that cannot be used cannot be set aside either: nothing is saved',
      );
    });
  }

  async #setAside(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const aside = await setAside(file);
      log.warn({ file, aside }, 'the snapshot that cannot be used was set aside');
    } catch (error) {
      // Somebody else has taken it away.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    this.#mustSetAside = false;
  }
}

/** @throws BadSnapshot */
async function checkAll(reader: SnapshotReader): Promise<void> {
  const blocks = reader.blocks();
  while ((await blocks.next()).done !== true);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
