// Closed windows to line items: one step of the rater over everything that was sealed while it was away, and its step
// when one more hour closes, early and late in a billing period.
import type pg from 'pg';
import { countLineItems } from '../../platform/billing-store/line-items.ts';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { RaterInput, RaterOutput } from '../programs/rater.ts';
import type { RaterHourInput } from '../programs/rater-hour.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import { insertWindowHistory, sealWindowHistory, type WindowHistory } from '../stand/history.ts';
import type { Installation } from '../stand/installation.ts';
import { insertSubscribers } from '../stand/subscribers.ts';
import { matrixCatalogYaml } from '../workload/usage-stream.ts';

const DAY_HOURS = 24;
const METERS = 2;

/** A time of the month before this one: all windows of it lie in one billing period. */
function ofLastMonth(day: number, hour: number): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, day, hour);
}

/** Of how many tenants, how the subjects lie that send in an hour, and whether each has a subscription. */
interface Spread {
  readonly hoursMax: number;
  readonly tenants?: number;
  readonly isScattered?: boolean;
  readonly areSubscribed?: boolean;
  /** The text of another catalog. */
  readonly catalog?: string;
}

/** So far apart begin subscriptions, and so their periods: a day has some thousands. */
const APART_MS = 7_919;

/** One step of a rater that finds all of it. */
async function measureRater({ stand }: RunContext, installation: Installation) {
  const { program } = await BenchProgram.start<RaterOutput>('rater', {
    environment: installation.environment,
  } satisfies RaterInput);
  const stop = stand.times.start();
  const { output, seconds, cpuMicros } = await program.run();
  const cpuOfStores = stop();
  await program.end();
  const written = [...(await countLineItems(installation.pool)).values()].reduce((sum, count) => sum + count, 0);
  const measured: Omit<Measurement, 'events'> = {
    seconds,
    cpuMicros: { rater: cpuMicros, ...cpuOfStores },
    counted: ['rater', 'clickhouse', 'postgres'],
    details: {
      residentMB: output.residentBytes / 1e6,
      idleStepMs: output.idleStepMs,
      bytesPerItem: (await bytesOfMoney(installation.pool)) / written,
    },
  };
  return { written, measured };
}

/** Of line items with their ledger entries, what they refer to, and the indexes. */
async function bytesOfMoney(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class WHERE relnamespace = 'tallyline'::regnamespace
       AND relname = ANY($1)`,
    [['line_items', 'ledger_entries', 'billing_periods', 'ratings']],
  );
  return Number(rows[0]!.bytes);
}

async function measureStep(context: RunContext, spread: Spread): Promise<Measurement> {
  const { stand, events } = context;
  const { hoursMax, areSubscribed = false, catalog, ...lie } = spread;
  return stand.withInstallation(
    { log: 'postgres', ...(catalog !== undefined && { catalog }) },
    async (installation) => {
      const hours = events >= 100_000 ? hoursMax : Math.min(hoursMax, 5);
      const history: WindowHistory = {
        subjects: Math.max(1, Math.round(events / hours / METERS)),
        hours,
        until: ofLastMonth(15, 12),
        partitions: installation.eventLog.partitions,
        rowsPerInsert: 250_000,
        ...lie,
      };
      const { subjects } = history;
      const windows = subjects * hours * METERS;
      await insertWindowHistory(installation.clickhouse, history);
      await sealWindowHistory(installation.pool, installation.clickhouse, history);
      if (areSubscribed) {
        const since = { startsAt: ofLastMonth(15, 0) - subjects * APART_MS, apartMs: APART_MS, dueAt: null };
        await insertSubscribers(installation.pool, { subjects, ...lie, ...since });
      }
      const { written, measured } = await measureRater(context, installation);
      if (written !== windows) throw new Error(`${written} line items were written for ${windows} closed windows`);
      return {
        ...measured,
        events: written,
        details: { subjects, windowsPerSubject: hours, ...measured.details },
      };
    },
  );
}

export const rater: Bench = {
  name: 'rater',
  unit: 'line items',
  about: 'closed (subject, price) windows priced into line items and ledger entries',
  events: { full: 1_000_000, smoke: 2_000 },
  variants: [
    { name: '', measure: (context) => measureStep(context, { hoursMax: 10 * DAY_HOURS }) },
    {
      name: 'matrix of 5,000 cells',
      measure: (context) => measureStep(context, { hoursMax: 10 * DAY_HOURS, catalog: matrixCatalogYaml() }),
    },
  ],
};

export const raterSpread: Bench = {
  name: 'rater-spread',
  unit: 'line items',
  about: 'an hour that closes for many subjects, who lie anywhere; of one tenant, of very many, and with subscriptions',
  events: { full: 400_000, smoke: 2_000 },
  variants: [
    { name: 'one tenant', measure: (context) => measureStep(context, { hoursMax: 1, isScattered: true }) },
    {
      name: 'many tenants',
      measure: (context) => {
        // Five subjects each.
        const tenants = Math.max(1, Math.round(context.events / METERS / 5 / 10));
        return measureStep({ ...context, events: context.events / 10 }, { hoursMax: 1, tenants, isScattered: true });
      },
    },
    {
      name: 'subscribed',
      measure: (context) => measureStep(context, { hoursMax: 1, isScattered: true, areSubscribed: true }),
    },
  ],
};

/** Customers without usage whose periods all begin at once, each with a fee in advance. */
async function measureMonthStart(context: RunContext): Promise<Measurement> {
  return context.stand.withInstallation({ log: 'postgres' }, async (installation) => {
    const { pool, clickhouse, eventLog } = installation;
    const dueAt = ofLastMonth(1, 0);
    // The log's time comes from seals, whatever is in them.
    const history = { subjects: 1, hours: 1, until: dueAt, partitions: eventLog.partitions, rowsPerInsert: 1 };
    await insertWindowHistory(clickhouse, history);
    await sealWindowHistory(pool, clickhouse, history);
    const customers = context.events;
    await insertSubscribers(pool, { subjects: customers, startsAt: dueAt, apartMs: 0, dueAt });
    const { written, measured } = await measureRater(context, installation);
    // The one subject with usage used it before it subscribed.
    if (written !== customers + METERS) throw new Error(`${written} line items were written for ${customers} fees`);
    return { ...measured, events: customers };
  });
}

export const raterMonthStart: Bench = {
  name: 'rater-month-start',
  unit: 'periods',
  about: 'a month that begins for customers with a subscription and a fee, all due at the same instant',
  events: { full: 100_000, smoke: 500 },
  variants: [{ name: '', measure: measureMonthStart }],
};

/** The period has this many days when the hour closes; a month has 28 at least. */
const DAYS_BEFORE = [1, 9, 27];

async function measureHour({ stand, events, isSmoke }: RunContext, days: number): Promise<Measurement> {
  return stand.withInstallation({ log: 'postgres' }, async (installation) => {
    const { pool, clickhouse, settings } = installation;
    const hoursBefore = isSmoke ? days : days * DAY_HOURS;
    const subjects = Math.max(1, Math.round(events / METERS));
    const close = async (fromHour: number, hours: number): Promise<void> => {
      const until = ofLastMonth(1, hours);
      const history: WindowHistory = {
        ...{ subjects, fromHour, hours, until, rowsPerInsert: 250_000 },
        partitions: installation.eventLog.partitions,
        watermark: until + settings.allowedLatenessMs,
      };
      await insertWindowHistory(clickhouse, history);
      await sealWindowHistory(pool, clickhouse, history);
    };
    await close(0, hoursBefore);
    const environment = { ...installation.environment, TALLYLINE_RATER_INTERVAL: '1h' };
    const { program } = await BenchProgram.start<null>('rater-hour', { environment } satisfies RaterHourInput);
    // What autovacuum does after so many rows at once would be counted, and a table that grew for weeks has it behind
    // it.
    await pool.query('VACUUM ANALYZE');
    await close(hoursBefore, hoursBefore + 1);
    const stop = stand.times.start();
    const { seconds, cpuMicros } = await program.run();
    const cpuOfStores = stop();
    await program.end();
    const counts = await countLineItems(pool);
    const written = subjects * METERS * (hoursBefore + 1);
    if (counts.size !== 1 || counts.get('window_closed') !== written) {
      throw new Error(
        `${written} line items of windows that closed were due, and there are ${JSON.stringify([...counts])}`,
      );
    }
    return {
      events: subjects * METERS,
      seconds,
      cpuMicros: { rater: cpuMicros, ...cpuOfStores },
      counted: ['rater', 'clickhouse', 'postgres'],
      details: { subjects, windowsBefore: hoursBefore },
    };
  });
}

export const raterMonth: Bench = {
  name: 'rater-month',
  unit: 'line items',
  about: "an hour's windows priced when the billing period is 1, 9 and 27 days old",
  events: { full: 1_000, smoke: 20 },
  variants: DAYS_BEFORE.map((days) => ({
    name: `day ${days}`,
    measure: (context: RunContext) => measureHour(context, days),
  })),
};
