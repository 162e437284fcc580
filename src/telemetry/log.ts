/**
 * The log: pino, one JSON object a line. Lines are gathered and written together; `close` writes the rest.
 *
 * Several workers that share the ports write to the same file or device, piece by piece, each of whole lines. Where standard
 * output is a pipe or a socket, each of them writes to a pipe of its own, and the process above them copies whole lines
 * (`lines`): a write of more than 4 KiB to a pipe that others write to as well may be torn.
 */
import { pino } from 'pino';
import type { Log, RequestLine } from '../core/ports';
import { PieceWriter } from './piece-writer';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Lines are handed to the destination in pieces of so much: one at a time each costs a system call. */
const PIECE_BYTES = 32 * 1024;
/** Of UTF-8, for one unit of a string. */
const UNIT_BYTES_MAX = 3;
/** … or after so long. */
const FLUSH_EVERY_MS = 200;
/** A reader of standard output that stops reading costs lines, not memory. */
const BACKLOG_BYTES_MAX = 16 * 1024 * 1024;

export interface ClosableLog extends Log {
  /** Whole lines of another process, as they are. The bytes are not copied. */
  lines(bytes: Buffer): void;
  close(): void;
}

/** Opens the log on a file descriptor; 1 is standard output. `worker`: its number, for each line; undefined: the only process. */
export function openLog(level: LogLevel, fd: number, worker?: number): ClosableLog {
  const writer = new PieceWriter(fd, BACKLOG_BYTES_MAX);

  // As bytes: text that is put together of a thousand pieces lives long enough to cost as much again in collecting garbage (bench, row P2).
  const piece = Buffer.allocUnsafeSlow(2 * PIECE_BYTES);
  let pieceBytes = 0;
  function handOver(): void {
    if (pieceBytes > 0) writer.add(Buffer.from(piece.subarray(0, pieceBytes)));
    pieceBytes = 0;
  }
  /** Also what was handed over while it was writing. */
  function flush(): void {
    handOver();
    writer.flush();
  }
  function write(line: string): void {
    const lineBytesMax = UNIT_BYTES_MAX * line.length;
    if (pieceBytes + lineBytesMax > piece.length) handOver();
    if (lineBytesMax > piece.length) writer.add(Buffer.from(line));
    else pieceBytes += piece.write(line, pieceBytes);
    if (pieceBytes >= PIECE_BYTES || pieceBytes === 0) flush();
  }
  const timer = setInterval(flush, FLUSH_EVERY_MS);
  timer.unref();

  const logger = pino({ level, base: worker === undefined ? null : { worker } }, { write });
  const ofWorker = worker === undefined ? '' : `,"worker":${worker}`;
  const showsRequests = logger.isLevelEnabled('info');
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    request(line) {
      if (showsRequests) write(requestText(line, ofWorker));
    },
    lines(bytes) {
      handOver();
      writer.add(bytes);
      writer.flush();
    },
    close() {
      clearInterval(timer);
      // Not flushed as usual: a write that has only begun would end with the process.
      handOver();
      writer.close();
    },
  };
}

/**
 * The line of one request, as pino would write it. It is the one line that each request pays for, and put together
 * by hand it costs a fifth: 10 % of the throughput of near hits.
 */
function requestText(line: RequestLine, ofWorker: string): string {
  let text = `{"level":30,"time":${Date.now()}${ofWorker},"request_id":"${line.requestId}","route":"${line.route}"`;
  if (line.client !== undefined) text += `,"client":${JSON.stringify(line.client)}`;
  if (line.address !== undefined) text += `,"address":${JSON.stringify(line.address)}`;
  if (line.command !== undefined) text += `,"command":"${line.command}"`;
  if (line.commands !== undefined) text += `,"commands":${line.commands}`;
  text += `,"outcome":"${line.outcome}"`;
  if (line.source !== undefined) text += `,"source":"${line.source}"`;
  if (line.status !== undefined) text += `,"status":${line.status}`;
  if (line.cause !== undefined) text += `,"cause":${JSON.stringify(line.cause)}`;
  return `${text},"duration_ms":${line.durationMs.toFixed(3)},"msg":"request"}\n`;
}
