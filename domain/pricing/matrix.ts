// matrix: rates by the values of one or several dimensions of the meter. A cell names a value of each, or `*` for any,
// and is a price by itself: a rate, packages or tiers, with a quantity of its own. What no cell matches is not priced.
import { aggregationRules } from '../aggregation/aggregations.ts';
import { type Field, isAbsent, readChoice, readList, readMap, readText, refuse } from '../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../fields/definition-form.ts';
import type { Meter } from '../metering/meter.ts';
import { type AroundPrice, aroundSchema, aroundTerms, readAround } from './around/around-price.ts';
import type { PriceContext, UsageModel, UsagePriceFields } from './price-model.ts';
import { type SinglePrice, singleModelNames, singleModelOf } from './single-models.ts';

export const ANY_VALUE = '*';
const DIMENSIONS_MAX = 4;
const CELLS_MAX = 10_000;

type CellModel = SinglePrice['model'];

/** Beside its values, the fields of its model. */
export interface MatrixCell extends Pick<AroundPrice, 'included' | 'maximum'> {
  /** In the order of the dimensions. */
  readonly values: readonly string[];
  readonly model: CellModel;
}

export interface MatrixPrice extends UsagePriceFields {
  readonly model: 'matrix';
  readonly dimensions: readonly string[];
  readonly cells: readonly MatrixCell[];
}

const DEFAULT_MODEL: CellModel = 'per_unit';

function readDimensions(field: Field, { meter, match }: PriceContext): readonly string[] | null {
  const list = readList(field, DIMENSIONS_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one dimension of the meter');
  const known = meter?.dimensions.map(({ name }) => name);
  const names = list.map((each, i) => {
    const name = readText(each);
    if (name === null) return null;
    if (known !== undefined && !known.includes(name)) {
      const has = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
      return refuse(each, `is not in groupBy of meter ${JSON.stringify(meter?.slug)}: ${has}`);
    }
    if (list.slice(0, i).some(({ value }) => value === name)) return refuse(each, `${name} is there twice`);
    if (match !== null && Object.hasOwn(match, name))
      return refuse(each, `is in match too, where it has one value: leave it out of one of them`);
    return name;
  });
  return names.every((name) => name !== null) ? names : null;
}

function readValues(field: Field, count: number): readonly string[] | null {
  const list = readList(field, DIMENSIONS_MAX);
  if (list === null) return null;
  if (list.length !== count)
    return refuse(field, `has ${list.length} values, and the matrix ${count} dimensions: one for each`);
  const values = list.map((each) => (each.value === '' ? '' : readText(each)));
  return values.every((value) => value !== null) ? values : null;
}

function readCell(field: Field, count: number, context: PriceContext): MatrixCell | null {
  const { value } = field;
  const given = typeof value === 'object' && value !== null ? (value as { readonly model?: unknown }).model : undefined;
  const at: Field = { source: field.source, path: [...field.path, 'model'], value: given };
  const name = isAbsent(at) ? DEFAULT_MODEL : readChoice(at, singleModelNames);
  if (name === null) return null;
  const model = singleModelOf(name);
  const fields = readMap<string>(field, ['values', 'model', ...Object.keys(model.schema), 'included', 'maximum']);
  if (fields === null) return null;
  const values = readValues(fields.values!, count);
  const own = model.read(fields, context);
  const absent: Field = { ...field, value: undefined };
  const around = readAround({
    ...{ included: fields.included!, maximum: fields.maximum! },
    ...{ discounts: absent, minimum: absent },
  });
  return values === null || own === null || around === null
    ? null
    : ({ values, model: name, ...own, ...around } as MatrixCell);
}

function readCells(field: Field, count: number, context: PriceContext): readonly MatrixCell[] | null {
  const list = readList(field, CELLS_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one cell');
  const first = new Map<string, number>();
  let isSound = true;
  const cells = list.flatMap((each, i) => {
    const cell = readCell(each, count, context);
    if (cell === null) {
      isSound = false;
      return [];
    }
    const key = JSON.stringify(cell.values);
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, i);
    else {
      isSound = false;
      refuse({ ...each, path: [...each.path, 'values'] }, `are those of cell ${earlier} already`);
    }
    return [cell];
  });
  // In one order, so that files that say the same in another are the same.
  return isSound ? cells.sort((a, b) => (JSON.stringify(a.values) < JSON.stringify(b.values) ? -1 : 1)) : null;
}

/** What several group values of a cell come to is then known from their values. */
const mergesByValue = ({ aggregation }: Meter): boolean =>
  aggregation !== 'latest' && !aggregationRules(aggregation).needsFirstSeen;

const cellSchema: JsonSchema = {
  type: 'object',
  required: ['values'],
  properties: {
    values: {
      type: 'array',
      minItems: 1,
      maxItems: DIMENSIONS_MAX,
      items: { oneOf: [{ const: '' }, { $ref: '#/$defs/text' }] },
      description: 'One for each dimension, in their order; "*": any value.',
    },
    model: { enum: singleModelNames, default: DEFAULT_MODEL },
  },
  allOf: singleModelNames.map((name) => {
    const { schema, optional = [] } = singleModelOf(name);
    return {
      // One that is left out is the default: then the condition of that one holds.
      if: {
        ...(name === DEFAULT_MODEL ? {} : { required: ['model'] }),
        properties: { model: { const: name } },
      },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: {
        required: Object.keys(schema).filter((key) => !optional.includes(key)),
        additionalProperties: false,
        properties: {
          ...{ values: true, model: true, ...schema },
          ...{ included: aroundSchema.included, maximum: aroundSchema.maximum },
        },
      },
    };
  }),
};

export const matrix: UsageModel<MatrixPrice> = {
  schema: {
    dimensions: {
      type: 'array',
      minItems: 1,
      maxItems: DIMENSIONS_MAX,
      uniqueItems: true,
      items: { $ref: '#/$defs/text' },
      description: 'Of the meter.',
    },
    cells: { type: 'array', minItems: 1, maxItems: CELLS_MAX, items: cellSchema },
  },
  read(fields, context) {
    const dimensions = readDimensions(fields.dimensions, context);
    if (context.meter !== null && !mergesByValue(context.meter))
      return refuse(
        fields.dimensions,
        `a matrix is of a meter of sum, count, max or min: what several values of a ${context.meter.aggregation} come to in a cell is not told by them`,
        'key',
      );
    if (dimensions === null) return null;
    const cells = readCells(fields.cells, dimensions.length, context);
    return cells === null ? null : { dimensions, cells };
  },
  terms: ({ dimensions, cells }) => ({
    dimensions: `[${dimensions.join(', ')}]`,
    ...Object.fromEntries(cells.map((cell) => [`cell [${cell.values.join(', ')}]`, cellText(cell)])),
  }),
  amount: () => notOfCells(),
  isFree: () => notOfCells(),
  // Each cell says it for itself.
  carries: () => true,
};

function cellText({ values: _, model, ...fields }: MatrixCell): string {
  const { included, maximum, ...own } = fields;
  const terms: Terms = { ...singleModelOf(model).terms(own), ...aroundTerms({ included, maximum } as AroundPrice) };
  return [model, ...Object.entries(terms).map(([name, text]) => `${name} ${text}`)].join(' ');
}

function notOfCells(): never {
  throw new RangeError('a matrix has an amount for each cell');
}
