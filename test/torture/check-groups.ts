/** `Map.groupBy`, which Node 20 lacks. */

/** The items by their groups, in their order. Those whose group is undefined are left out. */
export function groupedBy<Item>(
  items: readonly Item[],
  groupOf: (item: Item) => string | undefined,
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const name = groupOf(item);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}
