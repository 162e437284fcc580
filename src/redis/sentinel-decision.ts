/**
 * Which node is the master, as pure functions of what Sentinels and nodes say. A Sentinel's word alone moves nothing:
 * the node itself must say that it is a master. And a master's own word alone moves nothing either, since a deposed
 * one believes in itself until a Sentinel tells it otherwise. Between masters that believe in themselves the config
 * epoch decides, which rises with each failover; but nobody waits for an epoch:
 *
 * - A Sentinel that missed a failover, or that was frozen during it, reports the deposed master under a lower epoch:
 *   it neither blocks the others nor moves us back.
 * - A Sentinel that reports a node which is no master, under whatever epoch, moves nothing. If its epoch is the
 *   highest it cannot block either: what more than half of all Sentinels say stands against it.
 * - Sentinels that were set up anew begin again at epoch 0: their majority moves us to a lower epoch, once nobody
 *   names our master any more and it does not say itself that it is one.
 */
import { nameOfAddress, type NodeAddress } from './client';
import type { ReportedReplica } from './sentinel-replies';

/** A master, and the epoch in which it became that. */
export interface Leadership {
  readonly address: NodeAddress;
  readonly epoch: number;
}

export interface Evidence {
  /** Whom we follow now. */
  readonly present: Leadership | undefined;
  /** The word of each Sentinel that has answered lately. */
  readonly opinions: readonly Leadership[];
  /** How many Sentinels there are, with those that do not answer. */
  readonly sentinels: number;
  /** What the node itself says; undefined: it has not been asked, or does not answer. */
  readonly isMaster: (address: NodeAddress) => boolean | undefined;
}

/** Whom to follow from now on; the present master where nothing better is certain. */
export function chooseMaster(evidence: Evidence): Leadership | undefined {
  const { opinions, sentinels, isMaster } = evidence;
  const present = evidence.present && raised(evidence.present, opinions);
  const newest = Math.max(-1, ...opinions.map(({ epoch }) => epoch));
  const isDeserted =
    present === undefined ||
    (!opinions.some((opinion) => isSame(opinion, present)) && isMaster(present.address) !== true);

  let best: Leadership | undefined;
  for (const opinion of opinions) {
    if (present !== undefined && isSame(opinion, present)) continue;
    if (isMaster(opinion.address) !== true) continue;
    const isNewer = present === undefined || opinion.epoch > present.epoch;
    const votes = opinions.filter((other) => isSame(other, opinion)).length;
    const isBelieved = (isNewer && opinion.epoch === newest) || votes * 2 > sentinels;
    if (!isBelieved || !(isNewer || isDeserted)) continue;
    if (best === undefined || opinion.epoch > best.epoch) best = opinion;
  }
  return best === undefined ? present : raised(best, opinions);
}

export interface ReplicaEvidence {
  readonly master: NodeAddress | undefined;
  /** Those that we have now. */
  readonly known: readonly NodeAddress[];
  /** What the Sentinels that name this master say, one after the other; none: nobody does now. */
  readonly lists: readonly (readonly ReportedReplica[])[];
}

/**
 * The master's replicas, in an order that depends on nothing but their addresses. One that is down stays, because
 * we find that out ourselves and its return should move no key; one that all Sentinels have forgotten goes.
 */
export function chooseReplicas({ master, known, lists }: ReplicaEvidence): readonly NodeAddress[] {
  const knownNames = new Set(known.map(nameOfAddress));
  const listed = lists
    .flat()
    .filter(({ address, isHealthy }) => isHealthy || knownNames.has(nameOfAddress(address)))
    .map(({ address }) => address);
  const byName = new Map(
    (lists.length === 0 ? known : listed).map((address) => [nameOfAddress(address), address]),
  );
  if (master !== undefined) byName.delete(nameOfAddress(master));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address);
}

/** Under the highest epoch in which somebody reports it. */
function raised(leadership: Leadership, opinions: readonly Leadership[]): Leadership {
  const epochs = opinions.filter((other) => isSame(other, leadership)).map(({ epoch }) => epoch);
  return { address: leadership.address, epoch: Math.max(leadership.epoch, ...epochs) };
}

function isSame(a: Leadership, b: Leadership): boolean {
  return nameOfAddress(a.address) === nameOfAddress(b.address);
}
