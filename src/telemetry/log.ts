/** The log: pino, one JSON object a line. Lines are collected and written together; `close` writes the rest. */
import { pino } from 'pino';
import type { Log } from '../core/ports';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Lines are written in pieces of so much, or after `FLUSH_EVERY_MS`: smaller pieces cost 4 % of the throughput. */
const BUFFER_BYTES = 64 * 1024;
/** A reader of standard output that stops reading costs lines, not memory. */
const BACKLOG_BYTES_MAX = 16 * 1024 * 1024;
const FLUSH_EVERY_MS = 200;

export interface ClosableLog extends Log {
  close(): void;
}

/** Opens the log on a file descriptor; 1 is standard output. */
export function openLog(level: LogLevel, fd: number): ClosableLog {
  const destination = pino.destination({
    dest: fd,
    sync: false,
    minLength: BUFFER_BYTES,
    maxWrite: 2 * BUFFER_BYTES,
    maxLength: BACKLOG_BYTES_MAX,
  });
  // A closed pipe: there is nobody left to tell.
  destination.on('error', () => undefined);
  const logger = pino({ level, base: null }, destination);
  const timer = setInterval(() => {
    destination.flush();
  }, FLUSH_EVERY_MS);
  timer.unref();
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    close() {
      clearInterval(timer);
      destination.flushSync();
    },
  };
}
