// Outcome counts and progress as Postgres holds them: seals outlive a killed aggregator, its counters do not.
import { Client } from 'pg';
import { type Outcome, outcomes } from '../../domain/metering/event-outcome.ts';
import { readProgress } from '../../platform/billing-store/rater-progress.ts';
import type { Observed } from './comparison.ts';

export class SealReader {
  private readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
  }

  static async connect(url: string): Promise<SealReader> {
    const client = new Client({ connectionString: url });
    await client.connect();
    return new SealReader(client);
  }

  /** Sums over all sealed chunks. */
  async outcomes(): Promise<Observed['outcomes']> {
    const { rows } = await this.client.query<Record<Outcome, string>>(
      `SELECT ${outcomes.map((outcome) => `coalesce(sum(${outcome}), 0) AS ${outcome}`).join(', ')} FROM tallyline.chunk_seals`,
    );
    const { accepted, duplicate, conflict, too_late, poison } = rows[0]!;
    return {
      accepted: BigInt(accepted),
      duplicate: BigInt(duplicate),
      conflict: BigInt(conflict),
      tooLate: BigInt(too_late),
      poison: BigInt(poison),
    };
  }

  /** The watermark up to which every period is rated, milliseconds since the epoch; null: nothing is rated yet. */
  async ratedWatermark(): Promise<number | null> {
    return (await readProgress(this.client)).watermark;
  }

  /** The watermark the rater may rate up to, milliseconds since the epoch; null before the first seals. */
  async publishedWatermark(): Promise<number | null> {
    const { rows } = await this.client.query<{ watermark: Date | null }>(
      'SELECT max(watermark) AS watermark FROM tallyline.published_watermark',
    );
    return rows[0]?.watermark?.getTime() ?? null;
  }

  close(): Promise<void> {
    return this.client.end();
  }
}
