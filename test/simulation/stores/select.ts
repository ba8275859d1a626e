// The part of ClickHouse's SELECT that the aggregator uses, read from its statements: a table, with FINAL or without,
// or grouped by what names a row; conditions `column op {param:Type}` or `(columns) IN {param:Type}` joined by AND; and
// one of three lists of columns. So what the simulation runs is the text that ClickHouse runs: a forgotten FINAL or a
// condition left out does there what it would do in production.

/** `place` is the offset of an event or reject, and the chunk of a roll-up or total. */
type Column = 'generation' | 'partition' | 'place' | 'epoch' | 'revision';

/** Of each column the least and the greatest value that is asked for. */
export type Bounds = Readonly<Record<Column, { readonly from: number; readonly to: number }>>;

export interface Select {
  readonly table: string;
  /**
   * Which versions of a row: the one that counts, all, or of those that meet the conditions the one of the highest
   * (lowest) version.
   */
  readonly versions: 'final' | 'all' | 'newest' | 'oldest';
  readonly columns: 'count and checksum' | 'chunks' | 'index' | 'events';
  /** Of each of the places that are asked for. */
  boundsOf(params: Readonly<Record<string, unknown>>): readonly Bounds[];
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
  usage_totals: 'sum(row_hash)',
  event_rejects: 'sum(xxHash64(bytes))',
};
const INDEX_COLUMNS =
  'dedup_key, payload_hash, toUnixTimestamp64Milli(greatest(accepted_at, event_time)), offset, epoch';

/** What a recount is made from. */
const EVENT_COLUMNS =
  'toString(offset), index, toString(epoch), tenant, subject, type, toString(toUnixTimestamp64Milli(event_time)), ' +
  'toString(toUnixTimestamp64Milli(accepted_at)), data, ' +
  'toString(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))';

/** The one version of each roll-up or total, picked by hand, and what is told of each chunk. */
const PICKED =
  /^SELECT partition, chunk, epoch, (.+) FROM \( ?SELECT partition, chunk, epoch, (argMax|argMin)\(row_hash, version\) AS row_hash FROM (\w+) WHERE (.+) GROUP BY partition, chunk, epoch, (.+)\) GROUP BY partition, chunk, epoch$/;
/** What names a row within its chunk. */
const KEYS: Readonly<Record<string, string>> = {
  usage_rollups: 'tenant, meter, subject, window_start, group_values',
  usage_totals: 'tenant, meter, window_start, group_values',
};
const SELECT = /^SELECT (.+) FROM (\w+)( FINAL)? WHERE (.+?)( ORDER BY offset, index)?$/;
const CONDITION = /^(\w+) (=|>=|<=|<|>) \{(\w+):\w+\}$/;
const ONE_OF = /^\(([\w, ]+)\) IN \{(\w+):Array\(Tuple\([\w, ]+\)\)\}$/;
const TUPLE = /\(([\d,]+)\)/g;

function parse(sql: string): Select {
  const text = sql.replaceAll(/\s+/g, ' ').trim();
  const picked = PICKED.exec(text);
  if (picked !== null) {
    const [, list, pick, table, where, keys] = picked as unknown as [string, string, string, string, string, string];
    if (keys !== KEYS[table]) throw new Error(`rows of ${table} are not named by ${keys}`);
    const plain = parse(`SELECT ${list} FROM ${table} WHERE ${where}`);
    return { ...plain, columns: 'chunks', versions: pick === 'argMax' ? 'newest' : 'oldest' };
  }
  const match = SELECT.exec(text);
  if (match === null)
    throw new Error(`the simulation can't read this statement; teach test/simulation/stores/select.ts: ${sql}`);
  const [, list, table, final, where] = match as unknown as [string, string, string, string | undefined, string];
  const isIndex = list === INDEX_COLUMNS;
  const isEvents = list === EVENT_COLUMNS;
  if (!isIndex && !isEvents && list !== `count() AS count, ${checksums[table]} AS checksum`) {
    throw new Error(`the simulation does not know these columns of ${table}: ${list}`);
  }
  const conditions = where.split(' AND ').map((text) => conditionOf(table, text.trim()));
  const boundsOf = (params: Readonly<Record<string, unknown>>): Bounds[] =>
    conditions.reduce((bounds, condition) => bounds.flatMap((each) => condition(each, params)), [EVERYWHERE]);
  return {
    table,
    versions: final === undefined ? 'all' : 'final',
    columns: isIndex ? 'index' : isEvents ? 'events' : 'count and checksum',
    boundsOf,
  };
}

/** What is left of the bounds where the condition holds. */
type Condition = (bounds: Bounds, params: Readonly<Record<string, unknown>>) => readonly Bounds[];

function conditionOf(table: string, text: string): Condition {
  const boundValue = (params: Readonly<Record<string, unknown>>, param: string): unknown => {
    if (params[param] === undefined) throw new Error(`no value for {${param}}`);
    return params[param];
  };
  const oneOf = ONE_OF.exec(text);
  if (oneOf !== null) {
    const [, names, param] = oneOf as unknown as [string, string, string];
    const columns = names.split(', ').map((name) => columnOf(table, name));
    return (bounds, params) =>
      [...String(boundValue(params, param)).matchAll(TUPLE)].map(([, tuple]) => {
        const values = tuple!.split(',').map(Number);
        return columns.reduce((each, column, i) => narrowed(each, column, '=', values[i]!), bounds);
      });
  }
  const condition = CONDITION.exec(text);
  if (condition === null) throw new Error(`the simulation can't read this condition: ${text}`);
  const [, name, operator, param] = condition as unknown as [string, string, string, string];
  const column = columnOf(table, name);
  return (bounds, params) => [narrowed(bounds, column, operator, Number(boundValue(params, param)))];
}

function columnOf(table: string, name: string): Column {
  if (name === 'generation' || name === 'partition' || name === 'epoch') return name;
  if (name === 'revision' && KEYS[table] !== undefined) return name;
  if (name === (KEYS[table] === undefined ? 'offset' : 'chunk')) return 'place';
  throw new Error(`the simulation has no column ${name} of ${table}`);
}

const ALL = { from: 0, to: Number.POSITIVE_INFINITY };
const EVERYWHERE: Bounds = { generation: ALL, partition: ALL, place: ALL, epoch: ALL, revision: ALL };

/** Every column holds whole numbers. */
function narrowed(bounds: Bounds, column: Column, operator: string, value: number): Bounds {
  let { from, to } = bounds[column];
  if (operator === '=' || operator === '>=') from = Math.max(from, value);
  if (operator === '=' || operator === '<=') to = Math.min(to, value);
  if (operator === '>') from = Math.max(from, value + 1);
  if (operator === '<') to = Math.min(to, value - 1);
  return { ...bounds, [column]: { from, to } };
}
