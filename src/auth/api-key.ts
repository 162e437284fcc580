/**
 * The form of the API keys that ringcache gives out, `rck_<id>_<secret>_<checksum>`, all in lower-case hex:
 *
 *     rck _ 16 digits _ 64 digits _ 8 digits
 *           |           |           first 32 bits of SHA-256 over everything before the last "_"
 *           |           256 random bits; only their keyed hash is ever stored
 *           64 random bits, the client's id; no secret, it stands in tokens and logs
 *
 * The prefix lets scanners of source code find leaked keys; the checksum tells a typing slip from a wrong key
 * before anything is looked up. Hex, so that a double click selects the whole key.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';

const API_KEY = /^(rck_([0-9a-f]{16})_([0-9a-f]{64}))_([0-9a-f]{8})$/;

export interface ApiKey {
  readonly clientId: string;
  readonly secret: string;
}

/** A fresh key, and the same as text for its owner. */
export function createApiKey(): ApiKey & { readonly text: string } {
  const clientId = randomBytes(8).toString('hex');
  const secret = randomBytes(32).toString('hex');
  const body = `rck_${clientId}_${secret}`;
  return { clientId, secret, text: `${body}_${checksumOf(body)}` };
}

/** The parts of a key, or undefined when the text has not the form of one or was mistyped. */
export function parseApiKey(text: string): ApiKey | undefined {
  const [, body, clientId, secret, checksum] = API_KEY.exec(text) ?? [];
  if (body === undefined || clientId === undefined || secret === undefined) return undefined;
  return checksum === checksumOf(body) ? { clientId, secret } : undefined;
}

/**
 * What is stored instead of the secret. A plain keyed hash is enough, and a slow one would only make logins a
 * target: 256 random bits cannot be guessed at any speed.
 */
export function hashSecret(secret: string, hashKey: string): Buffer {
  return createHmac('sha256', hashKey).update(secret).digest();
}

function checksumOf(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 8);
}
