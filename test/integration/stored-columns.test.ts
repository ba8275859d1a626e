// What the code says of the columns of its tables, against the tables themselves: a column that a migration adds, drops
// or gives another type is named here before a statement meets it.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Decimal } from '../../domain/number/decimal.ts';
import { accountChangeColumns } from '../../platform/account-store/account-changes.ts';
import { customerColumns, customerKeyColumns } from '../../platform/account-store/customers.ts';
import { assignedSubjectColumns, assignmentColumns } from '../../platform/account-store/subject-assignments.ts';
import {
  planHolderColumns,
  subscriptionColumns,
  subscriptionRecordColumns,
} from '../../platform/account-store/subscriptions.ts';
import { billingPeriodColumns } from '../../platform/billing-store/billing-periods.ts';
import { dueCustomerColumns } from '../../platform/billing-store/due-customers.ts';
import { lineItemColumns } from '../../platform/billing-store/line-items.ts';
import { raterProgressColumns } from '../../platform/billing-store/rater-progress.ts';
import { ratingColumns } from '../../platform/billing-store/ratings.ts';
import {
  bool,
  type Columns,
  decimal,
  instant,
  json,
  large,
  nullable,
  recordOf,
  selected,
  tableOf,
  text,
  whole,
} from '../../platform/postgres/table-columns.ts';
import { recountColumns } from '../../platform/recount-store/recounts.ts';
import {
  eventColumns,
  manifestColumns,
  rejectColumns,
  revisedRollUpColumns,
  revisedTotalColumns,
} from '../../platform/usage-store/chunk-tables.ts';
import { sealColumns } from '../../platform/usage-store/seal-rows.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';

let stores: MigratedStores;
beforeAll(async () => {
  stores = await startMigratedStores();
});
afterAll(() => stores?.stop());

describe('stored columns', () => {
  /** Beside its columns, what a table has for people and for its own order. */
  it.each<[string, Columns, string[]]>([
    ['line_items', lineItemColumns, ['rating', 'cumulative_quantity', 'cumulative_amount']],
    ['billing_periods', billingPeriodColumns, []],
    ['ratings', ratingColumns, ['rated_at']],
    ['due_customers', dueCustomerColumns, []],
    ['rater_shards', raterProgressColumns, ['shard', 'owner', 'epoch', 'closing_up_to']],
    ['chunk_seals', sealColumns, ['sealed_at']],
    ['account_changes', accountChangeColumns, ['sequence']],
    ['customers', customerColumns, ['number']],
    ['customer_keys', customerKeyColumns, []],
    ['assigned_subjects', assignedSubjectColumns, ['number']],
    ['subject_assignments', assignmentColumns, []],
    ['subscriptions', subscriptionColumns, ['number']],
    ['subscription_records', subscriptionRecordColumns, []],
    ['plan_holders', planHolderColumns, []],
    ['recounts', recountColumns, []],
    ['due_customers', dueCustomerColumns, []],
  ])('of %s are those in Postgres', async (table, columns, others) => {
    const { rows } = await stores.pool.query<{ name: string; type: string; is_nullable: boolean }>(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type, NOT attnotnull AS is_nullable FROM pg_attribute
       WHERE attrelid = ('tallyline.' || $1)::regclass AND attnum > 0 AND NOT attisdropped`,
      [table],
    );
    const full: Readonly<Record<string, string>> = { int: 'integer', timestamptz: 'timestamp with time zone' };
    const named = Object.values(columns).map(({ name, type, isNullable }) => ({
      name,
      type: full[type] ?? type,
      is_nullable: isNullable,
    }));
    const stored = rows.filter(({ name }) => !others.includes(name));
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    expect(named.sort(byName)).toEqual(stored.sort(byName));
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(others));
  });

  it.each([
    ['usage_events', eventColumns],
    ['usage_rollups', revisedRollUpColumns],
    ['usage_totals', revisedTotalColumns],
    ['event_rejects', rejectColumns],
    ['manifests', manifestColumns],
  ])('of %s are those in ClickHouse', async (table, columns) => {
    const rows = await stores.clickhouse.query<{ name: string; type: string }>(
      `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}`,
      { table },
    );
    // How texts are stored does not show in an insert.
    const stored = new Map(rows.map(({ name, type }) => [name, type.replace(/^LowCardinality\((.*)\)$/, '$1')]));
    expect(columns.map(({ name }) => [name, stored.get(name)])).toEqual(columns.map(({ name, type }) => [name, type]));
  });
});

const sameGroups = { model: 'm', 'a "b"': '{c}' };
const anyColumns = {
  ...{ tenant: text('tenant'), id: text('id'), offset: whole('next_offset'), epoch: large('epoch') },
  ...{ isOwn: bool('is_own'), note: nullable(text('note')), amount: decimal('amount') },
  groups: json<Readonly<Record<string, string>>>('groups'),
  ...{ startsAt: instant('starts_at'), endsAt: nullable(instant('ends_at')) },
};

describe('records as a table', () => {
  it.each([1, 15, 16, 700])('are read as they were written, %i of them', async (count) => {
    const { pool } = stores;
    const wanted = Array.from({ length: count }, (_, i) => ({
      ...{ tenant: 'a "quoted", {name}', id: `id-${i}`, offset: 2 ** 40, epoch: 7n, isOwn: i % 2 === 0, note: null },
      ...{ amount: Decimal.parse('-0.1'), groups: sameGroups, startsAt: 1_000, endsAt: i === 3 ? 5 : null },
    }));
    const table = tableOf(anyColumns, wanted, 'wanted');
    const { rows } = await pool.query(
      `SELECT ${selected(anyColumns, 'wanted')} FROM ${table.sql} ORDER BY wanted.place`,
      table.params,
    );
    expect(rows.map((row) => recordOf(anyColumns, row))).toEqual(wanted);
  });
});
