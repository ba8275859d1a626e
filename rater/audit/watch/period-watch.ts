// The auditor's part about money: the line items of billing periods against the price of their usage (I4) and their
// ledger entries (I5). Usage is read as rating reads it, at the seals of a period's last rating or of the raters'
// progress, whichever is later. The newest items first, then all periods in turn.
import type { Pool } from 'pg';
import { Ownership } from '../../../domain/accounts/ownership.ts';
import { customerText, type PeriodKey, type PeriodStart } from '../../../domain/billing/billing-period-terms.ts';
import type { TenantVersions } from '../../../domain/catalog/tenant-versions.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { RecordsByCustomer } from '../../../domain/rating/customer-records.ts';
import { wholeTarget } from '../../../domain/rating/period-targets.ts';
import { ratedTerms } from '../../../domain/rating/rated-terms.ts';
import { RatingCatalogs } from '../../../domain/rating/rating-catalog.ts';
import { covers } from '../../../domain/sealing/seal-vector.ts';
import type { Seals } from '../../../domain/sealing/seals.ts';
import { readNextPeriods } from '../../../platform/billing-store/billed-periods.ts';
import { readNewestPeriods } from '../../../platform/billing-store/line-items.ts';
import { readCharges } from '../../../platform/charges/target-charges.ts';
import type { RatedUsage, RatingState } from '../../store/rating-store.ts';
import { AuditLog, unlessDamaged } from '../discrepancy.ts';
import { compareTerms, placeOfStart } from '../expected-terms.ts';
import type { Findings } from './findings.ts';
import { readStartSums, type StartSums } from './period-sums.ts';

export interface PeriodWatchParts {
  readonly pool: Pool;
  readonly store: RatedUsage & Pick<RatingState, 'readSeals' | 'readAssignmentsAround'>;
  readonly findings: Findings;
  /** Waits before a period that differs is read again; resolves early when the auditor stops. */
  readonly pause: () => Promise<void>;
}

const NEWEST_ITEMS = 200;
const STRETCH_PERIODS = 20;

export class PeriodWatch {
  private readonly parts: PeriodWatchParts;
  private last: PeriodKey | null = null;
  private readonly suspects = new Map<string, PeriodStart>();

  constructor(parts: PeriodWatchParts) {
    this.parts = parts;
  }

  async round(versions: TenantVersions): Promise<void> {
    const { pool, findings } = this.parts;
    const stretch = await readNextPeriods(pool, this.last, STRETCH_PERIODS);
    this.last = stretch.length < STRETCH_PERIODS ? null : stretch.at(-1)!;
    const newest = await readNewestPeriods(pool, NEWEST_ITEMS);
    const keys = new Map([...this.suspects.values(), ...newest, ...stretch].map((key) => [placeOfStart(key), key]));
    let logs = await this.audit([...keys.values()], versions);
    const differing = [...logs].filter(([, log]) => log !== null && log.failures > 0);
    if (differing.length > 0) {
      // Seals, usage and line items are read one after the other: look again before anything is said.
      await this.parts.pause();
      const again = await this.audit(
        differing.map(([name]) => keys.get(name)!),
        versions,
      );
      logs = new Map([...logs, ...again]);
    }
    for (const [name, key] of keys) {
      const log = logs.get(name);
      // Null: its chunks are being repaired, or have to be, and what was known of it still stands.
      if (log === null) continue;
      if (log !== undefined && log.failures > 0) this.suspects.set(name, key);
      else this.suspects.delete(name);
      findings.report(name, log ?? null);
    }
  }

  /**
   * By name; null: its customer is due, so that it is not billed yet, or a chunk that its rating read is not sealed
   * now, or can't be read.
   */
  private async audit(keys: readonly PeriodStart[], versions: TenantVersions): Promise<Map<string, AuditLog | null>> {
    const logs = new Map<string, AuditLog | null>();
    if (keys.length === 0) return logs;
    const { pool, store } = this.parts;
    const all = await readStartSums(pool, keys);
    const seals = await store.readSeals();
    const sharing = ({ closedUpTo, ratedWatermark, catalogVersion, sealVector }: StartSums): string =>
      keyText(closedUpTo, ratedWatermark, catalogVersion, JSON.stringify(sealVector));
    for (const starts of groupBy(all, sharing).values()) {
      const { sealVector, catalogVersion } = starts[0]!;
      const isKnown = catalogVersion <= versions.newest;
      const due = isKnown && covers(seals.vector, sealVector) ? starts.filter(({ isDue }) => isDue) : starts;
      for (const start of due) logs.set(placeOfStart(start), null);
      const settled = starts.filter((start) => !due.includes(start));
      if (settled.length === 0) continue;
      const audited = await unlessDamaged(new AuditLog(), 'periods', async () => {
        const inForce = new RatingCatalogs(versions.upTo(catalogVersion));
        await this.auditAt({ ...seals, vector: sealVector }, settled, inForce, logs);
        return true;
      });
      if (audited === null) for (const start of settled) logs.set(placeOfStart(start), null);
    }
    return logs;
  }

  /** What was rated at the same seals and time, by the same version of the installation. */
  private async auditAt(
    seals: Seals,
    starts: readonly StartSums[],
    catalogs: RatingCatalogs,
    logs: Map<string, AuditLog | null>,
  ): Promise<void> {
    const { store } = this.parts;
    const { watermark, closedUpTo } = { watermark: starts[0]!.ratedWatermark, closedUpTo: starts[0]!.closedUpTo };
    // Whose the windows are that were billed then is for ever.
    const ownership = new Ownership(await store.readAssignmentsAround(starts));
    const customers = new Map(starts.map((start) => [customerText(start), start]));
    const records = new RecordsByCustomer(
      catalogs,
      [...customers.values()].flatMap(({ subscriptions }) => subscriptions),
    );
    const targets = starts.map(({ tenant, customer, periodStart }) => {
      const by = records.of({ tenant, customer });
      const subjects = ownership.subjectsOf({ tenant, customer });
      // Only sums are asked for.
      const upTo = { watermark, closedUpTo };
      return { ...wholeTarget(upTo, by, { tenant, customer, subjects }, periodStart), detailFrom: watermark };
    });
    const charges = await readCharges(store, { seals, closedUpTo, catalogs }, targets);
    for (const [i, { target, usage, fees }] of charges.entries()) {
      const start = starts[i]!;
      const log = new AuditLog();
      const terms = ratedTerms(target, usage, fees, catalogs.of(target.tenant));
      compareTerms(target, terms, start.charged, log);
      log.held('I5', 2 * (start.items - start.misposted.length));
      for (const item of start.misposted) {
        log.compare('I5', `ledger transaction ${item.transactionId}`, '0', item.balance);
        log.compare('I5', `line item ${item.id}, receivable`, item.amount, item.receivable);
      }
      logs.set(placeOfStart(start), log);
    }
  }
}
