/**
 * Replies as bytes, in RESP2 and RESP3 (redis.io, "Redis serialization protocol specification"). Each type of RESP3 that
 * RESP2 lacks is written in the older one as Redis 7.0 writes it: a map as an array of keys and values, a double and
 * a verbatim string as a bulk, a boolean as 0 or 1.
 */
import type { Protocol } from '../../core/ports';

const CRLF = Buffer.from('\r\n');

/** The replies that are said again and again. They are shared: nobody writes into one. */
export const REPLY = {
  ok: Buffer.from('+OK\r\n'),
  pong: Buffer.from('+PONG\r\n'),
  queued: Buffer.from('+QUEUED\r\n'),
  zero: Buffer.from(':0\r\n'),
  one: Buffer.from(':1\r\n'),
  emptyArray: Buffer.from('*0\r\n'),
} as const;

const NULL_BULK = Buffer.from('$-1\r\n');
const NULL_ARRAY = Buffer.from('*-1\r\n');
const NULL = Buffer.from('_\r\n');

/** No value. */
export function encodeNull(protocol: Protocol): Buffer {
  return protocol === 2 ? NULL_BULK : NULL;
}

/** No array: of EXEC that did nothing, and of blocking commands that waited for nothing. */
export function encodeNullArray(protocol: Protocol): Buffer {
  return protocol === 2 ? NULL_ARRAY : NULL;
}

/** A status: one line of ASCII. */
export function encodeSimple(text: string): Buffer {
  return Buffer.from(`+${text}\r\n`, 'latin1');
}

/**
 * An error, its code first. Ends of lines become blanks, as Redis has it. `latin1` for text in which each UTF-16 unit is
 * one byte, because it quotes a caller's bytes.
 */
export function encodeError(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): Buffer {
  return Buffer.from(`-${text.replace(/[\r\n]/g, ' ')}\r\n`, encoding);
}

export function encodeInteger(value: number | bigint): Buffer {
  if (value === 0) return REPLY.zero;
  return value === 1 ? REPLY.one : Buffer.from(`:${value}\r\n`, 'latin1');
}

/** A bulk string; text goes as UTF-8. */
export function encodeBulk(value: Buffer | string): Buffer {
  if (typeof value === 'string')
    return Buffer.from(`$${Buffer.byteLength(value, 'utf8')}\r\n${value}\r\n`, 'utf8');
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`, 'latin1'), value, CRLF]);
}

/** What stands in front of so many replies. */
export function encodeArrayHeader(count: number): Buffer {
  return header('*', count);
}

/** What stands in front of so many keys, each with its value. */
export function encodeMapHeader(count: number, protocol: Protocol): Buffer {
  return protocol === 2 ? header('*', 2 * count) : header('%', count);
}

export function encodeSetHeader(count: number, protocol: Protocol): Buffer {
  return header(protocol === 2 ? '*' : '~', count);
}

/** What stands in front of a message that nobody asked for. */
export function encodePushHeader(count: number, protocol: Protocol): Buffer {
  return header(protocol === 2 ? '*' : '>', count);
}

export function encodeDouble(value: number, protocol: Protocol): Buffer {
  const text = Number.isFinite(value)
    ? String(value)
    : Number.isNaN(value)
      ? 'nan'
      : value > 0
        ? 'inf'
        : '-inf';
  return protocol === 2 ? encodeBulk(text) : Buffer.from(`,${text}\r\n`, 'latin1');
}

export function encodeBoolean(value: boolean, protocol: Protocol): Buffer {
  if (protocol === 2) return value ? REPLY.one : REPLY.zero;
  return Buffer.from(value ? '#t\r\n' : '#f\r\n', 'latin1');
}

/** Text for people; `format` is of three letters: `txt`, `mkd`. */
export function encodeVerbatim(text: string, format: string, protocol: Protocol): Buffer {
  if (protocol === 2) return encodeBulk(text);
  return Buffer.from(`=${Buffer.byteLength(text, 'utf8') + 4}\r\n${format}:${text}\r\n`, 'utf8');
}

function header(type: string, count: number): Buffer {
  return Buffer.from(`${type}${count}\r\n`, 'latin1');
}
