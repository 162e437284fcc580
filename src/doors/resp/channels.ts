/**
 * Names of channels and patterns. A channel counts as a key: it lives on the shard of its name, where it is published and
 * subscribed to, so a message arrives once; and a caller needs a grant on it. The rights to a pattern are those to all
 * that can match, which begins as the pattern does up to its first wildcard.
 */
import { ANNOUNCEMENTS_CHANNEL } from '../../core/announcements-channel';
import type { Key } from '../../core/command';
import { keyFromBytes } from '../../core/key';
import { encodeError } from './encoder';
import { Refusal } from './refusal';

/** Redis's own, and ours. */
const RESERVED = ['__redis__:', ANNOUNCEMENTS_CHANNEL];
/** Says the name of an event, and the key in the message: each node publishes it of its own keys. */
const EVENTS = '__keyevent@';
const KEYSPACE = /^__keyspace@\d+__:/;
const WILDCARD = /[*?[\\]/;

const RESERVED_REPLY = encodeError('NOPERM The channel is reserved for the gateway.');

/** @throws Refusal of a channel that is not for callers */
export function channelOf(word: Buffer | undefined): Key {
  const channel = keyFromBytes(word ?? Buffer.alloc(0));
  if (isReserved(channel)) throw new Refusal(RESERVED_REPLY);
  return channel;
}

/** What everything begins with that the pattern can match. */
export function literalHeadOf(pattern: Key): Key {
  const end = pattern.search(WILDCARD);
  return (end < 0 ? pattern : pattern.slice(0, end)) as Key;
}

export function isReserved(channel: string): boolean {
  return RESERVED.some((reserved) => channel.startsWith(reserved));
}

/** Messages of it come from every shard. */
export function isEverywhere(channel: Key): boolean {
  return channel.startsWith(EVENTS);
}

/** Whose shard has the channel: for `__keyspace@0__:K` that is K. */
export function homeOf(channel: Key): Key {
  return channel.replace(KEYSPACE, '') as Key;
}
