/**
 * Who owns which of a cluster's 16,384 slots, as pure functions over what a node says. A key's slot is the CRC16 of the
 * key, or of its hash tag.
 */
import type { Key } from '../core/command';
import { idsOf, inOrder, type ClusterGroup } from '../redis/cluster-topology';
import { tagOf, type Point } from './hash-ring';

/** 0 to 16,383. */
export type Slot = number;

export const SLOTS = 16_384;

/**
 * CRC-16/XMODEM of each byte. Ours and not npm's `cluster-key-slot`, which has `foo{}{bar}` in slot 4015 where Redis has
 * it in 8363: behind an empty pair of braces it looks for a tag once more.
 */
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** A key is a byte string, so its characters are the bytes. */
export function slotOf(key: Key): Slot {
  const hashed = tagOf(key);
  let crc = 0;
  for (let index = 0; index < hashed.length; index += 1) {
    crc = ((crc << 8) ^ (CRC16[((crc >> 8) ^ hashed.charCodeAt(index)) & 0xff] ?? 0)) & 0xffff;
  }
  return crc % SLOTS;
}

/** Where a ring over the shard's replicas places the slot: neighbours, which one shard owns, lie far apart. */
export function pointOfSlot(slot: Slot): Point {
  // Knuth's multiplier, 2³² divided by the golden ratio.
  return Math.imul(slot, 2_654_435_761) >>> 0;
}

/** For each slot the index of its group; −1: nobody owns it. */
export function ownersOf(groups: readonly ClusterGroup[]): Int32Array {
  const owners = new Int32Array(SLOTS).fill(-1);
  for (const [index, { slots }] of groups.entries()) {
    for (const [first, last] of slots) owners.fill(index, first, last + 1);
  }
  return owners;
}

/** A shard by the ids of its nodes. */
export interface Known {
  readonly masterId: string;
  readonly ids: ReadonlySet<string>;
}

/** A group, and the known shard that it goes on with; undefined: it is new. */
export interface Succession<K> {
  readonly group: ClusterGroup;
  readonly heir: K | undefined;
}

/**
 * Who goes on as what. A shard is whoever its nodes were, through every failover; where nodes have changed places, the
 * master counts more than a replica.
 *
 * A master that has just lost a failover stands in some views for a moment as a master without slots. It is still of
 * its shard, of whose commands it may owe the answers: so it counts as a replica there.
 */
export function succeed<K extends Known>(
  groups: readonly ClusterGroup[],
  known: readonly K[],
): Succession<K>[] {
  const left = new Set(known);
  const owners = match(
    groups.filter(({ slots }) => slots.length > 0),
    left,
  );
  const others: ClusterGroup[] = [];
  for (const group of groups) {
    if (group.slots.length > 0) continue;
    const index = owners.findIndex(({ heir }) => heir?.ids.has(group.master.id) === true);
    const owner = owners[index];
    if (owner === undefined) others.push(group);
    else owners[index] = { ...owner, group: joined(owner.group, group) };
  }
  return [...owners, ...match(others, left)];
}

/** Takes the heirs out of `left`. */
function match<K extends Known>(groups: readonly ClusterGroup[], left: Set<K>): Succession<K>[] {
  const heirs = new Map<ClusterGroup, K>();
  const rules: ((group: ClusterGroup, shard: K) => boolean)[] = [
    ({ master }, shard) => shard.masterId === master.id,
    ({ master }, shard) => shard.ids.has(master.id),
    (group, shard) => idsOf(group).some((id) => shard.ids.has(id)),
  ];
  for (const isSame of rules) {
    for (const group of groups) {
      const heir = heirs.has(group) ? undefined : [...left].find((shard) => isSame(group, shard));
      if (heir === undefined) continue;
      heirs.set(group, heir);
      left.delete(heir);
    }
  }
  return groups.map((group) => ({ group, heir: heirs.get(group) }));
}

function joined(group: ClusterGroup, demoted: ClusterGroup): ClusterGroup {
  return { ...group, replicas: inOrder([...group.replicas, demoted.master, ...demoted.replicas]) };
}
