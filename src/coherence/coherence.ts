/** How near caches of several gateways agree (`coherence.md`): the kinds there are, and what engines see of them. */
import { ANNOUNCEMENTS_CHANNEL } from '../core/announcements-channel';
import type { Key } from '../core/command';
import { LEASE_WITHOUT_END, type Log, type Words } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { NodeAddress } from '../redis/client';
import { sendAnnouncedChange, sendChange, type RedisChange, type RedisCommand } from '../redis/commands';
import { SubscriberFeed, type Dialect, type Feed } from './feed';
import { publicationsOf, pubsubDialect } from './pubsub';
import { trackingDialect } from './tracking';

/**
 * `tracking`: Redis announces what changes of that which we have read, whoever changed it. `pubsub`: gateways
 * announce their changes to each other. `none`: near entries are bounded by their TTL only.
 */
export type CoherenceKind = 'tracking' | 'pubsub' | 'none';

export interface Coherence {
  readonly kind: CoherenceKind;
  /** The announcements of one node. `readOnly`: the node is one of a cluster. */
  createFeed(address: NodeAddress, readOnly: boolean): Feed;
  /** A change as it is to be sent, so that the others hear of it. */
  send<T>(change: RedisChange<T>): RedisCommand<T>;
  /** What is to be sent with a change of these keys, as one step with it, so that the others hear of it. */
  publicationsOf(keys: readonly Key[] | 'everything'): readonly Words[];
}

export interface CoherenceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each key that is announced, in the order and the turn in which that arrives. */
  readonly onAnnounced: (key: Key) => void;
}

export function createCoherence(kind: CoherenceKind, deps: CoherenceDeps): Coherence {
  const feedWith =
    (dialect: Dialect): Coherence['createFeed'] =>
    (address, readOnly) =>
      new SubscriberFeed(address, dialect, { ...deps, readOnly });
  switch (kind) {
    case 'tracking':
      return {
        kind,
        createFeed: feedWith(trackingDialect),
        send: sendChange,
        publicationsOf: noPublications,
      };
    case 'pubsub':
      return {
        kind,
        createFeed: feedWith(pubsubDialect),
        send: (change) => sendAnnouncedChange(change, ANNOUNCEMENTS_CHANNEL),
        publicationsOf,
      };
    case 'none':
      return { kind, createFeed: () => silentFeed, send: sendChange, publicationsOf: noPublications };
  }
}

function noPublications(): readonly Words[] {
  return [];
}

const silentFeed: Feed = {
  lease: LEASE_WITHOUT_END,
  open: () => undefined,
  tick: () => undefined,
  connected: () => undefined,
  lost: () => undefined,
  confirm: () => undefined,
  gap: () => undefined,
  reloaded: () => undefined,
  close: () => undefined,
};
