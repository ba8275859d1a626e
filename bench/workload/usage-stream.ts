// The usage that all benches send: calls of language models, two meters with three dimensions, about 170 bytes of JSON.
//
// With `even` 20,000 subjects a flush of 100,000 events holds about 1.5 roll-up rows an event: a subject is in one
// region, uses one of four models in one of two ways, and each combination is a row of both meters.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { Random, WeightedIndex } from '../../domain/random.ts';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import { soundCatalog } from '../../test/support/sound-catalog.ts';

export const TENANT = 'bench';
const EVENT_TYPE = 'llm.call';
export const models = ['m-large', 'm-small', 'm-nano', 'm-embed'] as const;
export const operations = ['chat', 'batch'] as const;
export const regions = ['eu', 'us', 'ap'] as const;

/** A plan with a fee and two prices of usage, for whoever has a subscription. */
export const SUBSCRIBED_PLAN = 'pro';

/** A price of usage, in YAML behind its `-`. */
type PriceYaml = (slug: 'input' | 'output', unitAmount: string) => string;

const perUnit: PriceYaml = (slug, unitAmount) =>
  `{ slug: ${slug}, meter: ${slug}_tokens, model: per_unit, unitAmount: "${unitAmount}" }`;

const CELLS = 5_000;

/** The same rate in each of many cells, by model and operation; those that the benches send are among them. */
const matrix: PriceYaml = (slug, unitAmount) => {
  const cells = Array.from({ length: CELLS / operations.length }, (_, i) => models[i] ?? `m-${i}`).flatMap((model) =>
    operations.map((operation) => `{ values: [${model}, ${operation}], unitAmount: "${unitAmount}" }`),
  );
  return `{ slug: ${slug}, meter: ${slug}_tokens, model: matrix, dimensions: [model, operation], cells: [${cells}] }`;
};

const catalogWith = (price: PriceYaml): string => `currency: USD
meters:
  - slug: input_tokens
    eventType: ${EVENT_TYPE}
    aggregation: sum
    value: data.input
    groupBy: { model: data.model, operation: data.op, region: data.region }
    window: 1h
  - slug: output_tokens
    eventType: ${EVENT_TYPE}
    aggregation: sum
    value: data.output
    groupBy: { model: data.model, operation: data.op, region: data.region }
    window: 1h
plans:
  - slug: standard
    calendar: true
    timezone: UTC
    prices:
      - ${price('input', '0.000003')}
      - ${price('output', '0.000015')}
  - slug: ${SUBSCRIBED_PLAN}
    timezone: UTC
    afterEnd: none
    prices:
      - { slug: base, model: flat, flatAmount: "20" }
      - ${price('input', '0.000002')}
      - ${price('output', '0.00001')}
defaultPlan: standard
`;

export const catalogYaml = catalogWith(perUnit);
export const matrixCatalogYaml = (): string => catalogWith(matrix);

export const benchCatalog = (): Catalog => soundCatalog(catalogYaml, 'the catalog of the benches');

/** Who sends: `even` all alike, `zipf` the first most, `giant` the first nine events of ten. */
export interface Workload {
  readonly subjects: number;
  readonly spread: 'even' | 'zipf' | 'giant';
  /** Streams of other numbers have no event in common. */
  readonly stream: number;
}

export const manySubjects: Omit<Workload, 'stream'> = { subjects: 20_000, spread: 'even' };
export const fewSubjects: Omit<Workload, 'stream'> = { subjects: 200, spread: 'zipf' };

export interface DrawnEvent {
  /** 16 characters. */
  readonly id: string;
  /** 9 characters. */
  readonly subject: string;
  readonly model: string;
  readonly operation: string;
  readonly region: string;
  readonly input: number;
  readonly output: number;
}

export class UsageStream {
  private readonly random: Random;
  private readonly zipf: WeightedIndex | null;
  private readonly workload: Workload;
  private readonly subjects: string[];
  private drawn = 0;

  constructor(workload: Workload) {
    this.workload = workload;
    this.random = new Random(workload.stream * 7_919 + 1);
    this.zipf = workload.spread === 'zipf' ? WeightedIndex.zipf(workload.subjects, 1) : null;
    this.subjects = Array.from({ length: workload.subjects }, (_, i) => `cus_${String(i).padStart(5, '0')}`);
  }

  private subject(): number {
    const { random, workload } = this;
    if (this.zipf !== null) return this.zipf.pick(random);
    if (workload.spread === 'giant' && random.below(10) < 9) return 0;
    return random.below(workload.subjects);
  }

  next(): DrawnEvent {
    const { random } = this;
    const subject = this.subject();
    return {
      id: eventId(this.workload.stream, this.drawn++),
      subject: this.subjects[subject]!,
      model: models[random.below(models.length)]!,
      operation: operations[random.below(operations.length)]!,
      region: regions[subject % regions.length]!,
      input: 100 + random.below(8_000),
      output: 10 + random.below(900),
    };
  }
}

/** "e", three digits of the stream, twelve of the event. */
const eventId = (stream: number, index: number): string =>
  `e${String(stream % 1_000).padStart(3, '0')}${String(index).padStart(12, '0')}`;

const dataJson = (event: DrawnEvent): string =>
  `{"model":"${event.model}","op":"${event.operation}","region":"${event.region}","input":${event.input},"output":${event.output}}`;

/** As a client sends it. */
export const eventJson = (event: DrawnEvent, time: number): string =>
  `{"id":"${event.id}","type":"${EVENT_TYPE}","subject":"${event.subject}","time":"${new Date(time).toISOString()}",` +
  `"data":${dataJson(event)}}`;

/** The same event as a CloudEvent. */
export const cloudEventJson = (event: DrawnEvent, time: number): string =>
  eventJson(event, time).replace(
    ',"type"',
    ',"specversion":"1.0","source":"bench","datacontenttype":"application/json","type"',
  );

/** As it stands in the log. */
export function usageEvent(event: DrawnEvent, eventTime: number, receivedAt: number): UsageEvent {
  const data = dataJson(event);
  return {
    tenant: TENANT,
    source: '',
    id: event.id,
    type: EVENT_TYPE,
    subject: event.subject,
    eventTime,
    timeGiven: true,
    receivedAt,
    data,
    dedupKey: dedupKeyOf(TENANT, '', event.id),
    // Any 64 bits that depend on the payload will do; the gateway hashes the canonical form.
    payloadHash: payloadHashOf(EVENT_TYPE, event.subject, eventTime, data),
  };
}
