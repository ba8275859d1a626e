// The three reads by which queries are judged, over the days before a given hour: one subject by hour and the total by
// model through the read API, as a customer's page asks for them; and the ten largest subjects, which the API does not
// rank, by the API's own statement in ClickHouse with an order and a limit around it.

import { Random } from '../../domain/random.ts';
import { usageQuery } from '../../platform/usage-store/usage-query.ts';
import { percentile } from '../statistics.ts';
import { HttpConnection } from '../workload/http-connection.ts';
import { benchCatalog, TENANT } from '../workload/usage-stream.ts';
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

/** One read after the other, `reads` of each. Rejects when one finds nothing: that would be quick. */
export async function measureReads(
  installation: Installation,
  queryUrl: string,
  { reads, until, days, subjects }: ReadsWanted,
): Promise<ReadLatencies> {
  const random = new Random(5);
  const host = new URL(queryUrl).host;
  const from = until - days * DAY_MS;
  const range = `from=${new Date(from).toISOString()}&to=${new Date(until).toISOString()}`;
  const connection = await HttpConnection.open(queryUrl);
  const get = async (query: string): Promise<void> => {
    const { status, body } = await connection.send(
      `GET /v1/meters/input_tokens/usage?${range}&${query} HTTP/1.1\r\nHost: ${host}\r\n` +
        `Authorization: Bearer ${installation.apiKey}\r\n\r\n`,
    );
    if (status !== 200)
      throw new Error(`the read API answered ${status} to ${query}: ${body.toString().slice(0, 500)}`);
    const { data } = JSON.parse(body.toString()) as { data: unknown[] };
    if (data.length === 0) throw new Error(`nothing was found by ${query}`);
  };
  const meter = benchCatalog().meters.find(({ slug }) => slug === 'input_tokens')!;
  const statement = usageQuery({
    ...{ tenant: TENANT, meter, from, to: until, bySubject: true },
    buckets: [{ start: from, stepMs: until - from }],
  });
  try {
    const subject = await timed(reads, () =>
      get(`window=1h&subject=cus_${String(random.below(subjects)).padStart(5, '0')}`),
    );
    const byModel = await timed(reads, () => get('window=total&groupBy=model'));
    const top = await timed(reads, async () => {
      const rows = await installation.clickhouse.query(
        `SELECT subject_key, quantity FROM (${statement.sql}) ORDER BY toDecimal256(quantity, 12) DESC LIMIT 10`,
        statement.params,
      );
      if (rows.length !== Math.min(10, subjects))
        throw new Error(`${rows.length} of the ten largest subjects were found`);
    });
    return {
      subjectP50Ms: percentile(subject, 0.5),
      subjectP95Ms: percentile(subject, 0.95),
      modelsP50Ms: percentile(byModel, 0.5),
      modelsP95Ms: percentile(byModel, 0.95),
      topP50Ms: percentile(top, 0.5),
      topP95Ms: percentile(top, 0.95),
    };
  } finally {
    connection.close();
  }
}
