// What the catalog commands do. What is wrong with the file is told before any store is asked for.
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import type { Catalog } from '../domain/catalog/catalog.ts';
import { type Change, diffCatalogs, formatChange, formatRefusal } from '../domain/catalog/catalog-diff.ts';
import { formatCatalogError, readCatalog } from '../domain/catalog/catalog-file.ts';
import { type CatalogTrial, formatTrial, tryMeters } from '../domain/catalog/catalog-trial.ts';
import { inTheirPlaces, meterStarts } from '../domain/catalog/meter-meaning.ts';
import { formatDouble, formatUntaken } from '../domain/catalog/price-coverage.ts';
import type { TenantsOfVersion } from '../domain/catalog/tenant-versions.ts';
import { formatWindowChoice, windowChoices } from '../domain/catalog/window-choice.ts';
import { groupBy } from '../domain/composite-key.ts';
import { ruleSet, UnknownRuleSet } from '../domain/metering/rule-set.ts';
import type { Decimal } from '../domain/number/decimal.ts';
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import { readClosingUpTo } from '../platform/billing-store/rater-progress.ts';
import { type ApplyOptions, applyCatalog, CatalogRefused } from '../platform/catalog-publishing/apply-catalog.ts';
import { refusedByState } from '../platform/catalog-publishing/refused-catalogs.ts';
import { overlapRefusals } from '../platform/catalog-publishing/refused-overlaps.ts';
import { tenantVersions, versionsOfTenant } from '../platform/catalog-store.ts';
import {
  type ChangedAmounts,
  type ChangedCustomers,
  type PriceOverlaps,
  readChangedAmounts,
  readChangedCustomers,
  readPriceOverlaps,
  readUntakenUsage,
  totalAmounts,
  type UntakenUsage,
  type WantedCatalog,
} from '../platform/charges/catalog-effects.ts';
import { type ClickHouse, ClickHouseError } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { ruleSetInForce } from '../platform/event-log/topic-generation.ts';
import { readRecentEvents } from '../platform/usage-store/recent-events.ts';

export interface CatalogStores {
  pool(): Promise<pg.Pool>;
  /** Asked for by `apply` only. */
  eventLog(): Promise<EventLog>;
  /** Null where no server is named. */
  clickhouse(): ClickHouse | null;
  /** Closes what was asked for. */
  close(): Promise<void>;
}

type OpenStores = () => Promise<CatalogStores>;
type Out = (line: string) => void;

interface DiffOptions {
  /** Whose catalog it is to be; null: the default. */
  readonly tenant: string | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** One JSON object in place of lines. */
  readonly json: boolean;
}

/**
 * Prints what would change, and what the meters make of recent events. Rejects with `CatalogRefused` where the file
 * can't be read, is wrong, or would be refused.
 */
export async function diffCatalogFile(
  file: string,
  { tenant, now, json }: DiffOptions,
  open: OpenStores,
  out: Out,
): Promise<void> {
  const { catalog: read } = await readCatalogFile(file);
  await using(open, async (stores) => {
    const pool = await stores.pool();
    const all = tenant === null ? await tenantVersions(pool) : await versionsOfTenant(pool, tenant);
    const versions = tenant === null ? all.defaults : all.of(tenant);
    const latest = versions.at(-1);
    const history = versions.map((each) => each.catalog);
    const catalog = inTheirPlaces(history, read);
    const { changes, refusals: found } = diffCatalogs(latest?.catalog ?? null, catalog, history);
    const starts = meterStarts(latest?.catalog ?? null, catalog);
    const windows = windowChoices(catalog.meters, changes);
    const tenants = tenant === null ? { except: all.tenants } : { tenant };
    const trial = await tryOnRecentEvents(pool, stores.clickhouse(), catalog, changes, tenants, now);
    const wanted = { tenants, versions, catalog, now, closedUpTo: await readClosingUpTo(pool) };
    const untaken = await untakenLately(stores.clickhouse(), wanted);
    const overlaps = await readPriceOverlaps(pool, wanted);
    const doubled = overlapRefusals(overlaps.ofCustomers);
    const byState = await refusedByState(pool, { catalog, versions, tenants, usage: stores.clickhouse() });
    const refusals = [...found, ...byState, ...doubled];
    const page = { afterNumber: 0, subscriptionsMax: SUBSCRIPTIONS_MAX };
    const { customers: touched, lookedAt, last } = await readChangedCustomers(pool, wanted, page);
    const amounts = await changedAmounts(pool, stores.clickhouse(), wanted, touched);
    const changed = touched.map(({ subscriptions: _, ...of }) => of);
    const told = typeof amounts === 'string' ? null : amounts.map((each) => ({ ...each, ...amountTexts(each) }));
    const customers = { changed, amounts: told, lookedAt, isComplete: last === null };
    if (json) {
      const isTried = typeof trial !== 'string';
      const tried = { trial: isTried ? trial : null, notTried: isTried ? null : trial };
      const unpriced = typeof untaken === 'string' ? null : untaken;
      out(
        JSON.stringify({
          version: latest?.version ?? 0,
          changes,
          starts,
          refusals,
          windows,
          ...tried,
          customers,
          unpriced,
          overlaps,
        }),
      );
    } else {
      if (latest !== undefined && changes.length === 0) {
        const isOwn = tenant === null || all.own(tenant).length > 0;
        const same = `version ${latest.version} says the same`;
        out(isOwn ? `nothing to change: ${same}` : `the default's ${same}: it would be ${tenant}'s own from then on`);
      }
      for (const change of changes) out(formatChange(change));
      for (const { subject, start } of starts) out(`${subject}: ${start}`);
      for (const choice of windows) out(formatWindowChoice(choice));
      const lines = typeof trial === 'string' ? [`not tried on recent events: ${trial}`] : formatTrial(trial);
      for (const line of lines) out(line);
      for (const line of customerLines(customers)) out(line);
      for (const line of amountLines(amounts, catalog)) out(line);
      for (const line of coverageLines(untaken, overlaps)) out(line);
    }
    if (refusals.length > 0) throw new CatalogRefused(refusals.map(formatRefusal));
  });
}

/** A text: why it could not be told. */
async function untakenLately(clickhouse: ClickHouse | null, wanted: WantedCatalog): Promise<UntakenUsage | string> {
  if (clickhouse === null) return 'CLICKHOUSE_URL is not set';
  try {
    return await readUntakenUsage(clickhouse, wanted);
  } catch (error) {
    if (error instanceof ClickHouseError) return error.message;
    throw error;
  }
}

const LINES_MAX = 20;
const SUBSCRIPTIONS_MAX = 10_000;
/** Customers whose amounts are told, and of those the ones that are named. */
const AMOUNTS_MAX = 2_000;
const MOVERS_MAX = 5;

const CUSTOMERS_AT_ONCE = 500;

const amountTexts = ({ before, after }: ChangedAmounts) => ({ before: before.toString(), after: after.toString() });

/** A text: why they could not be told. */
async function changedAmounts(
  pool: pg.Pool,
  clickhouse: ClickHouse | null,
  wanted: WantedCatalog,
  customers: ChangedCustomers['customers'],
): Promise<readonly ChangedAmounts[] | string> {
  if (customers.length === 0) return [];
  if (clickhouse === null) return 'CLICKHOUSE_URL is not set';
  const first = customers.slice(0, AMOUNTS_MAX);
  const found: ChangedAmounts[] = [];
  try {
    for (let at = 0; at < first.length; at += CUSTOMERS_AT_ONCE)
      found.push(...(await readChangedAmounts(pool, clickhouse, wanted, first.slice(at, at + CUSTOMERS_AT_ONCE))));
    return found;
  } catch (error) {
    if (error instanceof ClickHouseError) return error.message;
    throw error;
  }
}

/** What those customers come to, whose amounts were looked at, and who moves most. */
function* amountLines(amounts: readonly ChangedAmounts[] | string, { currency }: Catalog): Generator<string> {
  if (typeof amounts === 'string') yield `amounts are not told: ${amounts}`;
  else if (amounts.length > 0) {
    const moved = ({ before, after }: ChangedAmounts): Decimal => after.minus(before);
    const { before, after } = totalAmounts(amounts);
    const text = `${amounts.length} ${amounts.length === 1 ? 'customer' : 'customers'}: ${before.toString()} -> ${after.toString()} ${currency}`;
    yield `in the periods that run, with usage so far, ${text}`;
    const size = (each: ChangedAmounts): Decimal => (moved(each).isNegative ? moved(each).negated() : moved(each));
    const movers = amounts.filter((each) => !moved(each).isZero);
    for (const each of movers.sort((a, b) => size(b).compare(size(a))).slice(0, MOVERS_MAX)) {
      const { tenant, customer } = each;
      const change = `${each.before.toString()} -> ${each.after.toString()}`;
      yield `  customer ${customer} (tenant ${tenant}): ${change} up to ${formatRfc3339(each.until)}`;
    }
  }
}

interface CustomersTold extends Pick<ChangedCustomers, 'lookedAt'> {
  readonly changed: readonly Omit<ChangedCustomers['customers'][number], 'subscriptions'>[];
  readonly isComplete: boolean;
}

/** How many subscriptions a price changes for, and the first of them. */
function* customerLines({ changed, lookedAt, isComplete }: CustomersTold): Generator<string> {
  if (changed.length === 0) return;
  const among = `${isComplete ? '' : 'the first '}${lookedAt}`;
  yield `prices change for ${changed.length} of ${among} subscriptions:`;
  const byPrice = groupBy(
    changed.flatMap(({ tenant, customer, prices }) => prices.map((price) => ({ tenant, customer, ...price }))),
    ({ price, change }) => `${price} ${change}`,
  );
  for (const [name, of] of byPrice) {
    const first = of.reduce((one, other) => (other.from < one.from ? other : one));
    const example = `customer ${first.customer} (tenant ${first.tenant})`;
    yield `  ${name} for ${of.length}, the first from ${formatRfc3339(first.from)} on, such as ${example}`;
  }
}

function* coverageLines(untaken: UntakenUsage | string, overlaps: PriceOverlaps): Generator<string> {
  const shown = function* (lines: readonly string[], isComplete: boolean): Generator<string> {
    yield* lines.slice(0, LINES_MAX);
    if (lines.length > LINES_MAX) yield `!   and ${lines.length - LINES_MAX} more: --json has all of them`;
    if (!isComplete) yield '!   and more that was not looked at';
  };
  if (typeof untaken === 'string') yield `usage that no price would take is not told: ${untaken}`;
  else yield* shown(untaken.groups.map(formatUntaken), untaken.isComplete);
  // Those of customers are refused, and told so.
  yield* shown(overlaps.inPlans.map(formatDouble), overlaps.isComplete);
}

/** A text: why it could not be tried. */
async function tryOnRecentEvents(
  pool: pg.Pool,
  clickhouse: ClickHouse | null,
  { meters }: Catalog,
  changes: readonly Change[],
  tenants: TenantsOfVersion,
  now: number,
): Promise<CatalogTrial | string> {
  if (clickhouse === null) return 'CLICKHOUSE_URL is not set';
  try {
    const rules = ruleSet(await ruleSetInForce(pool));
    const types = [...new Set(meters.map(({ eventType }) => eventType))];
    return tryMeters(meters, changes, await readRecentEvents(pool, clickhouse, { types, tenants }, now), rules);
  } catch (error) {
    if (error instanceof ClickHouseError || error instanceof UnknownRuleSet) return error.message;
    throw error;
  }
}

/**
 * Applies the file and prints what changed, and from when on that holds. Rejects as `diffCatalogFile` does, and where
 * the log can't be reached: the version is then stored, and published by the next apply.
 */
export async function applyCatalogFrom(file: string, options: ApplyOptions, open: OpenStores, out: Out): Promise<void> {
  const { catalog, text } = await readCatalogFile(file);
  await using(open, async (stores) => {
    const terms = { ...options, usage: stores.clickhouse() };
    const applied = await applyCatalog(await stores.pool(), await stores.eventLog(), catalog, text, terms);
    const dated = `version ${applied.version}, effective at ${formatRfc3339(applied.effectiveAt)}`;
    if (!applied.isNew) return out(`nothing to change: ${dated}, says the same`);
    for (const change of applied.changes) out(formatChange(change));
    out(`applied as ${dated}`);
    for (const { subject, start } of applied.starts) out(`${subject}: ${start}`);
  });
}

/** Rejects with `CatalogRefused`, saying where the file is wrong or why it can't be read. */
export async function readCatalogFile(file: string): Promise<{ catalog: Catalog; text: string }> {
  const text = await readUtf8(file);
  const reading = readCatalog(text, file);
  if (!reading.ok) throw new CatalogRefused(reading.errors.map(formatCatalogError));
  return { catalog: reading.catalog, text };
}

async function readUtf8(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new CatalogRefused([`${file}: can't be read: ${reason}`]);
  });
  if (!isUtf8(bytes)) throw new CatalogRefused([`${file}: is not UTF-8 text`]);
  return bytes.toString('utf8');
}

async function using(open: OpenStores, work: (stores: CatalogStores) => Promise<void>): Promise<void> {
  const stores = await open();
  try {
    await work(stores);
  } finally {
    await stores.close();
  }
}
