/**
 * The one client that the setting API_KEY makes: all scopes, every key, no entry in any file.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { SCOPES } from '../core/grants';
import type { Client } from './clients';
import type { TokenOptions } from './tokens';

/** Longer keys are not even hashed; it is also the longest API_KEY that can log in. */
export const API_KEY_CHARS_MAX = 4096;

export class SettingClient {
  readonly client: Client;
  readonly #ids: ReadonlySet<string>;
  readonly #compareKey = randomBytes(32);
  readonly #digest: Buffer;

  constructor(apiKey: string, { secret, previousSecret }: Pick<TokenOptions, 'secret' | 'previousSecret'>) {
    const id = idOf(apiKey, secret);
    this.client = { id, name: 'api-key', scopes: SCOPES, prefixes: [], expiresAtMs: Infinity };
    this.#ids = new Set(previousSecret === undefined ? [id] : [id, idOf(apiKey, previousSecret)]);
    this.#digest = this.#digestOf(apiKey);
  }

  /** Whether a token's client id is this client's, also in a token from before the secret was changed. */
  hasId(clientId: string): boolean {
    return this.#ids.has(clientId);
  }

  /** In a time that tells nothing about the key. */
  hasKey(apiKey: string): boolean {
    return timingSafeEqual(this.#digestOf(apiKey), this.#digest);
  }

  #digestOf(apiKey: string): Buffer {
    return createHmac('sha256', this.#compareKey).update(apiKey).digest();
  }
}

/**
 * Another key is another client, so a changed API_KEY ends the tokens of the old one. Hashed under the token secret:
 * the id stands in tokens and logs and must be no means to try guesses of the key.
 */
function idOf(apiKey: string, secret: string): string {
  const digest = createHmac('sha256', secret).update(`ringcache client of API_KEY\n${apiKey}`).digest('hex');
  return `api-key-${digest.slice(0, 8)}`;
}
