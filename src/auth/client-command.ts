/**
 * `npm run client`: adds, lists and revokes the clients in the clients file. Running gateways follow the file, so
 * nothing has to be restarted and this command needs none of their secrets.
 */
import { decode, type JwtPayload } from 'jsonwebtoken';
import { CacheError } from '../core/errors';
import { createApiKey, hashSecret } from './api-key';
import { parseClientWords, USAGE, UsageError, type AddWords, type ClientWords } from './client-words';
import { isTokenId, type ClientRecord, type RevokedToken } from './clients-file';
import { readClientsFile, updateClientsFile } from './update-clients-file';

const DAY_MS = 24 * 3600 * 1000;
/** A token id alone does not say when its token expires; JWT_TTL_SECONDS goes up to 30 days. */
const TOKEN_LIFE_DAYS_MAX = 31;

export interface ClientCommandIo {
  readonly clientsFile: string;
  readonly wallMs: () => number;
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}

/** Does what the words say. Gives the exit code: 0 done, 1 not possible, 2 words not understood. */
export async function runClientCommand(args: readonly string[], io: ClientCommandIo): Promise<number> {
  try {
    await run(parseClientWords(args), io);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      io.printError(error.message);
      io.printError(USAGE);
      return 2;
    }
    // Messages of the file system name the file and the reason; this is the operator's own terminal.
    io.printError(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

async function run(words: ClientWords, io: ClientCommandIo): Promise<void> {
  switch (words.verb) {
    case 'add':
      return addClient(words, io);
    case 'list':
      return listClients(io);
    case 'revoke':
      return revokeClient(words.name, io);
    case 'revoke-token':
      return revokeToken(words.token, io);
  }
}

async function addClient(words: AddWords, io: ClientCommandIo): Promise<void> {
  const { name, scopes, prefixes, expiresDays } = words;
  const key = createApiKey();
  const nowMs = io.wallMs();
  await updateClientsFile(io.clientsFile, io.wallMs, (file) => {
    const namesake = file.clients.find((client) => client.name === name);
    if (namesake !== undefined && !isExpired(namesake, nowMs)) {
      throw new CacheError('conflict', `There is a client ${name} already; revoke it first.`);
    }
    const client: ClientRecord = {
      id: key.clientId,
      name,
      hash: hashSecret(key.secret, file.hash_key).toString('hex'),
      scopes,
      prefixes,
      created: new Date(nowMs).toISOString(),
      expires: expiresDays === undefined ? null : new Date(nowMs + expiresDays * DAY_MS).toISOString(),
    };
    return { ...file, clients: [...file.clients.filter((other) => other !== namesake), client] };
  });
  io.print(`Client ${name} is added. Its API key, which is not stored and will not be shown again:`);
  io.print(key.text);
}

async function listClients(io: ClientCommandIo): Promise<void> {
  const file = await readClientsFile(io.clientsFile);
  const clients = file?.clients ?? [];
  if (clients.length === 0) {
    io.print(`There are no clients in ${io.clientsFile}.`);
    return;
  }
  const nowMs = io.wallMs();
  const rows = clients.map((client) => [
    client.name,
    client.id,
    client.scopes.join(','),
    // As JSON: a prefix may hold blanks, line feeds and escapes.
    client.prefixes.map((prefix) => JSON.stringify(prefix)).join(' ') || 'every key',
    client.created,
    client.expires === null ? 'never' : `${client.expires}${isExpired(client, nowMs) ? ' (expired)' : ''}`,
  ]);
  printTable([['NAME', 'ID', 'SCOPES', 'PREFIXES', 'CREATED', 'EXPIRES'], ...rows], io.print);
}

async function revokeClient(name: string, io: ClientCommandIo): Promise<void> {
  await updateClientsFile(io.clientsFile, io.wallMs, (file) => {
    const others = file.clients.filter((client) => client.name !== name);
    if (others.length === file.clients.length) {
      throw new CacheError('bad_request', `There is no client ${name}.`);
    }
    return { ...file, clients: others };
  });
  io.print(`Client ${name} is revoked: its key and its tokens are refused within a second.`);
}

async function revokeToken(token: string, io: ClientCommandIo): Promise<void> {
  const revoked = parseRevocation(token, io.wallMs());
  await updateClientsFile(io.clientsFile, io.wallMs, (file) => ({
    ...file,
    revoked_tokens: [...file.revoked_tokens.filter((other) => other.jti !== revoked.jti), revoked],
  }));
  io.print(`Token ${revoked.jti} is revoked: it is refused within a second.`);
}

/**
 * What to write down for a token or a bare token id. The token is not verified: whoever may write the clients file
 * may revoke anything.
 */
function parseRevocation(token: string, nowMs: number): RevokedToken {
  const latest = Math.floor((nowMs + TOKEN_LIFE_DAYS_MAX * DAY_MS) / 1000);
  if (isTokenId(token)) return { jti: token, exp: latest };
  const { jti, exp } = claimsOf(token);
  if (jti === undefined || !isTokenId(jti) || exp === undefined || !Number.isSafeInteger(exp)) {
    throw new UsageError('That is neither a token of ringcache nor the id of one.');
  }
  return { jti, exp: Math.min(exp, latest) };
}

function claimsOf(token: string): JwtPayload {
  try {
    return decode(token, { json: true }) ?? {};
  } catch {
    return {};
  }
}

function isExpired(client: ClientRecord, nowMs: number): boolean {
  return client.expires !== null && Date.parse(client.expires) <= nowMs;
}

function printTable(rows: readonly (readonly string[])[], print: (line: string) => void): void {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    print(cells.join('  ').trimEnd());
  }
}
