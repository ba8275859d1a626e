// Composite keys of maps.

/**
 * Joins the parts so that no two keys give the same text, whatever characters they hold. What is encrypted, hashed and
 * stored is told by it (shards, vault): it is the same for ever.
 */
export const keyText = (...parts: readonly (string | number)[]): string => JSON.stringify(parts);

/**
 * The same for maps of a process, where nothing is kept: a text is told with its length before it. As JSON it takes
 * five times as long, and whoever rates joins some keys for each line item.
 */
export function mapKey(...parts: readonly (string | number)[]): string {
  let text = '';
  for (const part of parts) text += typeof part === 'number' ? `${part},` : `${part.length}:${part}`;
  return text;
}

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
