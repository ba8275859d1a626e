// The parameters of reads. A read declares each of its own once, by what is here: how it is read from a URL, and what
// the OpenAPI document says of it. Each either means one thing or is refused with its name and the reason; none is
// passed over.
import { z } from 'zod';
import { fitsName, NAME_LENGTH_MAX } from '../name-text.ts';
import { Problem } from '../problem.ts';
import { parseRfc3339 } from '../time/rfc3339.ts';

/** As the HTTP server parses them: an array where a name is repeated. */
export type QueryParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a read takes. `filters`: besides these, `filter[NAME]=value` for any name. */
export interface ReadParameters<Shape extends z.ZodRawShape = z.ZodRawShape> {
  readonly schema: z.ZodObject<Shape, z.core.$strict>;
  readonly filters: boolean;
}

/** ClickHouse's DateTime ends in February 2106. */
export const LAST_INSTANT = Date.UTC(2106, 0, 1);
/** Longer than the name of any dimension. */
const FILTER = /^filter\[(.{0,256})\]$/s;

/** A name or value as an error may repeat it. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 64));

/** A text that is given once. Postgres holds none with a NUL character, so nothing can match one. */
const once = (what: string) =>
  z
    .string({ error: ({ input }) => (input === undefined ? `required, ${what}` : 'given more than once') })
    .refine((text) => !text.includes('\0'), { error: 'holds a NUL character', abort: true });

const TEXT = { type: 'string', pattern: '^[^\\u0000]*$' };

/** `description`: as the OpenAPI document has it. */
export const anyText = (description: string) => once(description).meta({ description, schema: TEXT });

/** What identifies an event, or belongs to its identity: as long as one can be. */
export const nameText = (description: string, { isOptional = false } = {}) =>
  once(description)
    .refine(fitsName, { error: 'longer than that of any event', abort: true })
    .refine((text) => isOptional || text !== '', { error: 'empty; no event has such' })
    .meta({ description, schema: { ...TEXT, ...(!isOptional && { minLength: 1 }), maxLength: NAME_LENGTH_MAX } });

/** `kept`: what has to be as it was for the page before. */
export const pageCursor = (kept = 'the same parameters') => {
  const description = `The nextCursor of the page before, with ${kept}`;
  return once(description)
    .optional()
    .meta({ description, schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' } });
};

/** What a parameter may not be by what is known beside it. */
export const invalidParameter = (parameter: string, why: string): Problem =>
  new Problem('invalid_parameter', `${parameter}: ${why}`);

/** What can't be asked for together, each of which is good by itself. */
export const conflict = (parameter: string, why: string): Problem =>
  new Problem('conflicting_parameters', `${parameter}: ${why}`);

/** Milliseconds since the epoch, within what the stores can hold. `what`: in words, for when it is missing. */
export const time = (what: string, description: string) =>
  once(what)
    .transform((given, context) => {
      // Python writes microseconds, and a bound needs none.
      const parsed = parseRfc3339(given.replace(/(\.\d{3})\d{1,9}(?!\d)/, '$1'));
      if (parsed !== null && parsed >= 0 && parsed <= LAST_INSTANT) return parsed;
      if (parsed !== null) {
        context.addIssue({ code: 'custom', message: `${quoted(given)} is not between 1970 and 2106` });
        return z.NEVER;
      }
      const hint = / \d\d:\d\d$/.test(given) ? ' (a + in a URL is written %2B)' : '';
      const message = `${quoted(given)} is no RFC 3339 time, such as 2026-11-20T10:00:00Z${hint}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .meta({ description: `${description}. From 1970 to 2106`, schema: { type: 'string', format: 'date-time' } });

/** One of a few words; `schema` where the document names the list. */
export const choice = <Word extends string>(words: readonly Word[], description: string, schema?: object) =>
  once(description)
    .transform((given, context): Word => {
      const word = words.find((candidate) => candidate === given);
      if (word !== undefined) return word;
      context.addIssue({ code: 'custom', message: `${quoted(given)} is none of ${words.join(', ')}` });
      return z.NEVER;
    })
    .meta({ description, schema: schema ?? { type: 'string', enum: words } });

/** `true` or `false`; without it, false. */
export const flag = (description: string) =>
  once(description)
    .transform((given, context) => {
      if (given === 'true' || given === 'false') return given === 'true';
      context.addIssue({ code: 'custom', message: `${quoted(given)} is neither true nor false` });
      return z.NEVER;
    })
    .default(false)
    .meta({ description, schema: { type: 'boolean', default: false } });

const numberUpTo = (maximum: number, description: string) =>
  once(description).transform((given, context) => {
    if (/^[1-9]\d{0,9}$/.test(given) && Number(given) <= maximum) return Number(given);
    context.addIssue({ code: 'custom', message: `${quoted(given)} is no whole number from 1 to ${maximum}` });
    return z.NEVER;
  });

/** A whole number from 1 to `maximum`. */
export const wholeNumber = (maximum: number, byDefault: number, description: string) =>
  numberUpTo(maximum, description)
    .default(byDefault)
    .meta({ description, schema: { type: 'integer', minimum: 1, maximum, default: byDefault } });

/** The same, where being without it means something else than any number. */
export const wholeNumberOrNone = (maximum: number, description: string) =>
  numberUpTo(maximum, description)
    .optional()
    .meta({ description, schema: { type: 'integer', minimum: 1, maximum } });

const values = z
  .preprocess((given) => (typeof given === 'string' ? [given] : given), z.array(once('')))
  .transform((given) => [...new Set(given)]);

/** Every value of a parameter that may be repeated, without repetitions. */
export const repeated = (description: string) =>
  values.default([]).meta({
    description,
    style: 'form',
    explode: true,
    schema: { type: 'array', items: { ...TEXT, minLength: 1 } },
  });

export const parametersOf = <Shape extends z.ZodRawShape>(
  shape: Shape,
  { filters = false } = {},
): ReadParameters<Shape> => {
  const known = [...Object.keys(shape), ...(filters ? ['filter[DIMENSION]'] : [])].join(', ');
  const error: z.core.$ZodErrorMap = (issue) =>
    issue.code === 'unrecognized_keys' ? `${quoted(issue.keys[0]!)}: unknown parameter; known are ${known}` : undefined;
  return { schema: z.strictObject(shape, { error }), filters };
};

/** For a read that takes none. */
export const noParameters = parametersOf({});

const refused = ({ issues }: z.ZodError): Problem => {
  const { code, path, message } = issues.find((issue) => issue.code === 'unrecognized_keys') ?? issues[0]!;
  return new Problem('invalid_parameter', code === 'unrecognized_keys' ? message : `${String(path[0])}: ${message}`);
};

/** Throws a `Problem` that names the parameter. */
export function readParameters<Shape extends z.ZodRawShape>(
  { schema, filters }: ReadParameters<Shape>,
  given: QueryParameters,
): z.output<z.ZodObject<Shape, z.core.$strict>> {
  const named = filters ? Object.entries(given).filter(([name]) => !FILTER.test(name)) : Object.entries(given);
  const read = schema.safeParse(Object.fromEntries(named));
  if (read.success) return read.data;
  throw refused(read.error);
}

/** The values of every `filter[NAME]`, with the parameter as an error may repeat it. Throws a `Problem`. */
export function readFilters(
  given: QueryParameters,
): readonly { readonly name: string; readonly parameter: string; readonly values: readonly string[] }[] {
  return Object.entries(given).flatMap(([key, value]) => {
    const name = FILTER.exec(key)?.[1];
    if (name === undefined) return [];
    const parameter = key.slice(0, 80);
    const read = values.safeParse(value);
    if (!read.success) throw new Problem('invalid_parameter', `${parameter}: ${read.error.issues[0]!.message}`);
    return [{ name, parameter, values: read.data }];
  });
}

interface Described {
  readonly description?: string;
  readonly style?: string;
  readonly explode?: boolean;
  /** What the document says of it, where JSON Schema can't be told from how it is read. */
  readonly schema?: object;
}

/** As the OpenAPI document has them. */
export function openApiParameters({ schema, filters }: ReadParameters): object[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const named = Object.entries(properties).map(([name, property]) => {
    const { schema: said, description, style, explode, ...own } = property as Described;
    return {
      name,
      in: 'query',
      ...(required.includes(name) && { required: true }),
      ...(description !== undefined && { description }),
      ...(style !== undefined && { style, explode }),
      schema: said ?? own,
    };
  });
  if (!filters) return named;
  const value = { oneOf: [TEXT, { type: 'array', items: TEXT }] };
  return [
    ...named,
    {
      name: 'filter',
      in: 'query',
      description:
        '`filter[DIMENSION]=value`, repeatable: any of the values of one dimension, and all of the dimensions.',
      style: 'deepObject',
      explode: true,
      schema: { type: 'object', additionalProperties: value },
    },
  ];
}
