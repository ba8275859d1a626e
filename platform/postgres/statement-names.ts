// Names of statements that are sent again and again, by which Postgres keeps how it reads and does them: of a small
// write that is half of its work. For statements that find rows by their keys, which are done alike whatever the values
// are. A name is of one text for as long as the process lives, and there are few of them: a text beyond that has none.

const NAMES_MAX = 200;

const names = new Map<string, string>();

/** Undefined: it has none. */
export function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= NAMES_MAX) return known;
  const name = `tallyline_${names.size + 1}`;
  names.set(text, name);
  return name;
}
