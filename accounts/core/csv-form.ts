// Rows of CSV as objects: a column for each field that is no object, and `billingAddress.city` for a member of one that
// is. An empty cell is a field left out.

export interface CsvForm {
  /** The fields that are no objects, with the id. */
  readonly plain: readonly string[];
  /** By field that is an object, its members; null: any. */
  readonly objects: Readonly<Record<string, readonly string[] | null>>;
}

/** `metadata.KEY` as field and member; null: it has no member. */
function memberOf(name: string): readonly [field: string, member: string] | null {
  const dot = name.indexOf('.');
  return dot === -1 ? null : [name.slice(0, dot), name.slice(dot + 1)];
}

function isColumn({ plain, objects }: CsvForm, name: string): boolean {
  const [field, member] = memberOf(name) ?? [];
  if (field === undefined || member === undefined) return plain.includes(name);
  if (!Object.hasOwn(objects, field)) return false;
  return objects[field]?.includes(member) ?? member !== '';
}

/** What is wrong with the first line of a CSV file; null: nothing. */
export function headerFault(form: CsvForm, columns: readonly string[]): string | null {
  const unknown = columns.find((name) => !isColumn(form, name));
  if (unknown !== undefined) {
    const members = Object.entries(form.objects).flatMap(([field, of]) =>
      (of ?? ['KEY']).map((key) => `${field}.${key}`),
    );
    const known = [...form.plain, ...members].join(', ');
    return `${JSON.stringify(unknown.slice(0, 64))} is an unknown column; known are ${known}`;
  }
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) return `the column ${JSON.stringify(twice.slice(0, 64))} is there twice`;
  return columns.includes('id') ? null : 'there is no column id';
}

/** The cells of a row as the object that PUT takes, with the id. Throws an `Error` where there are more or fewer. */
export function rowOfCells(columns: readonly string[], cells: readonly string[]): Record<string, unknown> {
  if (cells.length !== columns.length)
    throw new Error(`it has ${cells.length} cells, and the first line ${columns.length}`);
  const fields: [string, unknown][] = [];
  const objects = new Map<string, [string, string][]>();
  for (const [i, name] of columns.entries()) {
    const cell = cells[i]!;
    if (cell === '') continue;
    const [field, member] = memberOf(name) ?? [];
    if (field === undefined || member === undefined) fields.push([name, cell]);
    else objects.set(field, [...(objects.get(field) ?? []), [member, cell]]);
  }
  for (const [field, members] of objects) fields.push([field, Object.fromEntries(members)]);
  return Object.fromEntries(fields);
}
