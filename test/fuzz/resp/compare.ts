/** Whether the door did with the bytes what a plain Redis did. */
import { elementsOf } from '../../support/resp-wire';
import { DIFFERENCES } from './differences';
import type { Outcome } from './exchange';
import { bytesOf, type FuzzCase, type Likeness } from './fuzz-case';

/** Redis ends a connection on which HTTP seems to come without sending what it has replied: some of it may have left. */
const DROPPED = /\b(post|host:)/i;

/** Replies in front of those to the units: to AUTH, and to the DEL that gives both servers the same beginning. */
const REPLIES_BEFORE = 2;

/** What differs, in words; undefined: nothing, or nothing but what is known and meant. */
export function compare(fuzzCase: FuzzCase, redis: Outcome, door: Outcome): string | undefined {
  const first = fuzzCase.isAuthenticated ? REPLIES_BEFORE : 0;
  const losesReplies = redis.wasReset || door.wasReset || DROPPED.test(bytesOf(fuzzCase).toString('latin1'));
  const count = Math.max(redis.replies.length, door.replies.length);
  for (let index = 0; index < count; index += 1) {
    const theirs = redis.replies[index];
    const ours = door.replies[index];
    if (losesReplies && (theirs === undefined || ours === undefined)) return undefined;
    // The probe behind has no unit either.
    const likeness = fuzzCase.units[index - first]?.likeness ?? 'class';
    if (theirs !== undefined && ours !== undefined && isAlike(likeness, theirs, ours)) continue;
    // What comes behind a difference may come from it.
    if (isMeant(fuzzCase, theirs, ours)) return undefined;
    return `reply ${index}: Redis ${show(theirs)} (${redis.fate}), the door ${show(ours)} (${door.fate})`;
  }
  if (!redis.rest.equals(door.rest)) return `the end: Redis ${show(redis.rest)}, the door ${show(door.rest)}`;
  if (redis.fate === door.fate) return undefined;
  return isMeant(fuzzCase, undefined, undefined)
    ? undefined
    : `fate: Redis ${redis.fate}, the door ${door.fate}`;
}

function isMeant(fuzzCase: FuzzCase, theirs: Buffer | undefined, ours: Buffer | undefined): boolean {
  const sent = bytesOf(fuzzCase);
  const [redis, door] = [theirs?.toString('latin1') ?? '', ours?.toString('latin1') ?? ''];
  return DIFFERENCES.some(({ isIt }) => isIt({ sent, redis, door }));
}

function isAlike(likeness: Likeness, theirs: Buffer, ours: Buffer): boolean {
  if (theirs.equals(ours)) return true;
  if (likeness === 'bytes' || classOf(theirs) !== classOf(ours)) return false;
  if (likeness === 'elements') return sorted(theirs) === sorted(ours);
  if (likeness !== 'life') return true;
  return Number(theirs.toString('latin1', 1)) >= 0 && Number(ours.toString('latin1', 1)) >= 0;
}

function classOf(reply: Buffer): string {
  const line = reply.toString('latin1', 0, reply.indexOf('\r\n'));
  if (line.startsWith('-')) return line.split(' ', 1)[0] ?? '';
  return line === '$-1' || line === '*-1' ? line : line.charAt(0);
}

function sorted(reply: Buffer): string {
  if (!'*~%>'.includes(reply.toString('latin1', 0, 1))) return reply.toString('latin1');
  const { head, elements } = elementsOf(reply);
  return head.toString('latin1') + elements.map(sorted).sort().join('');
}

const SHOWN_BYTES_MAX = 300;

function show(reply: Buffer | undefined): string {
  return reply === undefined ? 'nothing' : JSON.stringify(reply.toString('latin1', 0, SHOWN_BYTES_MAX));
}
