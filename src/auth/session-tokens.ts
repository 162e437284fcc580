/**
 * Session tokens: what callers carry from answer to request in `Ringcache-Session`, so that a read on any gateway
 * sees what they wrote on another (C2). The text is base64url of
 *
 *      1 byte    1 byte   22 bytes for each of at most 32 positions     16 bytes
 *     ┌─────────┬────────┬────────────────────────────────────────────┬──────────┐
 *     │ version │ flags  │ shard 6 │ lineage 8 │ offset 8, big endian  │ MAC      │
 *     └─────────┴────────┴────────────────────────────────────────────┴──────────┘
 *
 * Bit 0 of the flags: the session is overflowing. The MAC is HMAC-SHA-256 over all that stands before it, its first
 * 16 bytes. Nothing in it is secret; the MAC is there because a reader acts on it: made-up positions would send every
 * read to the master.
 */
import { createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto';
import { CacheError } from '../core/errors';
import { POSITIONS_MAX, Session, type Position } from '../core/session';

/** 963 characters at most. */
export const SESSION_TOKEN_CHARS_MAX = 1024;

const VERSION = 1;
const OVERFLOWING = 1;
const HEAD_BYTES = 2;
const SHARD_BYTES = 6;
const LINEAGE_BYTES = 8;
/** All that a number of JavaScript can count: an offset of six bytes would end after a year at 9 MB/s. */
const OFFSET_BYTES = 8;
const POSITION_BYTES = SHARD_BYTES + LINEAGE_BYTES + OFFSET_BYTES;
const MAC_BYTES = 16;

/** Sets the key apart from the one that signs bearer tokens with the same secret. */
const KEY_PURPOSE = 'ringcache session token';

export interface SessionTokenOptions {
  /** At least 32 bytes of UTF-8, the same on every gateway of a deployment. */
  readonly secret: string;
  /** Opens tokens and seals none, while a change of secret is under way. */
  readonly previousSecret: string | undefined;
}

export interface SessionTokens {
  /** Under the current secret, at most 1 KiB of base64url; for the empty session too it is not empty. */
  seal(session: Session): string;
  /**
   * What `seal` was given, here or on another gateway; the empty session for an empty text.
   * @throws CacheError `bad_request` for everything else, with nothing of the text in it
   */
  open(text: string): Session;
}

export function createSessionTokens({ secret, previousSecret }: SessionTokenOptions): SessionTokens {
  const key = keyOf(secret);
  const keys = previousSecret === undefined ? [key] : [key, keyOf(previousSecret)];
  return {
    seal(session) {
      const record = encode(session);
      return Buffer.concat([record, macOf(record, key)]).toString('base64url');
    },
    open(text) {
      if (text === '') return Session.empty;
      if (text.length > SESSION_TOKEN_CHARS_MAX) throw refusal();
      const bytes = Buffer.from(text, 'base64url');
      // Node decodes many spellings of the same bytes: only ours counts.
      if (bytes.toString('base64url') !== text || bytes.length < HEAD_BYTES + MAC_BYTES) throw refusal();
      const record = bytes.subarray(0, -MAC_BYTES);
      const mac = bytes.subarray(-MAC_BYTES);
      if (!keys.some((candidate) => timingSafeEqual(macOf(record, candidate), mac))) throw refusal();
      return decode(record);
    },
  };
}

function keyOf(secret: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', KEY_PURPOSE, 32)));
}

function macOf(record: Buffer, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(record).digest().subarray(0, MAC_BYTES);
}

function encode({ positions, isOverflowing }: Session): Buffer {
  const record = Buffer.alloc(HEAD_BYTES + positions.length * POSITION_BYTES);
  record[0] = VERSION;
  record[1] = isOverflowing ? OVERFLOWING : 0;
  positions.forEach(({ shard, lineage, offset }, index) => {
    const at = HEAD_BYTES + index * POSITION_BYTES;
    record.write(shard, at, SHARD_BYTES, 'hex');
    record.write(lineage, at + SHARD_BYTES, LINEAGE_BYTES, 'hex');
    record.writeBigUInt64BE(BigInt(offset), at + SHARD_BYTES + LINEAGE_BYTES);
  });
  return record;
}

/** Of a record that one of us has made, so only its version and its form are in question. */
function decode(record: Buffer): Session {
  const [version, flags] = record;
  const count = (record.length - HEAD_BYTES) / POSITION_BYTES;
  if (version !== VERSION || !Number.isInteger(count) || count > POSITIONS_MAX) throw refusal();
  const positions = Array.from({ length: count }, (_, index): Position => {
    const at = HEAD_BYTES + index * POSITION_BYTES;
    const lineageAt = at + SHARD_BYTES;
    const offsetAt = lineageAt + LINEAGE_BYTES;
    return {
      shard: record.toString('hex', at, lineageAt),
      lineage: record.toString('hex', lineageAt, offsetAt),
      offset: Number(record.readBigUInt64BE(offsetAt)),
    };
  });
  return new Session(positions, flags === OVERFLOWING);
}

/** The same for every fault. */
function refusal(): CacheError {
  return new CacheError(
    'bad_request',
    'Ringcache-Session is not a session of this service: send it empty to begin anew.',
  );
}
