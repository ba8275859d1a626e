// The reads by which queries are judged, through the read API. Over the days before a given hour: one subject by hour
// and the total by model, as a customer's page asks for them, and the ten largest subjects. Of very many subjects: 200
// of them by name, far from each other and side by side; one of very many group values; and what a dashboard shows,
// which is the last day by model and a subject by day.

import { Random } from '../../domain/random.ts';
import { percentile } from '../statistics.ts';
import { HttpConnection } from '../workload/http-connection.ts';
import { subjectName } from './history.ts';
import type { Installation } from './installation.ts';

const DAY_MS = 86_400_000;

export interface ReadsWanted {
  readonly reads: number;
  /** A full hour, milliseconds since the epoch. */
  readonly until: number;
  readonly days: number;
  readonly subjects: number;
}

export interface ReadLatencies {
  readonly subjectP50Ms: number;
  readonly subjectP95Ms: number;
  readonly modelsP50Ms: number;
  readonly modelsP95Ms: number;
  readonly topP50Ms: number;
  readonly topP95Ms: number;
}

async function timed(times: number, read: (i: number) => Promise<void>): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedAt = performance.now();
    await read(i);
    latencies.push(performance.now() - startedAt);
  }
  return latencies;
}

interface UsageReader {
  /** Rejects where nothing is found: that would be quick. */
  readonly get: (meter: string, from: number, query: string) => Promise<void>;
  readonly close: () => void;
}

async function openReader({ apiKey }: Installation, queryUrl: string, until: number): Promise<UsageReader> {
  const { host } = new URL(queryUrl);
  const connection = await HttpConnection.open(queryUrl);
  const get = async (meter: string, from: number, query: string): Promise<void> => {
    const range = `from=${new Date(from).toISOString()}&to=${new Date(until).toISOString()}`;
    const { status, body } = await connection.send(
      `GET /v1/meters/${meter}/usage?${range}&${query} HTTP/1.1\r\nHost: ${host}\r\n` +
        `Authorization: Bearer ${apiKey}\r\n\r\n`,
    );
    if (status !== 200)
      throw new Error(`the read API answered ${status} to ${query}: ${body.toString().slice(0, 500)}`);
    const { data } = JSON.parse(body.toString()) as { data: unknown[] };
    if (data.length === 0) throw new Error(`nothing was found by ${query}`);
  };
  return { get, close: () => connection.close() };
}

/** One read after the other, `reads` of each. */
export async function measureReads(
  installation: Installation,
  queryUrl: string,
  { reads, until, days, subjects }: ReadsWanted,
): Promise<ReadLatencies> {
  const random = new Random(5);
  const from = until - days * DAY_MS;
  const { get, close } = await openReader(installation, queryUrl, until);
  try {
    const subject = await timed(reads, () =>
      get('input_tokens', from, `window=1h&subject=${subjectName(random.below(subjects), subjects)}`),
    );
    const byModel = await timed(reads, () => get('input_tokens', from, 'window=total&groupBy=model'));
    const top = await timed(reads, () =>
      get('input_tokens', from, 'window=total&groupBy=subject&order=value&limit=10'),
    );
    return {
      subjectP50Ms: percentile(subject, 0.5),
      subjectP95Ms: percentile(subject, 0.95),
      modelsP50Ms: percentile(byModel, 0.5),
      modelsP95Ms: percentile(byModel, 0.95),
      topP50Ms: percentile(top, 0.5),
      topP95Ms: percentile(top, 0.95),
    };
  } finally {
    close();
  }
}

export interface ManyNamesLatencies {
  readonly scatteredP50Ms: number;
  readonly scatteredP95Ms: number;
  readonly neighboursP50Ms: number;
  readonly groupValueP50Ms: number;
  readonly groupValueP95Ms: number;
  readonly dayByModelP95Ms: number;
  readonly subjectByDayP95Ms: number;
}

/** Subjects that are read by name at once: as many as a request may name. */
const NAMED = 200;

/** The same of many subjects, and of output_tokens with so many operations. */
export async function measureReadsOfMany(
  installation: Installation,
  queryUrl: string,
  { reads, until, days, subjects, operations }: ReadsWanted & { readonly operations: number },
): Promise<ManyNamesLatencies> {
  const random = new Random(7);
  const from = until - days * DAY_MS;
  const { get, close } = await openReader(installation, queryUrl, until);
  const names = (nth: (i: number) => number): string =>
    Array.from({ length: NAMED }, (_, i) => `subject=${subjectName(nth(i) % subjects, subjects)}`).join('&');
  try {
    const scattered = await timed(reads, () =>
      get('input_tokens', from, `window=total&${names(() => random.below(subjects))}`),
    );
    const neighbours = await timed(reads, () => {
      const first = random.below(subjects);
      return get('input_tokens', from, `window=total&${names((i) => first + i)}`);
    });
    const groupValue = await timed(reads, () =>
      get('output_tokens', from, `window=total&filter[operation]=op_${random.below(operations)}`),
    );
    const dayByModel = await timed(reads, () => get('input_tokens', until - DAY_MS, 'window=1h&groupBy=model'));
    const subjectByDay = await timed(reads, () =>
      get('input_tokens', from, `window=1d&emptyBuckets=true&subject=${subjectName(random.below(subjects), subjects)}`),
    );
    return {
      scatteredP50Ms: percentile(scattered, 0.5),
      scatteredP95Ms: percentile(scattered, 0.95),
      neighboursP50Ms: percentile(neighbours, 0.5),
      groupValueP50Ms: percentile(groupValue, 0.5),
      groupValueP95Ms: percentile(groupValue, 0.95),
      dayByModelP95Ms: percentile(dayByModel, 0.95),
      subjectByDayP95Ms: percentile(subjectByDay, 0.95),
    };
  } finally {
    close();
  }
}
