// Accounts at size: writes of the management API, by themselves and beside a rater that works, and an import of many
// customers with their subscriptions.
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createApiKey } from '../../platform/access/api-key-store.ts';
import { countLineItems } from '../../platform/billing-store/line-items.ts';
import { until } from '../../test/support/until.ts';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { ImportInput, ImportOutput } from '../programs/import.ts';
import { customerBody, subscriptionBody, writeAccounts } from '../stand/account-writes.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import { insertWindowHistory, sealWindowHistory, type WindowHistory } from '../stand/history.ts';
import type { Installation } from '../stand/installation.ts';
import { TENANT } from '../workload/usage-stream.ts';

const settings = { TALLYLINE_ACCOUNTS_KEY: Buffer.alloc(32, 7).toString('base64') };

const HOUR_MS = 3_600_000;
const METERS = 2;

/** A rater that rates so many is not done before the writes are. */
const WINDOWS_PER_SECOND = 20_000;

/** Closed windows of one hour, two of each subject. */
async function insertWindows({ clickhouse, pool, eventLog }: Installation, windows: number): Promise<void> {
  const history: WindowHistory = {
    ...{ subjects: Math.max(1, Math.round(windows / METERS)), hours: 1, rowsPerInsert: 250_000, isScattered: true },
    ...{ until: Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 48 * HOUR_MS, partitions: eventLog.partitions },
  };
  await insertWindowHistory(clickhouse, history);
  await sealWindowHistory(pool, clickhouse, history);
}

const RATES_TIMEOUT_MS = 120_000;

const itemsOf = async ({ pool }: Installation): Promise<number> =>
  [...(await countLineItems(pool)).values()].reduce((sum, count) => sum + count, 0);

async function measureWrites(
  { stand, events, ratePerSecond }: RunContext,
  { withRater }: { readonly withRater: boolean },
): Promise<Measurement> {
  return stand.withInstallation({ log: 'postgres', settings }, async (installation) => {
    const { pool } = installation;
    const author = { tenant: TENANT, actor: 'cli:bench' };
    const { key: apiKey } = await createApiKey(pool, author, 'bench manage', { scopes: ['manage'] });
    const url = await installation.startStage('manage');
    const writesPerSecond = ratePerSecond;
    const warmUp = Math.ceil(events / 6);
    await writeAccounts({ url, apiKey, writes: warmUp, writesPerSecond, prefix: 'warm' });
    const windows = withRater ? Math.round((events / writesPerSecond) * WINDOWS_PER_SECOND) : 0;
    if (withRater) {
      await insertWindows(installation, windows);
      await installation.beginStage('rater');
      await until(async () => (await itemsOf(installation)) > 0, 'the rater writes', RATES_TIMEOUT_MS);
    }
    const stop = stand.times.start();
    const startedAt = performance.now();
    const latencies = await writeAccounts({ url, apiKey, writes: events, writesPerSecond, prefix: 'cus' });
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpuMicros = stop();
    const items = await itemsOf(installation);
    if (withRater && items === 0) throw new Error('the rater wrote nothing');
    return {
      ...{ events, seconds, cpuMicros },
      counted: withRater ? ['manage'] : ['manage', 'postgres'],
      details: { ...latencies, writesPerSecond: events / seconds, windows, lineItems: items },
    };
  });
}

export const manage: Bench = {
  name: 'manage',
  unit: 'writes',
  about: 'customers and subscriptions by PUT, 300 a second, by themselves and beside a rater that works',
  events: { full: 6_000, smoke: 60 },
  ratePerSecond: { full: 300, smoke: 100 },
  variants: [
    { name: 'alone', measure: (context) => measureWrites(context, { withRater: false }) },
    { name: 'beside a rater', measure: (context) => measureWrites(context, { withRater: true }) },
  ],
};

async function writeRows(file: string, rows: number, rowOf: (n: number) => object): Promise<string> {
  const lines = Readable.from(
    (function* () {
      for (let n = 0; n < rows; n++) yield `${JSON.stringify(rowOf(n))}\n`;
    })(),
  );
  await pipeline(lines, createWriteStream(file));
  return file;
}

async function measureImport({ stand, events }: RunContext): Promise<Measurement> {
  return stand.withInstallation({ log: 'postgres', settings }, async ({ environment, pool }) => {
    const id = (n: number): string => `cus_${String(n).padStart(8, '0')}`;
    const fileOf = (name: string): string => join(stand.directory, `${name}.ndjson`);
    const customersFile = await writeRows(fileOf('customers'), events, (n) => ({ id: id(n), ...customerBody(n) }));
    const subscriptionsFile = await writeRows(fileOf('subscriptions'), events, (n) => ({
      ...{ id: `sub_${n}`, ...subscriptionBody(id(n)) },
    }));
    const input: ImportInput = { environment, customersFile, subscriptionsFile };
    const { program } = await BenchProgram.start<ImportOutput>('import', input);
    const stop = stand.times.start();
    const { output, seconds, cpuMicros } = await program.run();
    const cpuOfStores = stop();
    await program.end();
    if (output.customers !== events || output.subscriptions !== events) {
      throw new Error(`${output.customers} customers and ${output.subscriptions} subscriptions of ${events} were made`);
    }
    const { rows } = await pool.query<{ bytes: string }>(
      "SELECT sum(pg_total_relation_size(c.oid)) AS bytes FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'tallyline'::regnamespace",
    );
    return {
      ...{ events, seconds, cpuMicros: { import: cpuMicros, ...cpuOfStores }, counted: ['import', 'postgres'] },
      details: {
        customersPerSecond: events / output.customersSeconds,
        subscriptionsPerSecond: events / output.subscriptionsSeconds,
        postgresBytesPerCustomer: Number(rows[0]!.bytes) / events,
        residentMB: output.residentBytes / 1e6,
      },
    };
  });
}

export const importing: Bench = {
  name: 'import',
  unit: 'customers',
  about: 'customers of a file, with name, address, e-mail and metadata, and then a subscription of each',
  events: { full: 100_000, smoke: 500 },
  runs: 3,
  variants: [{ name: '', measure: measureImport }],
};
