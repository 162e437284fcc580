/**
 * CONFIG GET: what the one shard there is says, without its secrets and its place in the world. Where there are several
 * shards, or none, there is no one configuration, and the answer is an empty one.
 */
import { checkAdmin } from '../../../core/cache';
import { CacheError } from '../../../core/errors';
import type { RelayedCommand } from '../../../core/relay';
import { isErrorReply } from '../../../lib/whole-reply';
import { encodeMapHeader } from '../encoder';
import { errorReply } from '../errors';
import { elementsOf } from '../reply-parts';
import { principalOf, seesAll, type LocalCommand } from './local-command';

/** Parameters that hold a password, a user, a file, or an address of a node. */
const UNTOLD = /pass|auth|user|file|dir|socket|bind|announce|replicaof|slaveof|proc-title|syslog/;

export const configGet: LocalCommand = (state, words) => {
  const { replies, protocol } = state;
  const { cache, clock, limits } = state.deps;
  const { relay } = cache;
  const principal = principalOf(state);
  checkAdmin(principal);
  if (!seesAll(principal))
    throw new CacheError('forbidden', 'This needs a client to whom all keys are granted.');
  if (relay?.shardCount !== 1) {
    replies.write(encodeMapHeader(0, protocol));
    return;
  }
  const command: RelayedCommand = {
    words,
    isWrite: false,
    changesStrings: false,
    changesUnnamed: false,
    isRepeatable: true,
    values: [],
    scopes: ['admin'],
    keys: [],
    isUnbounded: true,
  };
  const place = replies.take();
  relay.send(
    0,
    principal,
    command,
    // The older protocol has one form for it.
    { protocol: 2, from: 'master', deadlineMs: clock.now() + limits.requestTimeoutMs },
    {
      settle: (reply) => {
        if (isErrorReply(reply)) place.settle(reply);
        else {
          const pairs = toldPairs(elementsOf(reply));
          place.settle(Buffer.concat([encodeMapHeader(pairs.length, protocol), ...pairs.flat()]));
        }
      },
      fail: (error) => place.settle(errorReply(error)),
    },
  );
};

/** `elements`: a name and its value by turns. */
function toldPairs(elements: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const pairs = elements.flatMap((_, at) => (at % 2 === 0 ? [elements.slice(at, at + 2)] : []));
  return pairs.filter(([name]) => name !== undefined && !UNTOLD.test(name.toString('latin1').toLowerCase()));
}
