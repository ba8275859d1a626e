// Composite keys of maps.

/**
 * Joins the parts so that no two keys give the same text, whatever characters they hold: a text is told with its length
 * before it. (As JSON it took five times as long, and whoever rates joins some keys for each line item.)
 */
export function keyText(...parts: readonly (string | number)[]): string {
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
