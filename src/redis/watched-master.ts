/**
 * One master that Sentinels watch: gathers what they and the nodes say of it, and decides whom to follow
 * (`sentinel-decision.ts`). Nodes are asked only while it is in question who the master is.
 */
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { nameOfAddress, type NodeAddress, type ShardNodes } from './client';
import { unreachable } from './redis-errors';
import { RedisNode } from './redis-node';
import { chooseMaster, chooseReplicas, type Leadership } from './sentinel-decision';
import type { SentinelReport } from './sentinel-replies';

/** A report counts for so long: a Sentinel that fell silent has no say. */
const REPORT_MS_MAX = 1000;
/** For so long a promised failover, or a deposed master that no Sentinel lists as a replica yet, is remembered. */
const FAILOVER_MS_MAX = 10_000;
/** The pace at which nodes are asked while they are in question. */
const QUESTION_EVERY_MS = 25;
/** For the first word of those in question; a healthy one takes a few milliseconds. */
const QUESTION_WAIT_MS = 250;

export interface WatchedMasterDeps {
  readonly name: string;
  /** How many Sentinels there are. */
  readonly sentinels: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The nodes are these from now on. */
  readonly onNodes: (nodes: ShardNodes) => void;
}

interface Report extends SentinelReport {
  readonly askedAtMs: number;
}

/** A Sentinel's word that it is about to make a node the master. */
interface Promised extends Leadership {
  readonly heardAtMs: number;
}

interface Questioned {
  readonly node: RedisNode;
  /** Settles when it has been tried once. */
  readonly tried: Promise<void>;
}

export class WatchedMaster {
  readonly #deps: WatchedMasterDeps;
  /** By the Sentinel's name. */
  readonly #reports = new Map<string, Report>();
  readonly #promises = new Map<string, Promised>();
  /** The nodes in question, by name. */
  readonly #questioned = new Map<string, Questioned>();
  #questionTimer: NodeJS.Timeout | undefined;
  #present: Leadership | undefined;
  #deposed: { readonly address: NodeAddress; readonly sinceMs: number } | undefined;
  #nodes: ShardNodes = { master: undefined, replicas: [] };
  /** What was asked before counts for nothing. */
  #sinceMs = -Infinity;

  constructor(deps: WatchedMasterDeps) {
    this.#deps = deps;
  }

  hear(sentinel: string, report: SentinelReport, askedAtMs: number): void {
    if (askedAtMs < this.#sinceMs) return;
    this.#reports.set(sentinel, { ...report, askedAtMs });
    const promised = this.#promises.get(sentinel);
    if (promised !== undefined && report.epoch >= promised.epoch) this.#promises.delete(sentinel);
  }

  /**
   * A failover that the Sentinel leads has got so far. Once the node says that it is a master this is as good as
   * the report that follows up to a second later, when the Sentinel finds out: until then the old master takes
   * writes that the failover loses. Where writes need replicas (`min-replicas-to-write`) it must have got them, which
   * the Sentinel sees to after that second.
   */
  hearPromise(sentinel: string, address: NodeAddress): void {
    const report = this.#reports.get(sentinel);
    if (report === undefined) return;
    this.#promises.set(sentinel, {
      address,
      epoch: report.epoch + 1,
      heardAtMs: this.#deps.clock.now(),
    });
  }

  /** What was heard until now may be old. What we follow stays what it is. */
  forget(): void {
    this.#sinceMs = this.#deps.clock.now();
    this.#reports.clear();
    this.#promises.clear();
    this.#question([]);
  }

  /** Draws the conclusions from what has been heard. */
  decide(): void {
    const opinions = this.#opinions();
    const before = this.#present;
    this.#present = chooseMaster({
      present: before,
      opinions,
      sentinels: this.#deps.sentinels,
      isMaster: (address) => this.#isMaster(address),
    });
    if (this.#present !== undefined && !isSame(this.#present.address, before?.address)) {
      this.#moved(before, this.#present);
    }
    this.#follow();
    this.#question(this.#inQuestion(opinions));
  }

  /** Decides; resolves when each node that this brings into question has been asked once, or is late. */
  async settle(): Promise<void> {
    this.decide();
    const answers = [...this.#questioned.values()].map(({ tried }) => tried);
    await withDeadline(Promise.all(answers), QUESTION_WAIT_MS, unreachable).catch(() => undefined);
  }

  /** To be called at a pace that is slower than a handshake. */
  watchHandshakes(): void {
    for (const { node } of this.#questioned.values()) void node.tick();
  }

  close(): void {
    this.#question([]);
  }

  /** The word of each Sentinel that has answered lately. */
  #opinions(): readonly Leadership[] {
    const nowMs = this.#deps.clock.now();
    for (const [sentinel, { heardAtMs }] of this.#promises) {
      if (nowMs - heardAtMs >= FAILOVER_MS_MAX) this.#promises.delete(sentinel);
    }
    const opinions: Leadership[] = [];
    for (const [sentinel, { master, epoch, askedAtMs }] of this.#reports) {
      if (nowMs - askedAtMs >= REPORT_MS_MAX) continue;
      const promised = this.#promises.get(sentinel);
      const isKept = promised !== undefined && this.#isPromoted(promised.address);
      opinions.push(isKept ? promised : { address: master, epoch });
    }
    return opinions;
  }

  /** Nobody, while all agree with us. */
  #inQuestion(opinions: readonly Leadership[]): readonly NodeAddress[] {
    const present = this.#present?.address;
    const named = [...opinions, ...this.#promises.values()].map(({ address }) => address);
    const others = named.filter((address) => !isSame(address, present));
    return others.length === 0 || present === undefined ? others : [...others, present];
  }

  #isMaster(address: NodeAddress): boolean | undefined {
    const node = this.#questioned.get(nameOfAddress(address))?.node;
    return node?.usable === true ? node.replication?.role === 'master' : undefined;
  }

  /** It is a master, and takes writes as far as its replicas are concerned. */
  #isPromoted(address: NodeAddress): boolean {
    const node = this.#questioned.get(nameOfAddress(address))?.node;
    return this.#isMaster(address) === true && node?.replication?.lacksReplicas === false;
  }

  #moved(before: Leadership | undefined, { address, epoch }: Leadership): void {
    this.#deposed = before && { address: before.address, sinceMs: this.#deps.clock.now() };
    const from = before && nameOfAddress(before.address);
    this.#deps.log.info(
      { shard: this.#deps.name, master: nameOfAddress(address), from, epoch },
      'following the master',
    );
  }

  #follow(): void {
    const master = this.#present?.address;
    const deposed = this.#recentlyDeposed();
    const nowMs = this.#deps.clock.now();
    const lists = [...this.#reports.values()]
      .filter(({ askedAtMs }) => nowMs - askedAtMs < REPORT_MS_MAX)
      .filter((report) => master === undefined || isSame(report.master, master))
      .map(({ replicas }) => replicas);
    const kept = deposed === undefined ? [] : [deposed];
    const replicas = chooseReplicas({
      master,
      known: [...this.#nodes.replicas, ...kept],
      lists: lists.length === 0 ? [] : [...lists, kept.map((address) => ({ address, isHealthy: true }))],
    });
    const nodes = { master, replicas };
    if (isEqual(nodes, this.#nodes)) return;
    this.#nodes = nodes;
    this.#deps.onNodes(nodes);
  }

  /**
   * The last master, which becomes a replica: it is kept until the Sentinels list it, because closing its connection
   * would fail what is under way there.
   */
  #recentlyDeposed(): NodeAddress | undefined {
    const isRecent =
      this.#deposed !== undefined && this.#deps.clock.now() - this.#deposed.sinceMs < FAILOVER_MS_MAX;
    return isRecent ? this.#deposed?.address : undefined;
  }

  /** Asks these nodes from now on, again and again, and no others. */
  #question(addresses: readonly NodeAddress[]): void {
    const wanted = new Map(addresses.map((address) => [nameOfAddress(address), address]));
    for (const [name, { node }] of this.#questioned) {
      if (wanted.has(name)) continue;
      node.close();
      this.#questioned.delete(name);
    }
    for (const [name, address] of wanted) {
      if (this.#questioned.has(name)) continue;
      const node = new RedisNode(address, {
        clock: this.#deps.clock,
        log: this.#deps.log,
        readOnly: false,
        onLearned: () => this.decide(),
        onConnected: () => undefined,
        onLost: () => undefined,
      });
      this.#questioned.set(name, { node, tried: node.open() });
    }
    if (wanted.size === 0) {
      clearInterval(this.#questionTimer);
      this.#questionTimer = undefined;
    } else {
      this.#questionTimer ??= setInterval(() => {
        for (const { node } of this.#questioned.values()) void node.probe();
      }, QUESTION_EVERY_MS);
    }
  }
}

function isSame(a: NodeAddress, b: NodeAddress | undefined): boolean {
  return b !== undefined && nameOfAddress(a) === nameOfAddress(b);
}

function isEqual(a: ShardNodes, b: ShardNodes): boolean {
  const names = ({ master, replicas }: ShardNodes): string =>
    [master && nameOfAddress(master), ...replicas.map(nameOfAddress)].join(' ');
  return names(a) === names(b);
}
