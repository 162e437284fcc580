/**
 * Who is asking: turns API keys into tokens and tokens into principals. The doors see nothing else of this folder.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { CacheError } from '../core/errors';
import { Grants, type Principal } from '../core/grants';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { ownText } from '../lib/own-memory';
import { parseApiKey, type ApiKey } from './api-key';
import { openClients, type Client, type Clients } from './clients';
import { causeOfRefusal, LoginThrottle, type SharedThrottle } from './login-throttle';
import { API_KEY_CHARS_MAX, SettingClient } from './setting-client';
import { TOKEN_CHARS_MAX, tokenRefusal, Tokens, type TokenOptions } from './tokens';

/** Verifications remembered; at about 1 KiB each. */
const REMEMBERED_MAX = 10_000;

export interface AccessOptions {
  readonly tokens: TokenOptions;
  /** One client with all rights; undefined: there is none. */
  readonly apiKey: string | undefined;
  readonly clientsFile: string;
  /** The other workers, which hear of failed logins; undefined: there are none. */
  readonly shared?: SharedThrottle | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Login {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  /** Scopes divided by spaces. */
  readonly scope: string;
  /** The name of who logged in. */
  readonly client: string;
}

export interface Access {
  /**
   * A token for the holder of an API key. `address` is the caller's, as the socket names it.
   * @throws CacheError `unauthenticated`; `throttled` with `retryAfterSeconds` after repeated failures. The cause of
   * both is text for the log.
   */
  login(apiKey: string, address: string): Login;
  /**
   * The principal of a bearer token, with the rights that token and client have in common now. On every request's
   * path: a token seen before costs one look-up.
   * @throws CacheError `unauthenticated`, the same for every fault but for its cause, text for the log.
   */
  verify(token: string): Principal;
  /**
   * For a connection that shows what it has once: an API key or a bearer token, and the name of the client that it is
   * for, if the caller says one (`default`: any). `address` as for `login`, whose throttle counts these too.
   * @throws CacheError `unauthenticated`, `throttled`
   */
  admit(secret: string, address: string, name?: string): Credential;
  close(): void;
}

/** What a connection was let in with. */
export interface Credential {
  /** Until when it is good whatever happens, on the wall clock; Infinity: until it is revoked. */
  readonly expiresAtMs: number;
  /** On every command's path. @throws CacheError `unauthenticated` when it was revoked or has expired */
  principal(): Principal;
}

/** @throws CacheError `internal` when the clients file exists and cannot be understood. */
export async function openAccess(options: AccessOptions): Promise<Access> {
  const clients = await openClients({ file: options.clientsFile, clock: options.clock, log: options.log });
  return new GuardedAccess(options, clients);
}

/** What begins as each of our tokens does; an API key that looks like one can log in, and show its token instead. */
const TOKEN_SHAPE = /^eyJ[^.]*\.[^.]*\.[^.]*$/;

interface Verified {
  readonly principal: Principal;
  readonly generation: number;
  /** Wall time; a token is refused at the same instant whether it is remembered or not. */
  readonly refusedAtMs: number;
}

class GuardedAccess implements Access {
  readonly #clock: Clock;
  readonly #clients: Clients;
  readonly #tokens: Tokens;
  readonly #ttlSeconds: number;
  readonly #settingClient: SettingClient | undefined;
  readonly #throttle: LoginThrottle;
  /** Good tokens only: the bad ones are endless. */
  readonly #remembered = new LRUCache<string, Verified>({ max: REMEMBERED_MAX });
  /** The one that was asked for last: callers come with one token, or with one after the other. */
  #latest: { readonly token: string; readonly verified: Verified } | undefined;
  /** Stands in for the hash of a client that does not exist, so that an unknown id costs the same work. */
  readonly #nobodysHash = randomBytes(32);

  constructor(options: AccessOptions, clients: Clients) {
    this.#clock = options.clock;
    this.#clients = clients;
    this.#tokens = new Tokens(options.tokens, options.clock);
    this.#ttlSeconds = options.tokens.ttlSeconds;
    this.#settingClient =
      options.apiKey === undefined ? undefined : new SettingClient(options.apiKey, options.tokens);
    this.#throttle = new LoginThrottle(options.clock, options.shared);
  }

  login(apiKey: string, address: string): Login {
    return this.#admit(this.#clientBehind(apiKey, address));
  }

  admit(secret: string, address: string, name?: string): Credential {
    return TOKEN_SHAPE.test(secret) ? this.#admitToken(secret, name) : this.#admitKey(secret, address, name);
  }

  /** @throws CacheError as `login` */
  #clientBehind(apiKey: string, address: string, name?: string): Client {
    // Synchronous to the end: no number of logins at the same time gets past the count of failures.
    const presented = apiKey.length > API_KEY_CHARS_MAX ? '' : apiKey;
    const key = parseApiKey(presented);
    const found = key === undefined ? 'unknown key' : this.#clientOfKey(key);
    if (typeof found !== 'string' && isCalled(found, name)) return found;
    this.#throttle.checkAddress(address, key?.clientId);
    if (this.#settingClient?.hasKey(presented) === true && isCalled(this.#settingClient.client, name)) {
      this.#throttle.forgive(address);
      return this.#settingClient.client;
    }
    this.#throttle.recordFailure(address, key?.clientId);
    const reason = typeof found === 'string' ? found : 'another client';
    throw keyRefusal(causeOfRefusal(reason, key?.clientId));
  }

  verify(token: string): Principal {
    if (token === this.#latest?.token && this.#isGood(this.#latest.verified)) {
      return this.#latest.verified.principal;
    }
    // Before the look-up, which hashes the whole token.
    if (token.length > TOKEN_CHARS_MAX) throw tokenRefusal('length');
    let verified = this.#remembered.get(token);
    if (verified === undefined || !this.#isGood(verified)) {
      this.#remembered.delete(token);
      verified = this.#verifyAnew(token);
      // As it came it may be a window into a whole head of up to 4 KiB.
      this.#remembered.set(ownText(token), verified);
    }
    this.#latest = { token, verified };
    return verified.principal;
  }

  #isGood({ generation, refusedAtMs }: Verified): boolean {
    return generation === this.#clients.generation && this.#clock.wallMs() < refusedAtMs;
  }

  close(): void {
    this.#clients.close();
  }

  #admitToken(token: string, name: string | undefined): Credential {
    const principal = (): Principal => this.verify(token);
    if (!isCalled(principal(), name)) throw tokenRefusal('another client');
    return { principal, expiresAtMs: this.#verifyAnew(token).refusedAtMs };
  }

  #admitKey(apiKey: string, address: string, name: string | undefined): Credential {
    const client = this.#clientBehind(apiKey, address, name);
    const key = parseApiKey(apiKey);
    const clientNow = (): Client | string =>
      key === undefined || client === this.#settingClient?.client ? client : this.#clientOfKey(key);
    // As the clients file had it when it was looked at last.
    let { expiresAtMs } = client;
    let principal = principalOf(client);
    let { generation } = this.#clients;
    return {
      get expiresAtMs() {
        return expiresAtMs;
      },
      principal: () => {
        if (generation !== this.#clients.generation || this.#clock.wallMs() >= expiresAtMs) {
          const now = clientNow();
          if (typeof now === 'string') throw keyRefusal(causeOfRefusal(now, key?.clientId));
          ({ expiresAtMs } = now);
          principal = principalOf(now);
          ({ generation } = this.#clients);
        }
        return principal;
      },
    };
  }

  #verifyAnew(token: string): Verified {
    const claims = this.#tokens.verify(token);
    if (this.#clients.isRevoked(claims.tokenId)) throw tokenRefusal('revoked');
    const client = this.#clientOfId(claims.clientId);
    if (client === undefined) throw tokenRefusal('unknown or expired client');
    // Rights are the client's of today, never more than the token was issued with.
    const scopes = claims.scopes.filter((scope) => client.scopes.includes(scope));
    return {
      principal: principalOf({ ...client, scopes }),
      generation: this.#clients.generation,
      refusedAtMs: Math.min(claims.refusedAtMs, client.expiresAtMs),
    };
  }

  #admit({ id, name, scopes }: Client): Login {
    return {
      accessToken: this.#tokens.issue(id, scopes),
      expiresInSeconds: this.#ttlSeconds,
      scope: scopes.join(' '),
      client: name,
    };
  }

  /** The named client that the key is right for, or why there is none. */
  #clientOfKey({ clientId, secret }: ApiKey): Client | 'unknown client' | 'wrong secret' | 'expired client' {
    const expected = this.#clients.secretHashOf(clientId);
    const isRight = timingSafeEqual(this.#clients.hash(secret), expected ?? this.#nobodysHash);
    if (expected === undefined) return 'unknown client';
    return isRight ? (this.#clientOfId(clientId) ?? 'expired client') : 'wrong secret';
  }

  #clientOfId(clientId: string): Client | undefined {
    if (this.#settingClient?.hasId(clientId) === true) return this.#settingClient.client;
    const client = this.#clients.get(clientId);
    return client !== undefined && this.#clock.wallMs() < client.expiresAtMs ? client : undefined;
  }
}

function principalOf({ id, name, scopes, prefixes }: Client): Principal {
  return { id, name, grants: new Grants(scopes, prefixes) };
}

/** `default` is what clients say that know no names. */
function isCalled(who: Pick<Client, 'name'>, name: string | undefined): boolean {
  return name === undefined || name === 'default' || name === who.name;
}

/** The one refusal of every API key: only the log hears what was wrong with it. */
function keyRefusal(cause: string): CacheError {
  return new CacheError('unauthenticated', 'The API key is not valid.', { cause });
}
