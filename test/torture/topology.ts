/**
 * The Redis processes below the gateways, as the rig sees them. A topology knows how to undo everything that was done
 * to it, so a fault may fail half-way without spoiling the end of a run.
 */
import { appliedCommands } from '../support/applied-commands';
import type { RedisProcess } from '../support/redis';
import type { AppliedWrite } from './history';

export interface Topology {
  /** Names of the shards. */
  readonly shards: readonly string[];
  /** All Redis servers. */
  readonly nodes: readonly RedisProcess[];
  /** Settings of the gateway that runs at that place. */
  settingsOf(place: string): Readonly<Record<string, string>>;
  shardOf(key: string): string;
  /** Where others than gateways reach the present master of a shard. */
  masterOf(shard: string): Promise<RedisProcess>;
  /** Ends whatever was done to it; resolves when all nodes run and the replicas have all that their masters wrote. */
  heal(): Promise<void>;
  /** What the masters applied, in their order; undefined where that cannot be told, after a change of masters. */
  applied(): Promise<readonly AppliedWrite[] | undefined>;
  stop(): Promise<void>;
}

/** Keeps count of what is down or frozen. */
export class Nodes {
  readonly all: readonly RedisProcess[];
  readonly #down = new Set<RedisProcess>();
  readonly #frozen = new Set<RedisProcess>();

  constructor(all: readonly RedisProcess[]) {
    this.all = all;
  }

  async kill(node: RedisProcess): Promise<void> {
    this.#down.add(node);
    await node.kill();
  }

  async restart(node: RedisProcess): Promise<void> {
    await node.restart();
    this.#down.delete(node);
  }

  freeze(node: RedisProcess): void {
    this.#frozen.add(node);
    node.freeze();
  }

  thaw(node: RedisProcess): void {
    node.thaw();
    this.#frozen.delete(node);
  }

  async healAll(): Promise<void> {
    for (const node of this.#frozen) this.thaw(node);
    await Promise.all([...this.#down].map((node) => this.restart(node)));
  }
}

/** In the order of the node's append-only file, since it was last emptied. */
export async function writesAppliedBy(node: Pick<RedisProcess, 'folder'>): Promise<AppliedWrite[]> {
  const commands = await appliedCommands(node);
  const emptied = commands.findLastIndex(({ name }) => name === 'FLUSHALL');
  return commands
    .slice(emptied + 1)
    .flatMap(({ name, key, value }) =>
      name === 'SET' && value !== undefined
        ? [{ key: Buffer.from(key, 'latin1').toString(), value: value.toString() }]
        : [],
    );
}
