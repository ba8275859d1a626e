// The auditor's part about money: the line items of billing periods against the price of their usage (I4) and their
// ledger entries (I5). Usage is read as rating reads it, at the seals of a period's last rating or of the raters'
// progress, whichever is later. The newest items first, then all periods in turn.
import type { Pool } from 'pg';
import { Ownership } from '../../../domain/accounts/ownership.ts';
import { type PeriodKey, POOLED, periodText, pricedText } from '../../../domain/billing/billing-period-terms.ts';
import type { CatalogVersion } from '../../../domain/catalog/catalog.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { QUANTITY_ONE, quantityToDecimal } from '../../../domain/number/quantity.ts';
import { isChargedByUsage, isPeriodDue } from '../../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../../domain/pricing/prices.ts';
import { covers } from '../../../domain/sealing/seal-vector.ts';
import type { Seals } from '../../../domain/sealing/seals.ts';
import { readNextPeriods } from '../../../platform/billing-store/billed-periods.ts';
import { readNewestPeriods } from '../../../platform/billing-store/line-items.ts';
import { metersOf, periodPrices } from '../../core/period-prices.ts';
import { readContributions, readPeriodsWithUsage, type UsageWanted } from '../../store/period-usage.ts';
import type { RatedUsage, RatingState } from '../../store/rating-store.ts';
import { AuditLog, unlessDamaged } from '../discrepancy.ts';
import type { Findings } from './findings.ts';
import { type PeriodSums, readPeriodSums } from './period-sums.ts';

export interface PeriodWatchParts {
  readonly pool: Pool;
  readonly store: RatedUsage & Pick<RatingState, 'readSeals' | 'readAssignmentsAround'>;
  readonly findings: Findings;
  /** Waits before a period that differs is read again; resolves early when the auditor stops. */
  readonly pause: () => Promise<void>;
}

const NEWEST_ITEMS = 200;
const STRETCH_PERIODS = 20;

const nameOf = ({ tenant, customer, periodStart }: PeriodKey): string =>
  `tenant ${tenant} customer ${customer} period ${new Date(periodStart).toISOString()}`;

export class PeriodWatch {
  private readonly parts: PeriodWatchParts;
  private last: PeriodKey | null = null;
  private readonly suspects = new Map<string, PeriodKey>();

  constructor(parts: PeriodWatchParts) {
    this.parts = parts;
  }

  async round(versions: readonly CatalogVersion[]): Promise<void> {
    const { pool, findings } = this.parts;
    const stretch = await readNextPeriods(pool, this.last, STRETCH_PERIODS);
    this.last = stretch.length < STRETCH_PERIODS ? null : stretch.at(-1)!;
    const newest = await readNewestPeriods(pool, NEWEST_ITEMS);
    const keys = new Map([...this.suspects.values(), ...newest, ...stretch].map((key) => [nameOf(key), key]));
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

  /** By name; null: a chunk that its rating read is not sealed now, or can't be read. */
  private async audit(
    keys: readonly PeriodKey[],
    versions: readonly CatalogVersion[],
  ): Promise<Map<string, AuditLog | null>> {
    const logs = new Map<string, AuditLog | null>();
    if (keys.length === 0) return logs;
    const { pool, store } = this.parts;
    const all = await readPeriodSums(pool, keys);
    const seals = await store.readSeals();
    const sharing = (period: PeriodSums): string => keyText(period.closedUpTo, JSON.stringify(period.sealVector));
    for (const periods of groupBy(all, sharing).values()) {
      const { sealVector } = periods[0]!;
      if (!covers(seals.vector, sealVector)) {
        for (const period of periods) logs.set(nameOf(period), null);
        continue;
      }
      const audited = await unlessDamaged(new AuditLog(), 'periods', async () => {
        await this.auditAt({ ...seals, vector: sealVector }, periods, versions, logs);
        return true;
      });
      if (audited === null) for (const period of periods) logs.set(nameOf(period), null);
    }
    return logs;
  }

  /** Periods that were rated at the same seals, with the same windows closed. */
  private async auditAt(
    seals: Seals,
    periods: readonly PeriodSums[],
    versions: readonly CatalogVersion[],
    logs: Map<string, AuditLog | null>,
  ): Promise<void> {
    const { store } = this.parts;
    // Whose the windows are that were billed then is for ever.
    const ownership = new Ownership(await store.readAssignmentsAround(periods));
    const priced = periods.map((period) => ({
      period: { ...period, subjects: ownership.subjectsOf(period) },
      prices: periodPrices(versions, period),
    }));
    const wanted: UsageWanted[] = priced.flatMap(({ period, prices }) =>
      period.periodEnd <= period.periodStart
        ? []
        : prices.flatMap(({ price, meter }) =>
            // Only their sum is asked for.
            isUsagePrice(price) ? [{ ...period, detailFrom: period.periodEnd, price, meter: meter! }] : [],
          ),
    );
    const basis = { seals, closedUpTo: periods[0]!.closedUpTo };
    const contributions = await readContributions(store, wanted, basis);
    const byUsage = priced
      .map(({ period }) => period)
      .filter((period) => isChargedByUsage(period) && period.periodEnd > period.periodStart);
    const withUsage = await readPeriodsWithUsage(store, byUsage, [...metersOf(versions).values()], basis);
    for (const { period, prices } of priced) {
      const log = new AuditLog();
      const where = nameOf(period);
      const unpriced = new Map(period.written);
      const hasUsage = withUsage.has(periodText(period));
      const charges = isPeriodDue(period, period.ratedWatermark, hasUsage) ? QUANTITY_ONE : 0n;
      for (const { price } of prices) {
        unpriced.delete(price.slug);
        const used = contributions.get(pricedText(period, price.slug));
        const written = period.written.get(price.slug);
        // A price that was never used is compared as well: nothing is written of it.
        for (const subject of new Set([...(used?.keys() ?? []), ...(written?.keys() ?? [])]).add(POOLED)) {
          const sum = (used?.get(subject) ?? []).reduce((total, each) => total + each.quantity, 0n);
          const isCharged = !isUsagePrice(price) && subject === POOLED;
          const quantity = quantityToDecimal(isUsagePrice(price) ? sum : isCharged ? charges : 0n);
          const found = written?.get(subject);
          const what = `${where} price ${price.slug}${subject === POOLED ? '' : ` subject ${subject}`}`;
          log.compare('I4', `${what}, quantity`, quantity, found?.quantity ?? Decimal.zero);
          log.compare('I4', `${what}, amount`, amountOf(price)(quantity), found?.amount ?? Decimal.zero);
        }
      }
      for (const [price, bySubject] of unpriced) {
        for (const { amount } of bySubject.values()) {
          log.compare('I4', `${where} price ${price}, which the period does not have, amount`, '0', amount);
        }
      }
      log.held('I5', 2 * (period.items - period.misposted.length));
      for (const item of period.misposted) {
        log.compare('I5', `ledger transaction ${item.transactionId}`, '0', item.balance);
        log.compare('I5', `line item ${item.id}, receivable`, item.amount, item.receivable);
      }
      logs.set(where, log);
    }
  }
}
