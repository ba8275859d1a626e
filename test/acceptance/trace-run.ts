// One run of the acceptance tests: a real request trace, every event sent twice and shuffled, and everything that can
// be said about it afterwards compared with sums taken straight from the file. Used against each deployment.

import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import pg from 'pg';
import { Random } from '../../domain/random.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { readTrace, traceEvents, traceTotals } from '../support/trace.ts';
import { until } from '../support/until.ts';

const models = ['m-large', 'm-small'];
const subjects = ['cus_a', 'cus_b', 'cus_c', 'cus_giant'];
const HOUR_MS = 3_600_000;

/** Windows are over by now, so that they close as soon as everything is sealed. */
export const endAt = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS;

export const catalogYaml = `
currency: USD
meters:
  - { slug: input_tokens, eventType: llm.completion, aggregation: sum, value: data.input_tokens, groupBy: { model: data.model }, window: 1h }
  - { slug: output_tokens, eventType: llm.completion, aggregation: sum, value: data.output_tokens, groupBy: { model: data.model }, window: 1h }
plans:
  - slug: standard
    calendar: true
    prices:
      - { slug: input-large, meter: input_tokens, match: { model: m-large }, model: per_unit, unitAmount: "0.000003" }
      - { slug: input-small, meter: input_tokens, match: { model: m-small }, model: per_unit, unitAmount: "0.00000015" }
      - slug: output
        meter: output_tokens
        model: graduated
        tiers: [ { upTo: "1000", unitAmount: "0.00001" }, { upTo: null, unitAmount: "0.000007" } ]
defaultPlan: standard
`;

/** Amounts in 10^-8, by hand: the price list above. */
function amountOf(price: string, tokens: bigint): bigint {
  if (price === 'input-large') return tokens * 300n;
  if (price === 'input-small') return tokens * 15n;
  return tokens <= 1000n ? tokens * 1000n : 1000n * 1000n + (tokens - 1000n) * 700n;
}

/** The trace of real traffic where it is at hand, else one of the same form made up by a fixed rule. */
function tracePath(): string {
  const real = projectFile('../shared/data/azure-llm-inference-2023-code.csv');
  if (existsSync(real)) return real;
  const path = join(mkdtempSync(join(tmpdir(), 'tallyline-trace-')), 'trace.csv');
  const rows = ['TIMESTAMP,ContextTokens,GeneratedTokens'];
  for (let i = 0; i < 8_000; i++) {
    const time = new Date(Date.UTC(2023, 10, 16, 18) + i * 700).toISOString().replace('T', ' ').replace('Z', '0000');
    rows.push(`${time},${((i * 7919) % 6000) + 1},${((i * 104_729) % 400) + 1}`);
  }
  writeFileSync(path, `${rows.join('\n')}\n`);
  return path;
}

export interface Target {
  /** Called for every request, since a killed gateway may come back under another address. */
  readonly ingestUrl: () => string;
  readonly queryUrl: () => string;
  readonly apiKey: string;
  readonly postgresUrl: () => string;
}

/**
 * Delivers a batch until it is acknowledged, as a careful client does. Resolves to the number of requests that it took.
 */
export async function deliver(target: Target, events: readonly object[]): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(`${target.ingestUrl()}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${target.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(30_000),
      });
      const body = await response.text();
      if (response.status === 200) return attempt;
      if (response.status !== 503 && response.status !== 429) throw new Error(`unexpected ${response.status}: ${body}`);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('unexpected')) throw error;
    }
    if (attempt > 600) throw new Error('a batch was not acknowledged after 600 attempts');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface SentTrace {
  readonly path: string;
  readonly events: number;
  /** Every request was acknowledged at the first attempt, so that the number of duplicates is known. */
  readonly undisturbed: boolean;
}

/** The events as they are sent. */
export const traceBodies = (path: string): object[] =>
  traceEvents(readTrace(path), { models, subjects, endAt }).map((event) => ({
    ...event,
    time: new Date(event.time).toISOString(),
  }));

/** Sends every event of the trace twice; `atShare` is called as the given shares of the batches are acknowledged. */
export async function sendTwice(
  target: Target,
  atShare: ReadonlyMap<number, () => Promise<void>> = new Map(),
): Promise<SentTrace> {
  const path = tracePath();
  const events = traceBodies(path);
  const deliveries = new Random(20_231_116).shuffled([...events, ...events]);
  const batches: object[][] = [];
  for (let i = 0; i < deliveries.length; i += 100) batches.push(deliveries.slice(i, i + 100));
  let next = 0;
  let done = 0;
  let undisturbed = true;
  const due = [...atShare].sort(([a], [b]) => a - b);
  const connection = async (): Promise<void> => {
    while (next < batches.length) {
      const batch = batches[next++]!;
      if ((await deliver(target, batch)) > 1) undisturbed = false;
      done++;
      while (due.length > 0 && done >= due[0]![0] * batches.length) await due.shift()![1]();
    }
  };
  await Promise.all([connection(), connection(), connection()]);
  return { path, events: events.length, undisturbed };
}

async function get<Body>(target: Target, path: string): Promise<Body> {
  const response = await fetch(target.queryUrl() + path, { headers: { authorization: `Bearer ${target.apiKey}` } });
  if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Body;
}

interface LineItem {
  readonly subject: string;
  readonly price: string;
  readonly amount: string;
  readonly quantity: string;
  readonly periodStart: string;
}

async function lineItems(target: Target): Promise<LineItem[]> {
  const all: LineItem[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: { data: LineItem[]; nextCursor: string | null } = await get(
      target,
      `/v1/line-items?limit=5000${cursor}`,
    );
    all.push(...page.data);
    cursor = page.nextCursor === null ? null : `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  return all;
}

const toUnits = (amount: string): bigint => {
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.');
  if (fraction.length > 8) throw new Error(`more than 8 fraction digits: ${amount}`);
  const units = BigInt(whole + fraction.padEnd(8, '0'));
  return amount.startsWith('-') ? -units : units;
};

/** Line items summed by subject, period and price, in 10^-8. */
export async function moneyWritten(target: Target): Promise<Record<string, bigint>> {
  const sums: Record<string, bigint> = {};
  for (const { subject, price, amount, periodStart } of await lineItems(target)) {
    const key = `${subject} ${periodStart} ${price}`;
    sums[key] = (sums[key] ?? 0n) + toUnits(amount);
  }
  return sums;
}

/** What the price list charges for the trace, straight from its rows. */
function moneyDue(path: string): Record<string, bigint> {
  const tokens: Record<string, bigint> = {};
  for (const event of traceEvents(readTrace(path), { models, subjects, endAt })) {
    const hour = new Date(Math.floor(event.time / HOUR_MS) * HOUR_MS);
    const month = new Date(Date.UTC(hour.getUTCFullYear(), hour.getUTCMonth())).toISOString().replace('.000Z', 'Z');
    const data = event.data as { model: string; input_tokens: number; output_tokens: number };
    const add = (price: string, count: number): void => {
      const key = `${event.subject} ${month} ${price}`;
      tokens[key] = (tokens[key] ?? 0n) + BigInt(count);
    };
    add(data.model === 'm-large' ? 'input-large' : 'input-small', data.input_tokens);
    add('output', data.output_tokens);
  }
  return Object.fromEntries(
    Object.entries(tokens).map(([key, count]) => [key, amountOf(key.split(' ').at(-1)!, count)]),
  );
}

async function usage(target: Target, meter: string, from: number): Promise<Record<string, string>> {
  const query = `from=${new Date(from).toISOString()}&to=${new Date(endAt).toISOString()}&window=1h&groupBy=model`;
  const { data } = await get<{
    data: { windowStart: string; groups: { model: string }; value: string; state: string }[];
  }>(target, `/v1/meters/${meter}/usage?${query}`);
  return Object.fromEntries(data.map((row) => [`${Date.parse(row.windowStart)} ${row.groups.model}`, row.value]));
}

const isSame = (a: object, b: object): boolean => {
  const print = (value: object): string =>
    JSON.stringify(
      Object.entries(value)
        .map(([key, each]) => [key, String(each)])
        .sort(),
    );
  return print(a) === print(b);
};

/** Outcomes over all seals. */
export async function sealedOutcomes(target: Target): Promise<{ accepted: number; duplicate: number; other: number }> {
  const client = new pg.Client({ connectionString: target.postgresUrl() });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT coalesce(sum(accepted), 0)::int AS accepted, coalesce(sum(duplicate), 0)::int AS duplicate,
          coalesce(sum(conflict + too_late + poison), 0)::int AS other FROM tallyline.chunk_seals`,
    );
    return rows[0];
  } finally {
    await client.end();
  }
}

/**
 * Waits until everything sent is counted, sealed and billed, then compares it to the last token and the last decimal.
 */
export async function expectTraceTotals(target: Target, sent: SentTrace): Promise<void> {
  const totals = traceTotals(sent.path, { models, endAt });
  const from = Math.min(...totals.map(({ hourStart }) => hourStart));
  const expected = (pick: (total: (typeof totals)[number]) => bigint): Record<string, string> =>
    Object.fromEntries(totals.map((total) => [`${total.hourStart} ${total.model}`, pick(total).toString()]));
  const inputTokens = expected((total) => total.inputTokens);
  const outputTokens = expected((total) => total.outputTokens);
  const due = moneyDue(sent.path);
  const quietly = async (check: () => Promise<boolean>): Promise<boolean> => check().catch(() => false);
  await until(
    () => quietly(async () => isSame(await usage(target, 'output_tokens', from), outputTokens)),
    'the usage of the whole trace',
    120_000,
    250,
  ).catch(() => {});
  expect(await usage(target, 'input_tokens', from)).toEqual(inputTokens);
  expect(await usage(target, 'output_tokens', from)).toEqual(outputTokens);

  await until(
    () =>
      quietly(
        async () => (await sealedOutcomes(target)).accepted === sent.events && isSame(await moneyWritten(target), due),
      ),
    'the money of the whole trace',
    120_000,
    250,
  ).catch(() => {});
  const outcomes = await sealedOutcomes(target);
  expect(outcomes).toMatchObject({ accepted: sent.events, other: 0 });
  if (sent.undisturbed) expect(outcomes.duplicate).toBe(sent.events);
  else expect(outcomes.duplicate).toBeGreaterThanOrEqual(sent.events);
  expect(await moneyWritten(target)).toEqual(due);
}
