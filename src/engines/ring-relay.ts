/** Relaying on a ring: a place is a shard, and what is sent to one shard keeps its order. */
import type { Key } from '../core/command';
import type {
  EngineRelay,
  LinkOptions,
  Protocol,
  RelayLink,
  RelayRequest,
  RelaySubscriber,
  SubscriberOptions,
  Whereabouts,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { unreachable } from '../redis/redis-errors';
import type { HashRing, Point } from './hash-ring';
import { RelayEntry } from './relay-entry';
import { RelayHold } from './relay-hold';
import { RelayLine } from './relay-line';
import type { Shard } from './shard';
import type { ShardRelay } from './shard-relay';

export interface RingRelayDeps {
  readonly ring: HashRing;
  /** By their index on the ring. */
  readonly shards: readonly Shard[];
  readonly clock: Clock;
  /** False: who the masters are may be old news, and is being asked; nothing is to be sent to a node before that. */
  isCurrent(): boolean;
  /** Resolves when that has been asked. @throws CacheError `unavailable` */
  becomeCurrent(deadlineMs: number): Promise<void>;
}

interface Place {
  readonly relay: ShardRelay;
  readonly lines: Readonly<Record<Protocol, RelayLine>>;
  readonly hold: RelayHold;
}

export class RingRelay implements EngineRelay {
  readonly #deps: RingRelayDeps;
  readonly #places: readonly Place[];
  /** A door asks for a key's place just before it sends: the digest need not be computed twice. */
  #lastKey: Key | undefined;
  #lastPoint: Point = 0;

  constructor(deps: RingRelayDeps) {
    this.#deps = deps;
    this.#places = deps.shards.map(({ relay }) => {
      const hold = new RelayHold();
      const createLine = (): RelayLine =>
        new RelayLine({
          clock: deps.clock,
          hold,
          slot: undefined,
          channelFor: ({ request }) =>
            deps.isCurrent() ? relay.masterChannel(request.protocol, hold) : undefined,
          recover: async (refused, pauseMs) => {
            await Promise.all([refused[0]?.channel?.member.node.probe(), pause(pauseMs)]);
          },
        });
      return { relay, hold, lines: { 2: createLine(), 3: createLine() } };
    });
  }

  get shardCount(): number {
    return this.#places.length;
  }

  placeOf(key: Key): number {
    return this.#places.length === 1 ? 0 : this.#deps.ring.ownerOf(this.#pointOf(key));
  }

  shardOf(key: Key): number {
    return this.placeOf(key);
  }

  send(at: Whereabouts, request: RelayRequest): void {
    const place = this.#placeAt(at);
    const [first] = request.keys;
    if (place === undefined) queueMicrotask(() => request.fail(unreachable()));
    else if (first !== undefined && place.relay.isForReplicas(request) && this.#deps.isCurrent()) {
      // Only here: the digest of a key costs a tenth of all that a GET does on its way to one Redis (bench, row P5).
      place.relay.read(request, this.#pointOf(first), place.hold, () =>
        sendInOrder(place.lines[request.protocol], request),
      );
    } else sendInOrder(place.lines[request.protocol], request);
  }

  async open(at: Whereabouts, options: LinkOptions): Promise<RelayLink> {
    const relay = await this.#relayAt(at, options.deadlineMs);
    return relay.open(options);
  }

  async subscribe(at: Whereabouts, options: SubscriberOptions): Promise<RelaySubscriber> {
    const relay = await this.#relayAt(at, options.deadlineMs);
    return relay.subscribe(options);
  }

  #pointOf(key: Key): Point {
    if (key !== this.#lastKey) {
      this.#lastPoint = this.#deps.ring.pointOf(key);
      this.#lastKey = key;
    }
    return this.#lastPoint;
  }

  #placeAt(at: Whereabouts): Place | undefined {
    return this.#places[typeof at === 'number' ? at : this.placeOf(at)];
  }

  async #relayAt(at: Whereabouts, deadlineMs: number): Promise<ShardRelay> {
    await this.#deps.becomeCurrent(deadlineMs);
    const place = this.#placeAt(at);
    if (place === undefined) throw unreachable();
    return place.relay;
  }
}

export function sendInOrder(line: RelayLine, request: RelayRequest): void {
  line.send(new RelayEntry(request, line));
}

export async function pause(waitMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, waitMs));
}
