// The part of ClickHouse's SELECT that the aggregator uses, read from its statements: a table, with FINAL or without, conditions
// `column op {param:Type}` joined by AND, and one of two lists of columns. So what the simulation runs is the text that
// ClickHouse runs: a forgotten FINAL or a condition left out does there what it would do in production.

export interface RowFilter {
  (params: Readonly<Record<string, unknown>>): (row: Readonly<Record<string, number>>) => boolean;
  /** Whether rows of one partition of the log only are asked for. */
  isByPartition: boolean;
  /** Bounds, both included, of the offsets or chunks that are asked for; null: none. The filter still decides. */
  rangeOf(params: Readonly<Record<string, unknown>>): { readonly from: number; readonly to: number } | null;
}

export interface Select {
  readonly table: string;
  readonly isFinal: boolean;
  readonly columns: 'count and checksum' | 'index';
  readonly filter: RowFilter;
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
  'hex(dedup_key), toString(payload_hash), toUnixTimestamp64Milli(greatest(accepted_at, event_time)), offset, toString(epoch)';

const SELECT = /^SELECT (.+) FROM (\w+)( FINAL)? WHERE (.+?)( ORDER BY offset, index)?$/;
const CONDITION = /^(\w+) (=|>=|<=|<|>) \{(\w+):\w+\}$/;

function parse(sql: string): Select {
  const match = SELECT.exec(sql.replaceAll(/\s+/g, ' ').trim());
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
    const [, column, operator, param] = condition as unknown as [string, string, string, string];
    return { column, operator, param };
  });
  const filter = ((params: Readonly<Record<string, unknown>>) => {
    const bound = conditions.map(({ column, operator, param }) => {
      if (params[param] === undefined) throw new Error(`no value for {${param}}`);
      return { column, operator, value: Number(params[param]) };
    });
    return (row: Readonly<Record<string, number>>): boolean => {
      for (const { column, operator, value } of bound) if (!holds(row[column]!, operator, value)) return false;
      return true;
    };
  }) as RowFilter;
  filter.isByPartition = conditions.some(({ column, operator }) => column === 'partition' && operator === '=');
  filter.rangeOf = (params) => {
    let from = 0;
    let to = Number.POSITIVE_INFINITY;
    for (const { column, operator, param } of conditions) {
      if (column !== 'offset' && column !== 'chunk') continue;
      const value = Number(params[param]);
      if (operator !== '<' && operator !== '<=') from = Math.max(from, value);
      if (operator !== '>' && operator !== '>=') to = Math.min(to, value);
    }
    return to === Number.POSITIVE_INFINITY ? null : { from, to };
  };
  return { table, isFinal: final !== undefined, columns: isIndex ? 'index' : 'count and checksum', filter };
}

function holds(left: number, operator: string, right: number): boolean {
  switch (operator) {
    case '=':
      return left === right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
