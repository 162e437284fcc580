/** How commands of this door are counted: as what, and what became of them, which is told by their replies. */
import type { ErrorCode } from '../../core/errors';
import type { CountedCommand, Outcome } from '../../core/ports';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { codeOfReply } from './errors';
import { isNullReply } from './reply-parts';

/** By the first word of what Redis itself says; everything else is the request's fault. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['NOAUTH', 'unauthenticated'],
  ['WRONGPASS', 'unauthenticated'],
  ['NOPERM', 'forbidden'],
  ['WRONGTYPE', 'corrupt_value'],
  ['OOM', 'out_of_memory'],
]);
const FIRST_WORD_BYTES_MAX = 16;

/** A command that does several of these is counted as the one that does most. */
export function labelOf({ scopes, isWrite }: CommandSpec): CountedCommand {
  if (isWrite) return scopes.includes('write') ? 'WRITE' : 'DELETE';
  return scopes.includes('read') ? 'READ' : 'OTHER';
}

export function outcomeOf(label: CountedCommand, reply: Buffer): Outcome {
  if (isErrorReply(reply)) return codeOfReply(reply) ?? codeInWords(reply);
  if (label === 'OTHER' || !isNullReply(reply)) return 'SUCCESS';
  return label === 'WRITE' ? 'NOT_STORED' : 'NOT_FOUND';
}

function codeInWords(reply: Buffer): ErrorCode {
  const [word = ''] = reply.toString('latin1', 1, FIRST_WORD_BYTES_MAX).split(' ', 1);
  return CODES.get(word) ?? 'bad_request';
}
