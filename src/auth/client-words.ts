/**
 * The words of `npm run client`, parsed before anything is touched.
 */
import { parseArgs } from 'node:util';
import { SCOPES, type Scope } from '../core/grants';
import { CLIENT_NAME_FORM, isClientName, isPrefix, isScope } from './clients-file';

export const USAGE = `usage: npm run client -- add NAME [--scope read,write,delete,admin] [--prefix P ...] [--expires DAYS]
       npm run client -- list
       npm run client -- revoke NAME
       npm run client -- revoke-token TOKEN_OR_ITS_JTI`;

const DEFAULT_SCOPES: readonly Scope[] = ['read', 'write', 'delete'];
const EXPIRES_DAYS_MAX = 36_500;

/** Words that make no sense; the message says which. */
export class UsageError extends Error {}

export interface AddWords {
  readonly verb: 'add';
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly prefixes: readonly string[];
  readonly expiresDays: number | undefined;
}

export type ClientWords =
  | AddWords
  | { readonly verb: 'list' }
  | { readonly verb: 'revoke'; readonly name: string }
  | { readonly verb: 'revoke-token'; readonly token: string };

/** @throws UsageError whose message says which word is wrong. */
export function parseClientWords(args: readonly string[]): ClientWords {
  const { positionals, values } = parseOptions(args);
  const [verb, subject, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`Too many words: ${rest.join(' ')}`);
  if (verb !== 'add' && Object.keys(values).length > 0) throw new UsageError('Only add takes options.');
  switch (verb) {
    case 'add':
      return {
        verb,
        name: parseName(subject),
        scopes: values.scope === undefined ? DEFAULT_SCOPES : parseScopes(values.scope),
        prefixes: (values.prefix ?? []).map(parsePrefix),
        expiresDays: values.expires === undefined ? undefined : parseDays(values.expires),
      };
    case 'list':
      if (subject !== undefined) throw new UsageError('list takes no name.');
      return { verb };
    case 'revoke':
      return { verb, name: parseName(subject) };
    case 'revoke-token':
      if (subject === undefined) throw new UsageError('Which token?');
      return { verb, token: subject };
    default:
      throw new UsageError(verb === undefined ? 'What is to be done?' : `Unknown word: ${verb}`);
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        scope: { type: 'string' },
        prefix: { type: 'string', multiple: true },
        expires: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'Words not understood.');
  }
}

function parseName(word: string | undefined): string {
  if (word === undefined) throw new UsageError('The name of the client is missing.');
  if (!isClientName(word)) throw new UsageError(`A name is ${CLIENT_NAME_FORM}.`);
  return word;
}

function parseScopes(word: string): readonly Scope[] {
  const scopes = word.split(',');
  if (!scopes.every(isScope)) throw new UsageError(`--scope takes ${SCOPES.join(', ')}, divided by commas.`);
  return SCOPES.filter((scope) => scopes.includes(scope));
}

function parsePrefix(word: string): string {
  if (!isPrefix(word)) throw new UsageError('--prefix must not be empty: leave it out to grant every key.');
  return word;
}

function parseDays(word: string): number {
  const days = Number(word);
  if (!/^\d+$/.test(word) || days < 1 || days > EXPIRES_DAYS_MAX) {
    throw new UsageError(`--expires takes whole days, 1 to ${EXPIRES_DAYS_MAX}.`);
  }
  return days;
}
