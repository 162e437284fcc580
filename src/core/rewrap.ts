/**
 * Rotation of encryption keys: every record that is sealed under another key than the keyring's first is encrypted
 * again under the first. Afterwards a retired key, under which no record is left, can be dropped.
 *
 * It runs beside gateways at work. The race with a writer, for one key:
 *
 *   1  rewrap reads the record r1, sealed under the old key
 *   2  a client writes r2, or deletes the key, or it expires
 *   3  rewrap puts r1' (r1 under the new key): without a comparison it would undo 2
 *
 * so 3 is a write that expects r1, and puts r1' in place of nothing else. When it refuses, the key is looked at again
 * from 1: r2 may come from a gateway that still seals with the old key. Nothing is remembered between runs: a record
 * under the first key is done, which makes stopping and starting again safe at any point.
 */
import type { Clock } from '../lib/clock';
import type { Key } from './command';
import { CacheError } from './errors';
import type { Cipher, Engine } from './ports';
import { decodeValue, encodeValue, sealedKeyId } from './value';

/** Keys worked on at once: enough to hide the way to Redis and back, few enough to leave room for the gateways. */
const IN_FLIGHT_MAX = 32;

/** How often one record is tried while somebody else keeps writing it. */
const ATTEMPTS_MAX = 5;

/** Deadline of one attempt, a read and a replace together. */
const ATTEMPT_TIMEOUT_MS = 5000;

/**
 * Ids that are counted one by one. Records that name more than these are not of any keyring a person made; they are
 * counted together, so that a store full of forged ids cannot fill the memory.
 */
const KEY_IDS_MAX = 100;
const OTHER_KEY_IDS = '(others)';

/** What lies under one key id. */
interface KeyUse {
  records: number;
  /** Of these, the ones that do not decrypt. They were not touched. */
  unreadable: number;
}

/** What was found and done so far. A key that `Engine.scan` gives twice is counted twice. */
export interface RewrapReport {
  /** The id of the key that seals. */
  readonly currentKeyId: string;
  /** Keys looked at. */
  readonly scanned: number;
  /** Records encrypted again under the first key. */
  readonly rewrapped: number;
  /** Keys with nothing sealed under them: plain values, which stay plain, and what no key could open. */
  readonly plain: number;
  /** Records that do not decrypt: altered, moved here from another cache key, or their key is not on the ring. */
  readonly unreadable: number;
  /** Records that somebody else wrote, under an old key, between each of our reads and its replace. */
  readonly contended: number;
  /** Keys with more bytes than this configuration lets a value have: not looked into. */
  readonly tooLarge: number;
  /** Keys whose node gave no answer in time, or refused. */
  readonly failed: number;
  /** Records left under each key id that was met, the sealing one included; 0 when all of them were rewrapped. */
  readonly byKeyId: ReadonlyMap<string, Readonly<KeyUse>>;
  /** False: stopped before the end. */
  readonly complete: boolean;
}

class Tally implements RewrapReport {
  scanned = 0;
  rewrapped = 0;
  plain = 0;
  unreadable = 0;
  contended = 0;
  tooLarge = 0;
  failed = 0;
  readonly byKeyId = new Map<string, KeyUse>();
  complete = false;

  constructor(readonly currentKeyId: string) {
    this.under(currentKeyId);
  }

  /** The figures of one key id, from 0 when it is new. */
  under(keyId: string): KeyUse {
    const known = this.byKeyId.get(keyId);
    if (known !== undefined) return known;
    if (this.byKeyId.size >= KEY_IDS_MAX && keyId !== OTHER_KEY_IDS) return this.under(OTHER_KEY_IDS);
    const use = { records: 0, unreadable: 0 };
    this.byKeyId.set(keyId, use);
    return use;
  }
}

interface RewrapDeps {
  readonly engine: Engine;
  readonly cipher: Cipher;
  readonly clock: Clock;
  /** Called after each page of the walk with the figures so far: one object, which goes on changing. */
  onProgress(report: RewrapReport): void;
  /** Asked before each key; true ends the run when what is in flight has ended. */
  stopped(): boolean;
}

/** Walks all keys once. Rejects only when the walk itself fails; what fails for one key is in the report. */
export async function rewrapAll(deps: RewrapDeps): Promise<RewrapReport> {
  const tally = new Tally(deps.cipher.currentKeyId);
  for await (const page of deps.engine.scan()) {
    // All workers draw from one iterator, so each key is taken once.
    const keys = page.values();
    const worker = async (): Promise<void> => {
      for (const key of keys) {
        if (deps.stopped()) return;
        await rewrapKey(deps, key, tally);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, worker));
    deps.onProgress(tally);
    if (deps.stopped()) return tally;
  }
  tally.complete = true;
  return tally;
}

async function rewrapKey(deps: RewrapDeps, key: Key, tally: Tally): Promise<void> {
  tally.scanned++;
  try {
    await tryRewrap(deps, key, tally);
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    // Something that is not a string lies there, a Redis list perhaps: not ours, and nothing a key has sealed.
    if (error.code === 'corrupt_value') tally.plain++;
    else if (error.code === 'too_large') tally.tooLarge++;
    else tally.failed++;
  }
}

async function tryRewrap(deps: RewrapDeps, key: Key, tally: Tally): Promise<void> {
  const { engine, cipher, clock } = deps;
  for (let attempt = 1; ; attempt++) {
    const deadlineMs = clock.now() + ATTEMPT_TIMEOUT_MS;
    const found = await engine.read(key, { consistency: 'strong', withLife: false, deadlineMs });
    if (found === undefined) return;

    const keyId = sealedKeyId(found.bytes, cipher);
    if (keyId === undefined) {
      tally.plain++;
      return;
    }
    const use = tally.under(keyId);
    if (keyId === cipher.currentKeyId) {
      use.records++;
      return;
    }
    const next = rewrapped(key, found.bytes, cipher);
    if (next === undefined) {
      tally.unreadable++;
      use.unreadable++;
      use.records++;
      return;
    }
    // Left under its key until the replace has said otherwise: after a timeout nobody knows.
    use.records++;
    const condition = { expected: found.bytes };
    const { done: replaced } = await engine.write(key, next, {
      ttlMs: 'keep',
      condition,
      ack: 0,
      deadlineMs,
    });
    if (!replaced && attempt === ATTEMPTS_MAX) {
      tally.contended++;
      return;
    }
    use.records--;
    if (replaced) {
      tally.rewrapped++;
      tally.under(cipher.currentKeyId).records++;
      return;
    }
  }
}

/** The same value under the first key; undefined when it does not decrypt. */
function rewrapped(key: Key, stored: Buffer, cipher: Cipher): Buffer | undefined {
  try {
    return encodeValue(key, decodeValue(key, stored, cipher), cipher);
  } catch (error) {
    if (error instanceof CacheError && error.code === 'corrupt_value') return undefined;
    throw error;
  }
}

/** The report in lines for people: what was done, what is left under each key, and what may be concluded. */
export function formatRewrapReport(report: RewrapReport): string[] {
  const lines = [
    `keys looked at: ${report.scanned}`,
    `re-encrypted under ${report.currentKeyId}: ${report.rewrapped}`,
    `not encrypted, left so: ${report.plain}`,
  ];
  for (const [keyId, { records, unreadable }] of report.byKeyId) {
    const role = keyId === report.currentKeyId ? 'the first key' : 'not the first key';
    lines.push(`under ${keyId} (${role}): ${records}${unreadable > 0 ? `, unreadable: ${unreadable}` : ''}`);
  }
  if (report.unreadable > 0) {
    lines.push('Unreadable records were left as they are: altered, moved, or their key is not configured.');
  }
  if (report.contended > 0) lines.push(`Written by others all the while, run again: ${report.contended}`);
  if (report.failed > 0) lines.push(`Their node did not answer or refused, run again: ${report.failed}`);
  if (report.tooLarge > 0) {
    lines.push(
      `Longer than VALUE_BYTES_MAX allows, not looked into: ${report.tooLarge}. Raise it and run again.`,
    );
  }
  if (!report.complete) lines.push('Stopped before the end. Run again to go on; what is done is skipped.');
  if (report.complete && report.contended + report.failed + report.tooLarge === 0) {
    lines.push(
      'A key with 0 records, or not listed here, can be dropped from ENCRYPTION_KEYS once no gateway seals with it.',
      'A gateway that was started with another first key still does: restart it, then run this again.',
    );
  }
  return lines;
}
