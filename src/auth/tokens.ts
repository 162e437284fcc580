/**
 * Bearer tokens: JSON Web Tokens that this service issues to itself, held to RFC 8725.
 *
 * Nobody else issues them, so nothing is left to interpretation: the header must be, byte for byte, one of the at
 * most two that we write ourselves, and the payload exactly what we would write for its claims. That leaves no room
 * for other algorithms, keys named by the token (`jku`, `jwk`, `x5u`), `crit`, `zip`, duplicated claims or second
 * spellings of one token. jsonwebtoken does the signature, the times, issuer and audience.
 */
import { createHmac, createSecretKey, randomUUID, type KeyObject } from 'node:crypto';
import { sign, verify } from 'jsonwebtoken';
import { CacheError } from '../core/errors';
import type { Scope } from '../core/grants';
import type { Clock } from '../lib/clock';
import { isScope } from './clients-file';

/** Ours are below 400 characters. Whatever is longer is refused before it costs anything. */
export const TOKEN_CHARS_MAX = 4096;

/** How far the clocks of two gateways may be apart. */
export const LEEWAY_SECONDS = 5;

const ISSUER = 'ringcache';
const AUDIENCE = 'ringcache';
const ALGORITHM = 'HS256';

/**
 * All claims of a token, and no others: a claim that a newer gateway adds to narrow a token must not be ignored by
 * an older one.
 */
const CLAIMS: readonly string[] = ['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp', 'scope'];

export interface TokenOptions {
  /** At least 32 bytes of UTF-8. */
  readonly secret: string;
  /** Verifies only, while a change of secret is under way. */
  readonly previousSecret: string | undefined;
  readonly ttlSeconds: number;
}

/** What a token says, verified. Whether its client still exists is not its business. */
export interface TokenClaims {
  readonly tokenId: string;
  readonly clientId: string;
  readonly scopes: readonly Scope[];
  /** Wall time at which the token is refused; the leeway is in it. */
  readonly refusedAtMs: number;
}

/** Why a token was refused; never a part of the token. */
export type RefusalReason =
  | 'length'
  | 'header'
  | 'claims'
  | 'signature or time'
  | 'revoked'
  | 'unknown or expired client'
  | 'another client';

/** The one refusal of every bad token: only the log hears what was wrong with it, an answer never does. */
export function tokenRefusal(reason: RefusalReason): CacheError {
  return new CacheError('unauthenticated', 'The bearer token is not valid.', { cause: `token: ${reason}` });
}

export class Tokens {
  readonly #ttlSeconds: number;
  readonly #clock: Clock;
  readonly #key: KeyObject;
  readonly #keyId: string;
  readonly #keysByHeader: ReadonlyMap<string, KeyObject>;

  constructor(options: TokenOptions, clock: Clock) {
    this.#ttlSeconds = options.ttlSeconds;
    this.#clock = clock;
    this.#key = createSecretKey(options.secret, 'utf8');
    this.#keyId = keyIdOf(this.#key);
    const previous =
      options.previousSecret === undefined ? [] : [createSecretKey(options.previousSecret, 'utf8')];
    this.#keysByHeader = new Map([...previous, this.#key].map((key) => [headerOf(key), key]));
  }

  /** A fresh token of the full life, signed with the current secret. */
  issue(clientId: string, scopes: readonly Scope[]): string {
    const nowSeconds = Math.floor(this.#clock.wallMs() / 1000);
    const claims = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: clientId,
      jti: randomUUID(),
      iat: nowSeconds,
      nbf: nowSeconds,
      exp: nowSeconds + this.#ttlSeconds,
      scope: scopes.join(' '),
    };
    return sign(claims, this.#key, { algorithm: ALGORITHM, keyid: this.#keyId });
  }

  /** @throws CacheError `unauthenticated`, the same for every fault. */
  verify(token: string): TokenClaims {
    if (token.length > TOKEN_CHARS_MAX) throw tokenRefusal('length');
    const [header, payloadText] = token.split('.', 2);
    const key = header === undefined ? undefined : this.#keysByHeader.get(header);
    if (key === undefined || payloadText === undefined) throw tokenRefusal('header');
    return this.#parseClaims(this.#verifySignature(token, key), payloadText);
  }

  #verifySignature(token: string, key: KeyObject): unknown {
    try {
      return verify(token, key, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: AUDIENCE,
        clockTimestamp: this.#clock.wallMs() / 1000,
        clockTolerance: LEEWAY_SECONDS,
      });
    } catch {
      // Without the library's error: a parser's message quotes the token.
      throw tokenRefusal('signature or time');
    }
  }

  /** What jsonwebtoken leaves open: the claims' presence and types, and the text they stand in. */
  #parseClaims(payload: unknown, payloadText: string): TokenClaims {
    if (typeof payload !== 'object' || payload === null) throw tokenRefusal('claims');
    // JSON.parse keeps the last of two equal names and Node decodes many spellings of base64: only ours counts.
    if (Buffer.from(JSON.stringify(payload)).toString('base64url') !== payloadText)
      throw tokenRefusal('claims');
    const claims: Readonly<Record<string, unknown>> = { ...payload };
    if (!Object.keys(claims).every((name) => CLAIMS.includes(name))) throw tokenRefusal('claims');
    const { aud, sub, jti, iat, nbf, exp, scope } = claims;
    if (
      aud !== AUDIENCE ||
      !isText(sub) ||
      !isText(jti) ||
      !isWholeNumber(iat) ||
      !isWholeNumber(nbf) ||
      !isWholeNumber(exp) ||
      typeof scope !== 'string'
    ) {
      throw tokenRefusal('claims');
    }
    const nowSeconds = this.#clock.wallMs() / 1000;
    const isFromTheFuture = iat > nowSeconds + LEEWAY_SECONDS;
    // Also ends tokens from before JWT_TTL_SECONDS was lowered.
    const livesTooLong = exp - iat > this.#ttlSeconds + LEEWAY_SECONDS;
    if (isFromTheFuture || livesTooLong) throw tokenRefusal('claims');
    return {
      tokenId: jti,
      clientId: sub,
      scopes: scope.split(' ').filter(isScope),
      refusedAtMs: (exp + LEEWAY_SECONDS) * 1000,
    };
  }
}

/**
 * The key's name, derived from it rather than counted: a secret keeps its name when it moves from JWT_SECRET to
 * JWT_SECRET_PREVIOUS. It tells no more about the secret than any signature does.
 */
function keyIdOf(key: KeyObject): string {
  return createHmac('sha256', key).update('ringcache token key id').digest('hex').slice(0, 8);
}

/** The header segment of every token signed with the key, as jsonwebtoken spells it. */
function headerOf(key: KeyObject): string {
  return Buffer.from(JSON.stringify({ alg: ALGORITHM, typ: 'JWT', kid: keyIdOf(key) })).toString('base64url');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isWholeNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
