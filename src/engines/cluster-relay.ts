/**
 * Relaying on a cluster: a place is a slot, and what is sent to one slot keeps its order, wherever the slot goes
 * (`relay-line.ts`). Redirections are followed by the rules of `cluster.ts`, but not with scripts, which fail: theirs only
 * bring the map up to date.
 *
 * While a slot is on its way, A refuses with ASK what is about keys that have left. Those are sent to B in their order
 * before anything else of the slot leaves, and whatever comes for such a key later is refused by A in turn; a key that
 * has left does not come back.
 */
import type { Key } from '../core/command';
import { toCacheError } from '../core/errors';
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
import { Redirected, unreachable } from '../redis/redis-errors';
import type { ClusterMap } from './cluster-map';
import { REDIRECTIONS_MAX, waitFor, type ClusterRedirects } from './cluster-redirects';
import type { RelayChannel } from './relay-channel';
import type { RelayEntry } from './relay-entry';
import { RelayHold } from './relay-hold';
import { RelayLine } from './relay-line';
import { pause, sendInOrder } from './ring-relay';
import type { Shard } from './shard';
import { pointOfSlot, slotOf, type Slot } from './slot-map';

export interface ClusterRelayDeps {
  readonly map: ClusterMap;
  readonly redirects: ClusterRedirects;
  readonly clock: Clock;
}

/** The longest that the cluster is asked how it is before those that wait look again. */
const REFRESH_WAIT_MS = 300;

export class ClusterRelay implements EngineRelay {
  readonly #deps: ClusterRelayDeps;
  readonly #map: ClusterMap;
  readonly #hold = new RelayHold();
  /** Where the slot of an entry is on its way to. */
  readonly #detours = new WeakMap<RelayEntry, Shard>();
  /** By version of the protocol and slot, made when first used. */
  readonly #lines: Readonly<Record<Protocol, RelayLine[]>> = { 2: [], 3: [] };
  /** Of what names a shard, not a key. */
  readonly #shardLines: Readonly<Record<Protocol, WeakMap<Shard, RelayLine>>> = {
    2: new WeakMap(),
    3: new WeakMap(),
  };

  constructor(deps: ClusterRelayDeps) {
    this.#deps = deps;
    this.#map = deps.map;
  }

  get shardCount(): number {
    return Math.max(1, this.#map.shards.length);
  }

  placeOf(key: Key): number {
    return slotOf(key);
  }

  shardOf(key: Key): number {
    const owner = this.#map.ownerOf(slotOf(key));
    return owner === undefined ? 0 : this.#map.shards.indexOf(owner);
  }

  send(at: Whereabouts, request: RelayRequest): void {
    if (typeof at === 'number') {
      const shard = this.#map.shards[at];
      if (shard === undefined) queueMicrotask(() => request.fail(unreachable()));
      else sendInOrder(this.#lineOfShard(shard, request.protocol), request);
      return;
    }
    const slot = slotOf(at);
    const line = (this.#lines[request.protocol][slot] ??= this.#createLine(slot, () =>
      this.#map.ownerOf(slot),
    ));
    const owner = this.#map.ownerOf(slot);
    if (owner?.relay.isForReplicas(request) === true) {
      owner.relay.read(request, pointOfSlot(slot), this.#hold, () => sendInOrder(line, request));
    } else sendInOrder(line, request);
  }

  async open(at: Whereabouts, options: LinkOptions): Promise<RelayLink> {
    return (await this.#shardAt(at, options.deadlineMs)).relay.open(options);
  }

  async subscribe(at: Whereabouts, options: SubscriberOptions): Promise<RelaySubscriber> {
    return (await this.#shardAt(at, options.deadlineMs)).relay.subscribe(options);
  }

  /** @throws CacheError `unavailable` */
  async #shardAt(at: Whereabouts, deadlineMs: number): Promise<Shard> {
    const find = (): Shard | undefined =>
      typeof at === 'number' ? this.#map.shards[at] : this.#map.ownerOf(slotOf(at));
    if (find() === undefined) await waitFor(this.#map.refresh(), deadlineMs, this.#deps.clock);
    const shard = find();
    if (shard === undefined) throw unreachable();
    return shard;
  }

  #lineOfShard(shard: Shard, protocol: Protocol): RelayLine {
    const lines = this.#shardLines[protocol];
    let line = lines.get(shard);
    if (line === undefined) lines.set(shard, (line = this.#createLine(undefined, () => shard)));
    return line;
  }

  #createLine(slot: Slot | undefined, owner: () => Shard | undefined): RelayLine {
    return new RelayLine({
      clock: this.#deps.clock,
      hold: this.#hold,
      slot,
      channelFor: (entry) => this.#channelOn(this.#askedFor(entry) ?? owner(), entry),
      recover: (refused, pauseMs) => this.#recover(refused, slot, owner(), pauseMs),
    });
  }

  #askedFor(entry: RelayEntry): Shard | undefined {
    return entry.isAsking ? this.#detours.get(entry) : undefined;
  }

  #detour(entry: RelayEntry, to: Shard, slot: Slot): void {
    this.#detours.set(entry, to);
    entry.isAsking = true;
    entry.leaving = this.#map.ownerOf(slot);
  }

  #channelOn(shard: Shard | undefined, { request }: RelayEntry): RelayChannel | undefined {
    const channel = shard?.relay.masterChannel(request.protocol, this.#hold);
    // Without a master the shard may have another one, or the slot another shard.
    if (shard?.hasMaster !== true) void this.#map.refreshSoon();
    return channel;
  }

  async #recover(
    refused: readonly RelayEntry[],
    slot: Slot | undefined,
    owner: Shard | undefined,
    pauseMs: number,
  ): Promise<void> {
    const isRedirected = ({ refusal }: RelayEntry): boolean => refusal instanceof Redirected;
    if (slot === undefined || !refused.some(isRedirected)) {
      const untilMs = this.#deps.clock.now() + REFRESH_WAIT_MS;
      const probed = refused[0]?.channel?.member.node.probe();
      await Promise.all([
        probed,
        waitFor(this.#map.refreshSoon(), untilMs, this.#deps.clock),
        pause(pauseMs),
      ]);
    }
    const followed = new Map<string, Promise<Shard | undefined>>();
    for (const entry of refused) {
      const { refusal } = entry;
      // Who was asked: the one that the slot was on its way to, or its owner.
      const by = this.#askedFor(entry) ?? owner;
      entry.isAsking = false;
      entry.leaving = undefined;
      if (slot === undefined || by === undefined || !(refusal instanceof Redirected)) continue;
      const { kind, host, port } = refusal.redirection;
      const name = `${kind} ${host}:${port}`;
      // All that one node refused are followed at once.
      let following = followed.get(name);
      if (following === undefined) followed.set(name, (following = this.#follow(entry, refusal, slot, by)));
      try {
        const to = await following;
        if (kind === 'ask' && to !== undefined) this.#detour(entry, to, slot);
      } catch (thrown) {
        entry.refusal = toCacheError(thrown);
        entry.untilMs = -Infinity;
      }
    }
  }

  async #follow(entry: RelayEntry, refusal: Redirected, slot: Slot, by: Shard): Promise<Shard | undefined> {
    entry.redirections += 1;
    if (entry.redirections > REDIRECTIONS_MAX) throw refusal;
    // From the third one on: nodes have not heard of a move yet, and need some time.
    if (entry.redirections > 2) await pause(5 * 2 ** entry.redirections);
    return this.#deps.redirects.follow(refusal, slot, by, entry.deadlineMs);
  }
}
