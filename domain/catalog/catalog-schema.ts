// The JSON Schema of a catalog, for completion and checks in an editor. It is made of what the readers know: their
// bounds, the aggregations, the windows and the price models. The readers decide; catalog-schema.test.ts holds both to
// the same judgement. schemas/catalog/catalog.schema.json is what `tallyline catalog schema` prints.
import { type Aggregation, aggregationRules, aggregations } from '../aggregation/aggregations.ts';
import type { JsonSchema } from '../fields/definition-form.ts';
import { eventPathPattern, singularPathPattern } from '../metering/event-path.ts';
import { DEFAULT_WINDOW, meterDefaults, whenUnreadable } from '../metering/meter.ts';
import { CONDITION_VALUES_MAX, CONDITIONS_MAX, DIMENSIONS_MAX, VALUE_LENGTH_MAX } from '../metering/meter-fields.ts';
import { singularValuePattern, valuePattern } from '../metering/value-expression.ts';
import { precisions } from '../number/quantity.ts';
import { BOOKS_MAX, priceBookSchema } from '../pricing/book/price-book.ts';
import { planMinimumSchema } from '../pricing/plan-minimum.ts';
import { priceSchema } from '../pricing/prices.ts';
import { windowSizes } from '../time/time-window.ts';
import { afterEnds, planDefaults, trialUsages } from './catalog.ts';
import { METERS_MAX, PLANS_MAX, PRICES_MAX } from './catalog-file.ts';

const joins = (name: Aggregation): boolean => aggregationRules(name).joinValues !== null;
const isSum = (name: Aggregation): boolean => aggregationRules(name).isSum;
const isNumeric = (name: Aggregation): boolean => aggregationRules(name).reads === 'quantity';

const catalogSchema = (): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:tallyline:catalog',
  title: 'Tallyline catalog',
  description:
    'What is metered and what it costs. For editors: `tallyline catalog diff FILE` checks more than a JSON Schema can say. docs/use/catalog.md explains every key.',
  type: 'object',
  required: ['currency'],
  additionalProperties: false,
  properties: {
    currency: {
      type: 'string',
      pattern: '^[A-Z]{3}$',
      description: "ISO 4217 code. All amounts are in it; it can't be changed later.",
    },
    meters: {
      type: 'array',
      maxItems: METERS_MAX,
      items: {
        $ref: '#/$defs/meter',
      },
    },
    priceBooks: {
      type: 'array',
      maxItems: BOOKS_MAX,
      description: 'What models cost, by bucket of tokens: prices of the model `price_book` are made of them.',
      items: {
        $ref: '#/$defs/priceBook',
      },
    },
    plans: {
      type: 'array',
      maxItems: PLANS_MAX,
      items: {
        $ref: '#/$defs/plan',
      },
    },
    defaultPlan: {
      description:
        'The plan of customers without a subscription, by the calendar; null or left out: they are not billed. Where there is one, every other plan has to say afterEnd.',
      oneOf: [
        {
          $ref: '#/$defs/slug',
        },
        {
          type: 'null',
        },
      ],
    },
  },
  $defs: {
    slug: {
      type: 'string',
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
    },
    text: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      pattern: '^[^\\p{Cc}\\p{Cs}]*$',
    },
    decimal: {
      type: 'string',
      pattern: '^-?[0-9]{1,400}(\\.[0-9]{1,400})?$',
      description:
        'A decimal number in quotes, such as "0.000003". A number without quotes is refused: it would pass through a float.',
    },
    positiveDecimal: {
      allOf: [
        {
          $ref: '#/$defs/decimal',
        },
        {
          pattern: '^[0-9.]*[1-9][0-9.]*$',
        },
      ],
    },
    value: {
      type: 'string',
      maxLength: VALUE_LENGTH_MAX,
      pattern: valuePattern,
      description:
        'A path below the event\'s data, such as data.input_tokens, data["gen_ai.usage"], data.items[0].n or data.items[*].n; or a sum such as data.input_tokens - 0.5 * data.cached_tokens.',
    },
    singularValue: {
      type: 'string',
      maxLength: VALUE_LENGTH_MAX,
      pattern: singularValuePattern,
      description: 'A value whose paths each name one value, so without [*].',
    },
    singularPath: {
      type: 'string',
      maxLength: 256,
      pattern: singularPathPattern,
      description: 'A path that names one value, so without [*].',
    },
    compared: {
      description: 'As the text of a group. "": an event in which it is missing, null or empty.',
      oneOf: [{ const: '' }, { $ref: '#/$defs/text' }, { type: 'boolean' }, { type: 'integer' }],
    },
    condition: {
      oneOf: [
        { $ref: '#/$defs/compared' },
        { type: 'array', minItems: 1, maxItems: CONDITION_VALUES_MAX, items: { $ref: '#/$defs/compared' } },
      ],
    },
    meter: {
      type: 'object',
      required: ['slug', 'eventType', 'aggregation'],
      additionalProperties: false,
      properties: {
        slug: {
          $ref: '#/$defs/slug',
          description:
            'Names what was counted so far: how events are read may change under it, and not `aggregation`, `window` and `lineItems`, nor may a dimension go.',
        },
        eventType: {
          $ref: '#/$defs/text',
          description: 'The `type` of the events that it counts.',
        },
        aggregation: {
          enum: aggregations,
        },
        value: {
          $ref: '#/$defs/value',
        },
        where: {
          type: 'object',
          minProperties: 1,
          maxProperties: CONDITIONS_MAX,
          propertyNames: { $ref: '#/$defs/singularPath' },
          additionalProperties: {
            oneOf: [
              { $ref: '#/$defs/condition' },
              {
                type: 'object',
                required: ['not'],
                additionalProperties: false,
                properties: { not: { $ref: '#/$defs/condition' } },
              },
            ],
          },
          description:
            'Which events of the type it reads: those with this value, or one of these, at each of the paths; or with none of them, { not: [a, b] }.',
        },
        required: {
          type: 'boolean',
          default: false,
          description: 'true: an event of this type without the value is rejected. false: it leaves the meter alone.',
        },
        groupBy: {
          type: 'object',
          maxProperties: DIMENSIONS_MAX,
          propertyNames: {
            pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,63}$',
            not: {
              enum: [
                'subject',
                'constructor',
                'hasOwnProperty',
                'isPrototypeOf',
                'propertyIsEnumerable',
                'toLocaleString',
                'toString',
                'valueOf',
              ],
            },
          },
          additionalProperties: {
            $ref: '#/$defs/singularPath',
          },
        },
        precision: {
          enum: precisions,
          default: meterDefaults.precision,
          description:
            'rounded: digits beyond the twelfth behind the point are rounded half to even. exact: a value that has some is not read.',
        },
        unreadable: {
          enum: whenUnreadable,
          default: meterDefaults.unreadable,
          description:
            "What gateways do with an event that the meter can't read. refuse: they refuse it. skip: they take it, and this meter leaves it out.",
        },
        across: {
          enum: [...new Set(aggregations.flatMap((name) => aggregationRules(name).across))],
          description:
            'How the values of several subjects become one. sum and max are of their values; union: what several of them have counts once; pooled: their events are those of one. Where it is left out: sum, union for unique, and pooled for avg.',
        },
        window: {
          enum: windowSizes,
          default: DEFAULT_WINDOW,
          description: 'How finely usage is stored, aligned to UTC. 15m and 1m serve every time zone.',
        },
        lineItems: {
          enum: windowSizes,
          description:
            'How much time a line item covers, aligned to UTC; not less than the window. Where it is left out: 1h for a window of 15m, else the window.',
        },
      },
      if: {
        required: ['aggregation'],
        properties: {
          aggregation: { enum: aggregations.filter((name) => aggregationRules(name).reads === 'nothing') },
        },
      },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: {
        properties: {
          value: false,
          required: {
            const: false,
          },
        },
      },
      else: {
        required: ['value'],
        allOf: [
          {
            if: {
              required: ['aggregation'],
              properties: { aggregation: { enum: aggregations.filter((name) => !joins(name)) } },
            },
            // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
            then: { properties: { value: { $ref: '#/$defs/singularValue' } } },
          },
          {
            // All that [*] names is one value where it is a path alone; in a sum it must be a sum too.
            if: {
              required: ['aggregation'],
              properties: { aggregation: { enum: aggregations.filter((name) => joins(name) && !isSum(name)) } },
            },
            // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
            then: {
              properties: { value: { anyOf: [{ $ref: '#/$defs/singularValue' }, { pattern: eventPathPattern }] } },
            },
          },
          {
            if: {
              required: ['aggregation'],
              properties: { aggregation: { enum: aggregations.filter((name) => !isNumeric(name)) } },
            },
            // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
            then: { properties: { value: { $ref: '#/$defs/singularPath' } } },
          },
        ],
      },
      allOf: [
        ...aggregations.map((name) => ({
          if: { required: ['aggregation'], properties: { aggregation: { const: name } } },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
          then: { properties: { across: { enum: aggregationRules(name).across } } },
        })),
        ...windowSizes.map((window, i) => ({
          // One that is left out is the default: then the condition of that one holds.
          if: {
            ...(window === DEFAULT_WINDOW ? {} : { required: ['window'] }),
            properties: { window: { const: window } },
          },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
          then: { properties: { lineItems: { enum: windowSizes.slice(i) } } },
        })),
      ],
    },
    plan: {
      type: 'object',
      required: ['slug', 'prices'],
      additionalProperties: false,
      properties: {
        slug: {
          $ref: '#/$defs/slug',
        },
        calendar: {
          type: 'boolean',
          default: false,
          description:
            "Of a subscription that says nothing. true: periods of the calendar in the time zone. false: counted from the subscription's start.",
        },
        timezone: {
          type: 'string',
          pattern: '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$',
          default: 'UTC',
          description: 'IANA name; of a subscription and customer that say nothing.',
        },
        afterEnd: {
          enum: afterEnds,
          default: planDefaults.afterEnd,
          description:
            'What a customer has after its last subscription, where that ended with this plan. none: nothing, its usage is unpriced. default: the default plan.',
        },
        trialUsage: {
          enum: trialUsages,
          default: planDefaults.trialUsage,
          description: 'Whether usage in a trial costs what it costs. Fees are zero in either case.',
        },
        minimum: planMinimumSchema,
        prices: {
          type: 'array',
          maxItems: PRICES_MAX,
          items: {
            $ref: '#/$defs/price',
          },
        },
      },
    },
    price: priceSchema(),
    priceBook: priceBookSchema,
  },
});

/** As the file has it. */
export const catalogSchemaText = (): string => `${JSON.stringify(catalogSchema(), null, 2)}\n`;
