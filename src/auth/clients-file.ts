/**
 * The clients file: who may log in, and which tokens are revoked. One JSON object, written by `client-command.ts`,
 * followed by every gateway (`clients.ts`). It is read strictly: a right that is misspelt must be a fault, since
 * half-understood rights are wrong rights.
 *
 *     { "version": 1, "hash_key": "<64 hex>",
 *       "clients": [{ "id", "name", "hash", "scopes", "prefixes", "created", "expires" }],
 *       "revoked_tokens": [{ "jti", "exp" }] }
 */
import { randomBytes } from 'node:crypto';
import { CacheError } from '../core/errors';
import { SCOPES, type Scope } from '../core/grants';

/** Bounds what a gateway reads into memory; room for tens of thousands of clients. */
export const CLIENTS_FILE_BYTES_MAX = 16 * 1024 * 1024;

export interface ClientRecord {
  /** 16 hex digits, never given out twice: a name that is added again gets a new id, so its old tokens stay dead. */
  readonly id: string;
  readonly name: string;
  /** HMAC-SHA-256 of the key's secret under the file's `hash_key`, in hex. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  /** Text whose UTF-8 begins every key the client may touch; none: every key. */
  readonly prefixes: readonly string[];
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly expires: string | null;
}

export interface RevokedToken {
  readonly jti: string;
  /** Seconds since 1970 at which the token expires by itself, and this entry may be dropped. */
  readonly exp: number;
}

export interface ClientsFile {
  readonly version: 1;
  /** Key of the secrets' hashes, of its own, so that they survive a change of JWT_SECRET. */
  readonly hash_key: string;
  readonly clients: readonly ClientRecord[];
  readonly revoked_tokens: readonly RevokedToken[];
}

const HEX_64_BITS = /^[0-9a-f]{16}$/;
const HEX_256_BITS = /^[0-9a-f]{64}$/;
/** `api-key` is taken: so the log calls the client of the setting API_KEY. */
const CLIENT_NAME = /^(?!api-key$)[A-Za-z0-9._-]{1,64}$/;
export const CLIENT_NAME_FORM = '1 to 64 of A-Z a-z 0-9 . _ -, and not api-key';
/** A UUID, as `tokens.ts` gives them out: a client's name that is taken for a token id must be noticed. */
const TOKEN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isClientName(text: string): boolean {
  return CLIENT_NAME.test(text);
}

export function isTokenId(text: string): boolean {
  return TOKEN_ID.test(text);
}

export function isScope(word: unknown): word is Scope {
  return SCOPES.some((scope) => scope === word);
}

/** Empty is no prefix: it would grant every key where somebody meant to narrow. A lone surrogate has no UTF-8. */
export function isPrefix(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed();
}

/** A file with nobody in it and a hash key of its own. */
export function createClientsFile(): ClientsFile {
  return { version: 1, hash_key: randomBytes(32).toString('hex'), clients: [], revoked_tokens: [] };
}

/**
 * The bytes of a clients file, parsed and checked.
 * @throws CacheError `internal`; the message names the place that is wrong and quotes nothing from the file.
 */
export function parseClientsFile(bytes: Uint8Array): ClientsFile {
  const file = fieldsOf(parseJson(bytes), 'the file', ['version', 'hash_key', 'clients', 'revoked_tokens']);
  check(file.version === 1, 'version', '1');
  const clients = arrayOf(file.clients, 'clients', parseClient);
  const ids = new Set(clients.map((client) => client.id));
  check(ids.size === clients.length, 'clients', 'a list without a repeated id');
  const names = new Set(clients.map((client) => client.name));
  check(names.size === clients.length, 'clients', 'a list without a repeated name');
  return {
    version: 1,
    hash_key: textOf(file.hash_key, 'hash_key', HEX_256_BITS, '64 hex digits'),
    clients,
    revoked_tokens: arrayOf(file.revoked_tokens, 'revoked_tokens', parseRevokedToken),
  };
}

function parseClient(value: unknown, path: string): ClientRecord {
  const fields = ['id', 'name', 'hash', 'scopes', 'prefixes', 'created', 'expires'];
  const client = fieldsOf(value, path, fields);
  return {
    id: textOf(client.id, `${path}.id`, HEX_64_BITS, '16 hex digits'),
    name: textOf(client.name, `${path}.name`, CLIENT_NAME, CLIENT_NAME_FORM),
    hash: textOf(client.hash, `${path}.hash`, HEX_256_BITS, '64 hex digits'),
    scopes: arrayOf(client.scopes, `${path}.scopes`, (scope, at) => {
      check(isScope(scope), at, `one of ${SCOPES.join(', ')}`);
      return scope;
    }),
    prefixes: arrayOf(client.prefixes, `${path}.prefixes`, (prefix, at) => {
      check(isPrefix(prefix), at, 'text of at least one character');
      return prefix;
    }),
    created: timeOf(client.created, `${path}.created`),
    expires: client.expires === null ? null : timeOf(client.expires, `${path}.expires`),
  };
}

function parseRevokedToken(value: unknown, path: string): RevokedToken {
  const token = fieldsOf(value, path, ['jti', 'exp']);
  const exp = token.exp;
  check(typeof exp === 'number' && Number.isSafeInteger(exp), `${path}.exp`, 'whole seconds since 1970');
  return { jti: textOf(token.jti, `${path}.jti`, TOKEN_ID, 'a UUID'), exp };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    // Fatal: a byte that is no UTF-8 must not quietly turn a prefix into another one.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Without the cause: the parser's message quotes the text around the fault, hashes and all.
    throw faultAt('the file', 'JSON in UTF-8');
  }
}

function fieldsOf(value: unknown, path: string, names: readonly string[]): Record<string, unknown> {
  check(typeof value === 'object' && value !== null && !Array.isArray(value), path, 'an object');
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of names) check(fields.has(name), path, `an object with the field ${name}`);
  check(fields.size === names.length, path, `an object with no fields but ${names.join(', ')}`);
  return Object.fromEntries(fields);
}

function arrayOf<Item>(
  value: unknown,
  path: string,
  parse: (item: unknown, path: string) => Item,
): readonly Item[] {
  check(Array.isArray(value), path, 'a list');
  return value.map((item: unknown, index) => parse(item, `${path}[${index}]`));
}

function textOf(value: unknown, path: string, form: RegExp, expected: string): string {
  check(typeof value === 'string' && form.test(value), path, expected);
  return value;
}

function timeOf(value: unknown, path: string): string {
  const timeMs = typeof value === 'string' ? Date.parse(value) : NaN;
  const isExact = Number.isFinite(timeMs) && new Date(timeMs).toISOString() === value;
  check(typeof value === 'string' && isExact, path, 'a time such as 2030-01-31T00:00:00.000Z');
  return value;
}

function check(condition: boolean, path: string, expected: string): asserts condition {
  if (!condition) throw faultAt(path, expected);
}

function faultAt(path: string, expected: string): CacheError {
  return new CacheError('internal', `${path} must be ${expected}`);
}
