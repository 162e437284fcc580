/** How near caches of several gateways agree: the kinds there are, and what engines see of them. */
import { ANNOUNCEMENTS_CHANNEL } from '../core/announcements-channel';
import type { Key } from '../core/command';
import { LEASE_WITHOUT_END, type Log, type Words } from '../core/ports';
import type { Clock } from '../lib/clock';
import { openKafkaTopic, type KafkaAddress } from '../kafka/client';
import type { NodeAddress } from '../redis/client';
import { sendAnnouncedChange, type NodeCommand, type RedisChange } from '../redis/commands';
import { SubscriberFeed, type Dialect, type Feed } from './feed';
import { KafkaCoherence } from './kafka';
import { publicationsOf, pubsubDialect } from './pubsub';
import type { ChangeListener, ShardAnnouncer } from './shard-announcer';
import { trackingDialect } from './tracking';

/**
 * `tracking`: Redis announces what changes of that which we have read, whoever changed it. `pubsub`: gateways
 * announce their changes to each other. `kafka`: they do so over Kafka. `none`: near entries are bounded by their TTL only.
 */
export type CoherenceKind = CoherenceConfig['kind'];

export type CoherenceConfig =
  | { readonly kind: 'tracking' | 'pubsub' | 'none' }
  | { readonly kind: 'kafka'; readonly kafka: KafkaAddress; readonly topic: string };

export interface Coherence {
  readonly kind: CoherenceKind;
  /** The announcements of one node. `readOnly`: the node is one of a cluster. */
  createFeed(address: NodeAddress, readOnly: boolean): Feed;
  /** A change as it is to be sent, so that the others hear of it. */
  send<T>(change: RedisChange<T>): NodeCommand<T>;
  /** What is to be sent with a change of these keys, as one step with it, so that the others hear of it. */
  publicationsOf(keys: readonly Key[] | 'everything'): readonly Words[];
  /**
   * For a shard, by the id that session tokens have for it, whose changes must be announced when they were made;
   * undefined: whoever makes them announces them with them.
   */
  join(shard: string, listener: ChangeListener): ShardAnnouncer | undefined;
  /** To be called before anything is changed. @throws Error where it can never work */
  open(): Promise<void>;
  /** To be called when nothing is changed any more. Bounded. */
  close(): Promise<void>;
}

export interface CoherenceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each key that is announced, in the order and the turn in which that arrives. */
  readonly onAnnounced: (key: Key) => void;
}

export function createCoherence(config: CoherenceConfig, deps: CoherenceDeps): Coherence {
  const { kind } = config;
  const feedWith =
    (dialect: Dialect): Coherence['createFeed'] =>
    (address, readOnly) =>
      new SubscriberFeed(address, dialect, { ...deps, readOnly });
  switch (config.kind) {
    case 'tracking':
      return {
        ...announcesNothing,
        kind,
        createFeed: feedWith(trackingDialect),
      };
    case 'pubsub':
      return {
        ...announcesNothing,
        kind,
        createFeed: feedWith(pubsubDialect),
        send: (change) => sendAnnouncedChange(change, ANNOUNCEMENTS_CHANNEL),
        publicationsOf,
      };
    case 'kafka':
      return new KafkaCoherence({
        ...deps,
        openTopic: (reader) =>
          openKafkaTopic({ ...config, ...deps, config: TOPIC_CONFIG, from: 'end', reader }),
      });
    case 'none':
      return {
        ...announcesNothing,
        kind,
        createFeed: () => silentFeed,
      };
  }
}

/** Gateways tell each other nothing. */
const announcesNothing: Omit<Coherence, 'kind' | 'createFeed'> = {
  send: (change) => change,
  publicationsOf: () => [],
  join: () => undefined,
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** Nobody reads what is older than a few seconds. */
const TOPIC_CONFIG = { 'cleanup.policy': 'delete', 'retention.ms': '600000', 'segment.ms': '600000' };

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
