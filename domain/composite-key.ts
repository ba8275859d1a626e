// Composite keys of maps.

/** Joins the parts so that no two keys give the same text, whatever characters they hold. */
export const keyText = (...parts: readonly (string | number)[]): string => JSON.stringify(parts);

/** The items by key, in the order in which keys and items first come. */
export function groupBy<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
