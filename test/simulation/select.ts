// The part of ClickHouse's SELECT that the aggregator uses, read from its statements: a table, with FINAL or without, or grouped
// by what names a row; conditions `column op {param:Type}` joined by AND; and one of two lists of columns. So what the simulation runs is the text that
// ClickHouse runs: a forgotten FINAL or a condition left out does there what it would do in production.

/** `place` is the offset of an event or reject, and the chunk of a roll-up. */
type Column = 'generation' | 'partition' | 'place' | 'epoch';

/** Of each column the least and the greatest value that is asked for. */
export type Bounds = Readonly<Record<Column, { readonly from: number; readonly to: number }>>;

export interface Select {
  readonly table: string;
  /** Which versions of a row: the one that counts, all, or of those that meet the conditions the one of the highest (lowest) version. */
  readonly versions: 'final' | 'all' | 'newest' | 'oldest';
  readonly columns: 'count and checksum' | 'index';
  boundsOf(params: Readonly<Record<string, unknown>>): Bounds;
}

const parsed = new Map<string, Select>();

export function parseSelect(sql: string): Select {
  let select = parsed.get(sql);
  if (select === undefined) {
    select = parse(sql);
    parsed.set(sql, select);
  }
  return select;
}

const checksums: Readonly<Record<string, string>> = {
  usage_events: 'sum(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))',
  usage_rollups: 'sum(row_hash)',
  event_rejects: 'sum(xxHash64(bytes))',
};
const INDEX_COLUMNS =
  'dedup_key, payload_hash, toUnixTimestamp64Milli(greatest(accepted_at, event_time)), offset, epoch';

/** The roll-ups' one version of each row, picked by hand. */
const PICKED =
  /^SELECT (.+) FROM \( ?SELECT (argMax|argMin)\(row_hash, version\) AS row_hash FROM usage_rollups WHERE (.+) GROUP BY tenant, meter, subject, window_start, group_values\)$/;
const SELECT = /^SELECT (.+) FROM (\w+)( FINAL)? WHERE (.+?)( ORDER BY offset, index)?$/;
const CONDITION = /^(\w+) (=|>=|<=|<|>) \{(\w+):\w+\}$/;

function parse(sql: string): Select {
  const text = sql.replaceAll(/\s+/g, ' ').trim();
  const picked = PICKED.exec(text);
  if (picked !== null) {
    const [, list, pick, where] = picked as unknown as [string, string, string, string];
    const plain = parse(`SELECT ${list} FROM usage_rollups WHERE ${where}`);
    return { ...plain, versions: pick === 'argMax' ? 'newest' : 'oldest' };
  }
  const match = SELECT.exec(text);
  if (match === null)
    throw new Error(`the simulation can't read this statement; teach test/simulation/select.ts: ${sql}`);
  const [, list, table, final, where] = match as unknown as [string, string, string, string | undefined, string];
  const isIndex = list === INDEX_COLUMNS;
  if (!isIndex && list !== `count() AS count, ${checksums[table]} AS checksum`) {
    throw new Error(`the simulation does not know these columns of ${table}: ${list}`);
  }
  const conditions = where.split(' AND ').map((text) => {
    const condition = CONDITION.exec(text.trim());
    if (condition === null) throw new Error(`the simulation can't read this condition: ${text}`);
    const [, name, operator, param] = condition as unknown as [string, string, string, string];
    return { column: columnOf(table, name), operator, param };
  });
  const boundsOf = (params: Readonly<Record<string, unknown>>): Bounds => {
    const bounds = { generation: all(), partition: all(), place: all(), epoch: all() };
    for (const { column, operator, param } of conditions) {
      if (params[param] === undefined) throw new Error(`no value for {${param}}`);
      narrow(bounds[column], operator, Number(params[param]));
    }
    return bounds;
  };
  return {
    table,
    versions: final === undefined ? 'all' : 'final',
    columns: isIndex ? 'index' : 'count and checksum',
    boundsOf,
  };
}

function columnOf(table: string, name: string): Column {
  if (name === 'generation' || name === 'partition' || name === 'epoch') return name;
  if (name === (table === 'usage_rollups' ? 'chunk' : 'offset')) return 'place';
  throw new Error(`the simulation has no column ${name} of ${table}`);
}

const all = (): { from: number; to: number } => ({ from: 0, to: Number.POSITIVE_INFINITY });

/** Every column holds whole numbers. */
function narrow(bound: { from: number; to: number }, operator: string, value: number): void {
  if (operator === '=' || operator === '>=') bound.from = Math.max(bound.from, value);
  if (operator === '=' || operator === '<=') bound.to = Math.min(bound.to, value);
  if (operator === '>') bound.from = Math.max(bound.from, value + 1);
  if (operator === '<') bound.to = Math.min(bound.to, value - 1);
}
