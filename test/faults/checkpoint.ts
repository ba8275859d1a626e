// Compares what Tallyline says with the account, to the last digit: outcomes, usage by window, what every customer
// owes; and has `tallyline verify` recompute the invariants. The load stands still meanwhile.
import pg from 'pg';
import { ApiReader } from '../../demo/account/api-reader.ts';
import { compare, type Observed, type Row } from '../../demo/account/comparison.ts';
import { SealReader } from '../../demo/account/seal-reader.ts';
import { until } from '../support/until.ts';
import type { Account } from './account.ts';
import type { Deployment } from './deployment.ts';

const DAY_MS = 86_400_000;

export interface CheckpointOptions {
  readonly allowedLatenessMs: number;
  /**
   * A gateway that loses a broker's answer appends once more, and its client never hears of it: the log then holds more
   * repeats than were sent. What must be exact are the accepted; `tallyline verify` holds all outcomes against the log.
   */
  readonly logMayRepeat?: boolean;
  /** How long the line may take to seal and rate what was sent. */
  readonly drainWithinMs?: number;
  /** For `tallyline verify`; '--no-log' leaves the log unread. */
  readonly verifyArgs?: readonly string[];
}

export interface Checkpoint {
  /** The rows that disagree, and what verify found; empty: all is well. */
  readonly differences: readonly string[];
  readonly rows: readonly Row[];
  readonly lineItems: number;
  readonly seconds: number;
}

const differing = (rows: readonly Row[]): string[] =>
  rows
    .filter(({ agrees }) => !agrees)
    .map(({ what, observed, expected }) => `${what}: ${observed}, and independently ${expected}`);

/** What the API and the stores answer now. Rejects while a store is away. */
async function observe(deployment: Deployment, account: Account): Promise<Observed> {
  const api = new ApiReader(deployment.urls('query')[0]!, deployment.apiKey);
  const seals = await SealReader.connect(deployment.postgresUrl);
  try {
    const ratedWatermark = await seals.ratedWatermark();
    if (ratedWatermark === null) throw new Error('nothing is rated yet');
    const { bills, counts } = await api.bills();
    const from = Math.floor(Date.now() / DAY_MS - 2) * DAY_MS;
    const to = from + 4 * DAY_MS;
    return {
      outcomes: await seals.outcomes(),
      totals: await api.allUsage(account.catalog, from, to, 'total'),
      windows: await api.allUsage(account.catalog, from, to, 'window'),
      bills,
      lineItems: counts,
      ratedWatermark,
    };
  } finally {
    api.close();
    await seals.close();
  }
}

/** Waits until whatever was in the log at the call is sealed and rated. */
async function drain(deployment: Deployment, withinMs: number): Promise<void> {
  const pool = new pg.Pool({ connectionString: deployment.postgresUrl, max: 1 });
  pool.on('error', () => undefined);
  const api = () => new ApiReader(deployment.urls('query')[0]!, deployment.apiKey);
  try {
    const startedAt = Date.now();
    let ends: Map<number, number> | null = null;
    await until(
      async () => {
        const reader = api();
        try {
          const { partitions } = await reader.status();
          ends ??= new Map(partitions.map((each) => [each.partition, Number(each.logEndOffset)]));
        } catch {
          return false;
        } finally {
          reader.close();
        }
        return true;
      },
      'the end of the log is known',
      withinMs,
      200,
    );
    let state = '';
    await until(
      async () => {
        try {
          const progress = await pool.query<{ partition: number; next_offset: string }>(
            'SELECT partition, next_offset FROM tallyline.partition_progress',
          );
          const behind = progress.rows.filter((row) => Number(row.next_offset) < (ends!.get(row.partition) ?? 0));
          // Every record was appended before this time, so a watermark past it stands for seals that hold them all.
          const rated = await pool.query<{ watermark: Date | null }>(
            'SELECT min(watermark) AS watermark FROM tallyline.rater_shards',
          );
          const watermark = rated.rows[0]?.watermark?.getTime() ?? 0;
          state = `behind: ${JSON.stringify(behind)}, rated up to ${new Date(watermark).toISOString()}`;
          return behind.length === 0 && watermark > startedAt;
        } catch (error) {
          state = String(error);
          return false;
        }
      },
      'everything sent is sealed and rated',
      withinMs,
      200,
    ).catch((error: Error) => {
      throw new Error(`${error.message} (${state})`);
    });
  } finally {
    await pool.end();
  }
}

export async function checkpoint(
  deployment: Deployment,
  account: Account,
  options: CheckpointOptions,
): Promise<Checkpoint> {
  const startedAt = Date.now();
  const { drainWithinMs = 120_000, allowedLatenessMs, logMayRepeat = false, verifyArgs = [] } = options;
  const sent = logMayRepeat ? { ...account.sent, resent: Number.MAX_SAFE_INTEGER } : account.sent;
  await drain(deployment, drainWithinMs);
  // Line items are read while windows close: a reading between a rater's line items and its progress is taken again.
  let rows: readonly Row[] = [];
  let lineItems = 0;
  let failure: unknown = null;
  await until(
    async () => {
      try {
        const observed = await observe(deployment, account);
        lineItems = observed.lineItems.usage + observed.lineItems.adjustment;
        rows = compare(account.oracle, sent, observed, allowedLatenessMs);
        failure = null;
      } catch (error) {
        failure = error;
      }
      return failure === null && differing(rows).length === 0;
    },
    'nothing differs',
    30_000,
    250,
  ).catch(() => undefined);
  const differences = differing(rows);
  if (failure !== null) differences.push(`the line could not be read: ${String(failure)}`);
  const { status, stdout, stderr } = await deployment.run('verify', ...verifyArgs);
  if (status !== 0) differences.push(`tallyline verify exited ${status}: ${stdout}${stderr}`);
  for (const each of account.sent.surprises) differences.push(`unexpected answer: ${each}`);
  return { differences, rows, lineItems, seconds: (Date.now() - startedAt) / 1000 };
}
