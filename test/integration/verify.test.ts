// `verify` on real stores: an installation that counted and billed by all six aggregations agrees with itself, and a
// discrepancy planted by hand in any table is found, under the right invariant and with its place.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { type Aggregation, type Catalog, emptyCatalog, type Meter, type Price } from '../../domain/catalog/catalog.ts';
import type { AuditLog } from '../../rater/audit/discrepancy.ts';
import type { AuditScope } from '../../rater/audit/verify/audit-slices.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { addCustomer, assignSubject } from '../support/assigned-subjects.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { StoreSnapshot, withoutTriggers } from '../support/store-snapshot.ts';
import { subscribe } from '../support/subscribe.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The usage lies on two days that are over, so that all windows close. */
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;
const aggregations: readonly Aggregation[] = ['sum', 'count', 'max', 'min', 'latest', 'unique'];

const meterOf = (aggregation: Aggregation, more: Partial<Meter> = {}): Meter => ({
  slug: aggregation,
  eventType: 'call',
  aggregation,
  valuePath: aggregation === 'count' ? null : aggregation === 'unique' ? ['user'] : ['n'],
  required: false,
  dimensions: [{ name: 'model', path: ['model'] }],
  window: aggregation === 'max' ? '1d' : '1h',
  ...more,
});
const perUnit = (meter: string, unitAmount: string): Price => ({
  slug: `price-${meter}`,
  meter,
  match: meter === 'sum' ? { model: 'large' } : {},
  model: 'per_unit',
  unitAmount,
});
const flat: Price = { slug: 'base', model: 'flat', flatAmount: '5' };
const catalog = (meters: readonly Meter[], prices: readonly Price[]): Catalog => ({
  ...emptyCatalog,
  meters,
  plans: [
    { slug: 'payg', calendar: true, timezone: 'UTC', prices },
    { slug: 'pro', calendar: false, timezone: 'UTC', prices: [flat] },
  ],
  defaultPlan: 'payg',
});
const before = catalog(
  aggregations.map((aggregation) => meterOf(aggregation)),
  [
    flat,
    ...aggregations.map((aggregation) => perUnit(aggregation, '0.0123')),
    { slug: 'each', model: 'per_unit', meter: 'count', match: {}, unitAmount: '1', per: 'subject' },
  ],
);
const extra = meterOf('sum', { slug: 'extra', dimensions: [] });
const after = catalog([...before.meters, extra], [...before.plans[0]!.prices, perUnit('extra', '1')]);

const call = (i: number, more: Partial<EventToSend> = {}): EventToSend => ({
  tenant: i % 3 === 0 ? 'other' : 'acme',
  id: `call-${i}`,
  subject: `cus_${i % 4}`,
  time: FIRST_DAY + (i % 46) * HOUR + i * 1_000,
  data: { n: `${(i * 7) % 11}.25`, user: `u${i % 9}`, model: i % 2 === 0 ? 'large' : 'small' },
  ...more,
});

let installation: Installation;
let snapshot: StoreSnapshot;

const everything: AuditScope = { from: null, to: null, tenant: null };
const verified = (scope: Partial<AuditScope> = {}): Promise<AuditLog> =>
  verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, { ...everything, ...scope });
/** The discrepancies as text. */
async function found(scope: Partial<AuditScope> = {}): Promise<string[]> {
  const { discrepancies } = await verified(scope);
  return discrepancies.map(({ invariant, where, expected, found }) => `${invariant} ${where}: ${expected} / ${found}`);
}

/** From the tenth hour on cus_2 is org's, and from the twentieth cus_3; both were their own customers before. */
async function assignSubjects(pool: pg.Pool): Promise<void> {
  await addCustomer(pool, 'org');
  await assignSubject(pool, 'cus_2', 'org', FIRST_DAY + 10 * HOUR);
  await assignSubject(pool, 'cus_3', 'org', FIRST_DAY + 20 * HOUR);
}

beforeAll(async () => {
  installation = await Installation.start();
  await assignSubjects(installation.stores.pool);
  const pro = { tenant: 'acme', customer: 'cus_pro', plan: 'pro', startsAt: FIRST_DAY, anchor: FIRST_DAY };
  await subscribe(installation.stores.pool, pro);
  await installation.apply(before);
  await installation.startAggregator();
  const calls = Array.from({ length: 120 }, (_, i) => call(i));
  await installation.send(calls);
  await installation.send([
    ...calls.slice(0, 20),
    call(3, { data: { n: 1 } }),
    call(1_000, { time: FIRST_DAY - 60 * DAY }),
    call(1_001, { data: { n: 'many' } }),
    call(1_002, { type: 'unmetered' }),
  ]);
  await installation.sendRaw(1, Buffer.from([0xc3, 0x01, 9, 10, 13, 92, 0, 255]));
  await installation.untilSealed();
  await installation.rate();
  await installation.apply(after);
  // Late by now: the windows of the first day are closed and rated. And twice, as a client that got no answer does.
  const late = Array.from({ length: 40 }, (_, i) => call(2_000 + i));
  await installation.send([...late, ...late.slice(0, 10)]);
  await installation.untilSealed();
  await installation.rate();
  await installation.stopAggregator();
  snapshot = await StoreSnapshot.take(installation.stores.pool, installation.stores.clickhouse);
}, 300_000);

afterAll(() => installation?.stop());

describe('verify', () => {
  it('finds nothing in an installation that agrees with itself, and compares all of it', async () => {
    const log = await verified();
    expect(log.discrepancies).toEqual([]);
    const { pool } = installation.stores;
    const { rows } = await pool.query<Record<string, number>>(
      `SELECT sum(duplicate)::int AS duplicate, sum(conflict)::int AS conflict, sum(too_late)::int AS too_late,
         sum(poison)::int AS poison, count(*)::int AS seals, max(catalog_version) AS versions,
         (SELECT count(*)::int FROM tallyline.line_items WHERE kind = 'adjustment') AS adjustments
       FROM tallyline.chunk_seals`,
    );
    expect(rows).toMatchObject([{ duplicate: 30, conflict: 1, too_late: 1, poison: 1, versions: 2 }]);
    expect(rows[0]!.adjustments).toBeGreaterThan(20);
    expect(log.compared.I1).toBeGreaterThan(rows[0]!.seals! * 8);
    expect(log.compared.I2).toBeGreaterThan(400);
    expect(log.compared.I4).toBeGreaterThan(60);
    expect(log.compared.I5).toBeGreaterThan(200);
  });

  it('finds nothing within a day or a tenant, and compares less', async () => {
    const all = await verified();
    for (const scope of [
      { tenant: 'acme' },
      { from: FIRST_DAY, to: FIRST_DAY + DAY },
      { from: FIRST_DAY + DAY, tenant: 'other' },
    ]) {
      const log = await verified(scope);
      expect(log.discrepancies).toEqual([]);
      expect(log.compared.I2).toBeLessThan(all.compared.I2);
    }
  });
});

/** One way to damage a store: SQL, and what `verify` must say. */
interface Plant {
  readonly title: string;
  readonly postgres?: string;
  readonly clickhouse?: string;
  /** Each a pattern of one of the lines, in which places and ids are written as <chunk> and <id>. */
  readonly says: readonly RegExp[];
  /** Patterns that no line may match. */
  readonly silent?: RegExp;
}

const withoutNames = (line: string): string =>
  line.replace(/generation 1 partition \d chunk \d+/, '<chunk>').replace(/[-0-9a-f]{36}/, '<id>');

const anEvent = "(SELECT (partition, offset, index) FROM usage_events FINAL WHERE type = 'call' ORDER BY ALL LIMIT 1)";
const aRollup =
  "(SELECT (tenant, subject, window_start, group_values, partition, chunk) FROM usage_rollups FINAL WHERE meter = 'sum' AND group_values = '[\"large\"]' ORDER BY ALL LIMIT 1)";
const ofRollup = `meter = 'sum' AND (tenant, subject, window_start, group_values, partition, chunk) = ${aRollup}`;
const ofEvent = `(partition, offset, index) = ${anEvent}`;
const deleteFrom = (table: string, condition: string): string =>
  `ALTER TABLE ${table} DELETE WHERE ${condition} SETTINGS mutations_sync = 2`;
const aSeal =
  '(SELECT generation, partition, chunk FROM tallyline.chunk_seals WHERE accepted > 2 AND chunk > 0 ORDER BY 1, 2, 3 LIMIT 1)';
const anItem =
  "(SELECT id FROM tallyline.line_items WHERE amount > 0 AND price = 'price-sum' ORDER BY sequence LIMIT 1)";

/** Two records beyond what is counted are gone. */
const passOverUncounted = `UPDATE tallyline.log_partitions log SET start_offset = progress.next_offset + 2,
    end_offset = greatest(log.end_offset, progress.next_offset + 2)
  FROM tallyline.partition_progress progress WHERE log.partition = 0 AND progress.partition = 0`;

const plants: readonly Plant[] = [
  {
    title: 'a deleted roll-up row',
    clickhouse: deleteFrom('usage_rollups', ofRollup),
    says: [
      /^I2 <chunk>, rows of usage_rollups: (\d+) \/ \d+/,
      /^I2 <chunk>, checksum of usage_rollups/,
      /^I2 usage \["(acme|other)","sum","cus_\d",\d+,"large"\]: [\d.]+ of \d+ events \/ /,
    ],
    silent: /^I[1345]/,
  },
  {
    title: 'a deleted roll-up part',
    clickhouse: 'ALTER TABLE usage_rollups DROP PARTITION {week}',
    says: [/^I2 .*rows of usage_rollups: \d+ \/ 0/, /^I2 usage .* \/ nothing/],
    silent: /^I[1345]/,
  },
  {
    title: 'an edited roll-up value',
    clickhouse: `ALTER TABLE usage_rollups UPDATE value = value + 1 WHERE ${ofRollup} SETTINGS mutations_sync = 2`,
    says: [/^I2 usage \["(acme|other)","sum","cus_\d",\d+,"large"\]: [\d.]+ of \d+ events \/ [\d.]+ of \d+ events/],
    silent: /^I[1345]/,
  },
  {
    title: 'a deleted event',
    clickhouse: deleteFrom('usage_events', ofEvent),
    says: [
      /^I2 <chunk>, rows of usage_events: \d+ \/ \d+/,
      /^I2 <chunk>, checksum of usage_events/,
      /^I2 usage /,
      /^I4 tenant \w+ customer cus_\d period 2\d{3}-\d\d-01T.* price price-\w+, amount: /,
    ],
    silent: /^I[135]/,
  },
  {
    title: 'an extra event in a sealed range',
    clickhouse: `INSERT INTO usage_events SELECT * REPLACE (index + 1000 AS index, unhex('00112233445566778899AABBCCDDEEFF') AS dedup_key)
      FROM (SELECT * FROM usage_events FINAL WHERE ${ofEvent})`,
    says: [/^I2 <chunk>, rows of usage_events/, /^I2 usage /, /^I4 .*, quantity: /],
    silent: /^I[135]/,
  },
  {
    title: 'an edited payload',
    clickhouse: `ALTER TABLE usage_events UPDATE data = '{"n":"900","user":"u1","model":"large"}' WHERE ${ofEvent} SETTINGS mutations_sync = 2`,
    says: [/^I2 usage \[.*"sum".*: 9\d\d/, /^I4 .* price price-sum, amount: /],
    silent: /^I[135]|rows of|checksum of/,
  },
  {
    title: 'a payload that can no longer be metered',
    clickhouse: `ALTER TABLE usage_events UPDATE data = '{' WHERE ${ofEvent} SETTINGS mutations_sync = 2`,
    says: [/^I2 <chunk> offset \d+ index \d+: an event that can be metered \/ data is not JSON/],
    silent: /^I[135]/,
  },
  {
    title: 'a deleted reject',
    clickhouse: deleteFrom('event_rejects', "reason = 'conflict'"),
    says: [/^I1 <chunk>, rows of event_rejects: \d \/ \d/, /^I1 <chunk>, checksum of event_rejects/],
    silent: /^I[2345]/,
  },
  {
    title: 'a log whose retention passed over records that nobody counted',
    postgres: passOverUncounted,
    says: [
      /^I1 generation 1 partition 0, records that are not counted yet: held by the log from offset (\d+) \/ gone up to offset \d+: docs\/operate\/runbooks\/disaster\.md/,
    ],
    silent: /^I[2345]/,
  },
  {
    title: 'a missing manifest',
    clickhouse: deleteFrom('manifests', '(partition, chunk) = (1, 1)'),
    says: [/^I1 <chunk>, manifest: accepted .* \/ no manifest/],
    silent: /^I[2345]/,
  },
  {
    title: 'an edited line item',
    postgres: `UPDATE tallyline.line_items SET amount = amount + 1 WHERE id = ${anItem}`,
    says: [/^I4 tenant \w+ customer \w+ period .* price price-sum, amount: /, /^I5 line item <id>, receivable: /],
    silent: /^I[123]/,
  },
  {
    title: 'a line item of a quantity that no usage can have',
    postgres: `UPDATE tallyline.line_items SET quantity = quantity + 0.0000000000001 WHERE id = ${anItem}`,
    says: [/^I4 tenant \w+ customer \w+ period .* price price-sum, quantity: [\d.]+ \/ \d+\.\d{13}$/],
    silent: /^I[1235]/,
  },
  {
    title: 'usage that the raters passed over',
    postgres: `WITH unrated AS (SELECT tenant, customer, period_start FROM tallyline.line_items WHERE id = ${anItem}),
        items AS (DELETE FROM tallyline.line_items WHERE (tenant, customer, period_start) = (SELECT * FROM unrated) RETURNING id),
        entries AS (DELETE FROM tallyline.ledger_entries WHERE line_item IN (SELECT id FROM items)),
        rating AS (INSERT INTO tallyline.ratings (catalog_version, seal_vector, closed_up_to, rated_watermark)
          SELECT (SELECT min(version) FROM tallyline.catalog_versions), '{}', period_start, period_start
          FROM (SELECT DISTINCT period_start FROM unrated) period RETURNING id)
      UPDATE tallyline.billing_periods SET rating = (SELECT id FROM rating)
      WHERE (tenant, customer, period_start) = (SELECT * FROM unrated)`,
    says: [/^I4 .* price price-sum, quantity: /, /^I4 .* price price-sum, amount: /],
    silent: /^I[1235]/,
  },
  {
    title: 'usage without a billing period',
    postgres: `WITH period AS (DELETE FROM tallyline.billing_periods
          WHERE (tenant, customer, period_start) = (SELECT tenant, customer, period_start FROM tallyline.line_items WHERE id = ${anItem})
          RETURNING tenant, customer, period_start),
        items AS (DELETE FROM tallyline.line_items WHERE (tenant, customer, period_start) = (SELECT * FROM period) RETURNING id)
      DELETE FROM tallyline.ledger_entries WHERE line_item IN (SELECT id FROM items)`,
    says: [/^I4 .* price price-sum, quantity: /, /^I4 .* price price-sum, amount: /],
    silent: /^I[1235]/,
  },
  {
    title: 'a deleted line item',
    postgres: `DELETE FROM tallyline.line_items WHERE id = ${anItem}`,
    says: [
      /^I4 .* price price-sum, quantity: /,
      /^I5 line item <id>, receivable: no entries: there is no such line item/,
    ],
    silent: /^I[123]/,
  },
  {
    title: 'a deleted flat price, entries and all',
    postgres: `WITH gone AS (DELETE FROM tallyline.line_items WHERE customer = 'cus_pro' RETURNING id)
      DELETE FROM tallyline.ledger_entries WHERE line_item IN (SELECT id FROM gone)`,
    says: [/^I4 tenant acme customer cus_pro period .* price base subscription cus_pro, amount: 5 \/ 0/],
    silent: /^I[1235]/,
  },
  {
    title: 'a line item for a price that the period does not have',
    postgres: `INSERT INTO tallyline.line_items OVERRIDING SYSTEM VALUE
      SELECT (jsonb_populate_record(item, '{"id": "00000000-0000-0000-0000-000000000001", "price": "made-up", "sequence": 1000000}')).*
      FROM tallyline.line_items item WHERE id = ${anItem}`,
    says: [
      /^I4 .* price made-up, which the period does not have, amount: 0 \/ /,
      /^I5 line item <id>, receivable: [\d.]+ \/ 0/,
    ],
    silent: /^I[123]/,
  },
  {
    title: 'a deleted billing period',
    postgres: "DELETE FROM tallyline.billing_periods WHERE (tenant, customer) = ('acme', 'cus_1')",
    says: [/^I4 tenant acme customer cus_1 .* price price-count, which the period does not have, amount: 0 \/ /],
    silent: /^I[1235]/,
  },
  {
    title: 'a subject that was given to another customer behind the bills',
    postgres:
      "UPDATE tallyline.subject_assignments SET starts_at = starts_at + interval '20 hours' WHERE subject = 'cus_2'",
    says: [
      /^I4 tenant acme customer org period .* price price-sum, quantity: /,
      /^I4 tenant acme customer cus_2 period .* price price-count, quantity: /,
      /^I4 tenant acme customer org period .* price each subject cus_2, quantity: /,
    ],
    silent: /^I[1235]|cus_3/,
  },
  {
    title: 'an unbalanced ledger entry',
    postgres: `UPDATE tallyline.ledger_entries SET amount = amount - 1 WHERE line_item = ${anItem} AND entry = 1`,
    says: [/^I5 ledger transaction <id>: 0 \/ -1$/],
    silent: /^I[1234]/,
  },
  {
    title: 'a gap between seals',
    postgres: `DELETE FROM tallyline.chunk_seals WHERE (generation, partition, chunk) = ${aSeal}`,
    says: [
      /^I1 <chunk>, number of the chunk: \d+ \/ \d+/,
      /^I1 <chunk>, start offset: \d+ \/ \d+/,
      /^I1 generation 1 partition \d, seals: \d+ \/ \d+/,
    ],
    silent: /^I[35]/,
  },
  {
    title: 'a lowered published watermark',
    postgres: "UPDATE tallyline.published_watermark SET watermark = watermark - interval '1 minute'",
    says: [/^I3 generation 1, the published watermark is not below the sealed one: true \/ false/],
    silent: /^I[1245]/,
  },
  {
    title: 'T that falls from one seal to the next',
    postgres: `UPDATE tallyline.chunk_seals SET watermark = watermark - interval '1 hour' WHERE (generation, partition, chunk) = ${aSeal}`,
    says: [/^I3 <chunk>, T is not below the chunk before: true \/ false/],
    silent: /^I[1245]/,
  },
  {
    title: 'a seal with wrong counts',
    postgres: `UPDATE tallyline.chunk_seals SET accepted = accepted + 1, event_count = event_count + 1 WHERE (generation, partition, chunk) = ${aSeal}`,
    says: [
      /^I2 <chunk>, rows of usage_events: \d+ \/ \d+/,
      /^I1 <chunk>, accepted events summed over tenants/,
      /^I1 <chunk>, manifest/,
      /^I1 <chunk>, events in the log: \d+ \/ \d+/,
    ],
    silent: /^I[345]/,
  },
  {
    title: 'a duplicate of the log that was never counted',
    postgres: `UPDATE tallyline.chunk_seals SET duplicate = duplicate - 1,
        tenant_outcomes = jsonb_set(tenant_outcomes, '{acme,duplicate}', to_jsonb((tenant_outcomes #>> '{acme,duplicate}')::int - 1))
      WHERE (partition, chunk) = (SELECT partition, chunk FROM tallyline.chunk_seals WHERE tenant_outcomes #> '{acme,duplicate}' IS NOT NULL LIMIT 1)`,
    says: [/^I1 <chunk>, events in the log: \d+ \/ \d+/],
    silent: /^I[2345]/,
  },
  {
    title: 'a record of the log that holds something else now',
    postgres: `UPDATE tallyline.log_records SET value = (SELECT value FROM tallyline.log_records ORDER BY length(value) LIMIT 1)
      WHERE value = (SELECT value FROM tallyline.log_records ORDER BY length(value) DESC LIMIT 1)`,
    says: [/^I1 <chunk>, events in the log: \d+ \/ \d+/],
    silent: /^I[2345]/,
  },
];

describe('verify after a plant by hand', () => {
  afterEach(() => snapshot.restore());

  it.each(plants.map((plant) => [plant.title, plant] as const))('finds %s', async (_title, plant) => {
    const { pool, clickhouse } = installation.stores;
    if (plant.postgres !== undefined) await withoutTriggers(pool, [plant.postgres]);
    if (plant.clickhouse !== undefined) {
      const monday = new Date(FIRST_DAY - ((new Date(FIRST_DAY).getUTCDay() + 6) % 7) * DAY);
      await clickhouse.command(plant.clickhouse.replace('{week}', `'${monday.toISOString().slice(0, 10)}'`));
    }
    const lines = (await found()).map(withoutNames);
    for (const pattern of plant.says) expect(lines).toContainEqual(expect.stringMatching(pattern));
    if (plant.silent !== undefined) expect(lines).not.toContainEqual(expect.stringMatching(plant.silent));
  });

  it('names the place', async () => {
    await installation.stores.clickhouse.command(deleteFrom('manifests', '(partition, chunk) = (1, 1)'));
    expect(await found()).toEqual([
      expect.stringMatching(
        /^I1 generation 1 partition 1 chunk 1, manifest: accepted \d+, duplicate .* \/ no manifest$/,
      ),
    ]);
  });

  it('finds it within the scope that holds it, and not outside', async () => {
    await withoutTriggers(installation.stores.pool, [
      "UPDATE tallyline.line_items SET amount = amount + 1 WHERE id = (SELECT id FROM tallyline.line_items WHERE tenant = 'other' LIMIT 1)",
    ]);
    expect(await found({ tenant: 'other' })).toContainEqual(expect.stringMatching(/^I4 tenant other/));
    expect(await found({ tenant: 'acme' })).toEqual([]);
    const day = new Date(FIRST_DAY);
    const nextMonth = Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1);
    expect(await found({ from: nextMonth })).not.toContainEqual(expect.stringMatching(/^I4/));
    expect(await found({ to: nextMonth })).toContainEqual(expect.stringMatching(/^I4 tenant other/));
  });
});
