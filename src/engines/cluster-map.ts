/**
 * The shards of a cluster and who owns which slot, kept up to date: one node at a time is asked for its view, every
 * second, ten times a second while a shard has no master, and at once when a node says that a slot is elsewhere.
 *
 * Which answer counts. Every failover, and every slot that reaches a new owner, raises the cluster's highest
 * configuration epoch. So a view with a lower one than ours has missed something, and one of a node that does not see
 * most of the masters is of a node that was cut off: neither is taken, and the next node is asked. Among views of the
 * same epoch the last one counts. It may be a little old; then the node that is asked in vain names the right one.
 *
 * Only the addresses of such a view are ever connected to, and the seeds that the settings name.
 */
import type { Arc } from '../core/ports';
import { nameOfAddress, type NodeAddress } from '../redis/client';
import {
  askForView,
  idsOf,
  parseClusterNodes,
  type ClusterGroup,
  type ClusterView,
} from '../redis/cluster-topology';
import { clusterNodes } from '../redis/commands';
import type { Redirection } from '../redis/redis-errors';
import { Trouble } from '../redis/trouble';
import type { Member } from './member';
import { Shard, type ShardOptions } from './shard';
import { ownersOf, SLOTS, succeed, type Known, type Slot } from './slot-map';

export interface ClusterMapOptions extends ShardOptions {
  /** At least one. */
  readonly seeds: readonly NodeAddress[];
}

/** How often the map is looked after. */
const TICK_MS = 100;
/** How often the cluster is asked while nothing is known to be wrong. */
const ASK_EVERY_MS = 1000;
/** And how often at most, while commands fail. */
const ASK_AGAIN_MS = 25;
/** For the answer of one node. */
const ANSWER_WAIT_MS = 300;
/** Masters, replicas and seeds that one round asks at most, of each so many. */
const ASKED_MAX = 4;

interface Tracked extends Known {
  readonly shard: Shard;
  readonly group: ClusterGroup;
}

/** Somebody who can be asked how the cluster is. */
type Informant = (deadlineMs: number) => Promise<ClusterView>;

export class ClusterMap {
  readonly #options: ClusterMapOptions;
  readonly #trouble: Trouble;
  #view: ClusterView | undefined;
  #tracked: readonly Tracked[] = [];
  #owners: Int32Array = new Int32Array(SLOTS).fill(-1);
  /** By the names that a redirection may use: the position in `#tracked`. */
  #byName = new Map<string, number>();
  #round: Promise<void> | undefined;
  #askedAtMs = -Infinity;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClusterMapOptions) {
    this.#options = options;
    this.#trouble = new Trouble((cause) =>
      options.log.warn({ cause }, 'the cluster cannot be asked how it is'),
    );
  }

  /** Resolves when the nodes of the cluster have been tried once, or no seed tells which these are. */
  async open(): Promise<void> {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    await this.refresh();
  }

  get shards(): readonly Shard[] {
    return this.#tracked.map(({ shard }) => shard);
  }

  /** undefined: nobody is known to own the slot. */
  ownerOf(slot: Slot): Shard | undefined {
    return this.#tracked[this.#owners[slot] ?? -1]?.shard;
  }

  /** The runs of slots that have one owner, or none. */
  arcs(): readonly Arc[] {
    const arcs: Arc[] = [];
    this.#owners.forEach((owner, slot) => {
      if (owner === this.#owners[slot + 1]) return;
      arcs.push({ lastPoint: slot, shard: this.#tracked[owner]?.shard.name });
    });
    return arcs;
  }

  /**
   * The shard that a redirection of `by` speaks of, and whether the node is its master here. undefined: the cluster
   * does not announce that node, and it must not be asked.
   */
  find(
    redirection: Redirection,
    by: Shard,
  ): { readonly shard: Shard; readonly isMaster: boolean } | undefined {
    const name = this.nameOf(redirection, by);
    const tracked = this.#tracked[this.#byName.get(name) ?? -1];
    return tracked && { shard: tracked.shard, isMaster: tracked.group.master.names.includes(name) };
  }

  /** `host:port`; a node that knows no host of its own means the one that it was asked at. */
  nameOf({ host, port }: Redirection, by: Shard): string {
    const own =
      this.#tracked.find(({ shard }) => shard === by)?.group.master.address ?? this.#options.seeds[0];
    return own === undefined ? '' : nameOfAddress({ ...own, host: host === '' ? own.host : host, port });
  }

  /**
   * Asks how the cluster is, the node called `first` before the others; joins a round that is under way. Resolves when
   * an answer was taken, or nobody has one; the first time, when the nodes have been tried as well. Never rejects.
   */
  refresh(first?: string): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#round ??= this.#ask(first).finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** The same, unless that was done a moment ago: for those who are many and know nothing in particular. */
  async refreshSoon(): Promise<void> {
    const agoMs = this.#options.clock.now() - this.#askedAtMs;
    if (this.#round !== undefined || agoMs >= ASK_AGAIN_MS) await this.refresh();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const { shard } of this.#tracked) shard.close();
  }

  #tick(): void {
    const isWhole = this.#tracked.length > 0 && this.#tracked.every(({ shard }) => shard.hasMaster);
    if (!isWhole || this.#options.clock.now() - this.#askedAtMs >= ASK_EVERY_MS) void this.refresh();
  }

  async #ask(first: string | undefined): Promise<void> {
    const { clock } = this.#options;
    this.#askedAtMs = clock.now();
    let trouble = 'no node answers';
    for (const informant of this.#informants(first)) {
      const view = await informant(clock.now() + ANSWER_WAIT_MS).catch(() => undefined);
      if (this.#closed) return;
      if (view === undefined) continue;
      if (!view.hasMajority) trouble = 'the nodes that answer do not see most of the masters';
      else if (this.#isOutdated(view)) trouble = 'the nodes that answer have an old map';
      else return this.#adopt(view);
    }
    this.#trouble.meet(trouble);
  }

  /** Masters, replicas, which hear of slots last, then seeds; of each kind a different one first each time. */
  #informants(first: string | undefined): readonly Informant[] {
    const { clock, seeds } = this.#options;
    this.#turn += 1;
    const members = this.shards.flatMap((shard) => shard.usableMembers());
    const isMaster = ({ node }: Member): boolean => node.replication?.role === 'master';
    const connected =
      ({ address, node }: Member): Informant =>
      async (deadlineMs) =>
        parseClusterNodes(await node.run(clusterNodes, deadlineMs), address);
    const stranger =
      (address: NodeAddress): Informant =>
      (deadlineMs) =>
        askForView(address, deadlineMs, clock);
    return [
      members.filter(({ node }) => node.name === first).map(connected),
      members.filter(isMaster).map(connected),
      members.filter((member) => !isMaster(member)).map(connected),
      seeds.map(stranger),
    ].flatMap((informants) => rotated(informants, this.#turn).slice(0, ASKED_MAX));
  }

  /** A cluster that was made anew counts from the beginning, but none of its nodes has an id that it had before. */
  #isOutdated(view: ClusterView): boolean {
    if (this.#view === undefined || view.epoch >= this.#view.epoch) return false;
    const known = new Set(this.#view.groups.flatMap(idsOf));
    return view.groups.some((group) => idsOf(group).some((id) => known.has(id)));
  }

  /** In one stretch up to the connecting: nobody sees a part of it. */
  async #adopt(view: ClusterView): Promise<void> {
    const isFirst = this.#view === undefined;
    const strays = new Set(view.strayIds);
    const before = this.#tracked;
    const ownersBefore = this.#owners;
    const opening: Promise<void>[] = [];
    this.#view = view;
    this.#trouble.end();
    const adopted = succeed(view.groups, this.#tracked).map(({ group, heir }) => {
      // A master that failed stands in no group until it is back; the shard's name must not depend on that.
      const ids = new Set([...idsOf(group), ...[...(heir?.ids ?? [])].filter((id) => strays.has(id))]);
      const name = [...ids].sort()[0] ?? group.master.id;
      const shard =
        heir?.shard ?? new Shard(name, { ...this.#options, whoHas: (lineage) => this.#whoHas(lineage) });
      shard.rename(name);
      const tracked: Tracked = { shard, group, ids, masterId: group.master.id };
      return { tracked, heir };
    });
    // Each node names the groups in an order of its own, and cursors and subscribers know the shards by their number.
    adopted.sort((a, b) => (a.tracked.shard.name < b.tracked.shard.name ? -1 : 1));
    this.#tracked = adopted.map(({ tracked }) => tracked);
    this.#owners = ownersOf(this.#tracked.map(({ group }) => group));
    this.#byName = new Map(
      this.#tracked.flatMap(({ group }, index) =>
        [group.master, ...group.replicas].flatMap(({ names }) => names.map((name) => [name, index] as const)),
      ),
    );
    if (!isFirst) this.#handOver(before, ownersBefore);
    for (const { tracked, heir } of adopted) {
      const { shard, group } = tracked;
      const nodes = { master: group.master.address, replicas: group.replicas.map(({ address }) => address) };
      if (heir === undefined) opening.push(shard.open(nodes));
      else if (placesOf(heir.group) !== placesOf(group)) opening.push(shard.follow(nodes));
    }
    for (const { shard } of before) if (!this.shards.includes(shard)) shard.close();
    if (isFirst) await Promise.all(opening);
  }

  #whoHas(lineage: string): Shard | undefined {
    return this.shards.find((shard) => shard.has(lineage));
  }

  /** Tells the shards what came and went. */
  #handOver(before: readonly Tracked[], ownersBefore: Int32Array): void {
    const left = new Set<Shard>();
    const arrived = new Set<Shard>();
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const from = before[ownersBefore[slot] ?? -1]?.shard;
      const to = this.ownerOf(slot);
      if (from === to) continue;
      if (from !== undefined) left.add(from);
      if (to !== undefined) arrived.add(to);
    }
    for (const shard of left) shard.slotsLeft();
    for (const shard of arrived) shard.slotsArrived();
    if (left.size + arrived.size > 0) this.#options.log.info({ shards: arrived.size }, 'slots have moved');
  }
}

function rotated<T>(list: readonly T[], turn: number): readonly T[] {
  const start = list.length === 0 ? 0 : turn % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

function placesOf({ master, replicas }: ClusterGroup): string {
  return [master, ...replicas].map(({ address }) => nameOfAddress(address)).join(' ');
}
