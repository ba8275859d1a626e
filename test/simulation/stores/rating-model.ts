// The rater's port on the models: money in Postgres, usage in ClickHouse.

import type { PeriodKey, RatedPeriod } from '../../../domain/billing/billing-period-terms.ts';
import type { NewLineItem, WrittenPrice } from '../../../domain/billing/line-item.ts';
import type { Meter } from '../../../domain/catalog/catalog.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { isSameVector, nextChunkOf, type SealVector, sealVectorOf } from '../../../domain/sealing/seal-vector.ts';
import type { EpochStep, Seals } from '../../../domain/sealing/seals.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import type { PeriodDetail } from '../../../platform/billing-store/written-prices.ts';
import type { FirstSeenRow, RatedUsageRow, RatedUsageSelection } from '../../../platform/usage-store/rated-usage.ts';
import type { WindowKey } from '../../../platform/usage-store/rollup-windows.ts';
import { earlierAsOne } from '../../../rater/core/contributions.ts';
import type { RatingStore, RatingTransaction } from '../../../rater/store/rating-store.ts';
import { PARTITIONS, TENANTS } from '../plan.ts';
import type { Process } from '../scheduler.ts';
import type { ClickHouseModel } from './click-house-model.ts';
import type { RollUpRow } from './inserted-rows.ts';
import type { PostgresModel, Statements } from './postgres-model.ts';
import { finalOf } from './replacing-table.ts';

const GENERATION = 1;

export interface StoredItem extends NewLineItem {
  readonly sealVector: SealVector;
}

/** What a rating transaction has committed. */
export interface Rated {
  readonly periods: readonly RatedPeriod[];
  readonly items: readonly StoredItem[];
}

const periodText = (key: { tenant: string; subject: string; periodStart: number }): string =>
  keyText(key.tenant, key.subject, key.periodStart);

export class RatingModel {
  private readonly postgres: PostgresModel;
  private readonly clickhouse: ClickHouseModel;
  progress: RaterProgress = { sealVector: {}, watermark: null, closedUpTo: null, catalogVersion: 0 };
  readonly periods = new Map<string, RatedPeriod>();
  /** By period. */
  readonly items = new Map<string, StoredItem[]>();
  private readonly itemKeys = new Set<string>();
  private readonly writtenPrices = new Map<StoredItem, { readonly lines: number; readonly price: WrittenPrice }>();
  onRated: (rated: Rated) => void = () => {};
  onAdvance: (progress: RaterProgress) => void = () => {};
  /** Told of what a rating reads of the line items of a period. */
  onDetail: (period: PeriodDetail) => void = () => {};

  constructor(postgres: PostgresModel, clickhouse: ClickHouseModel) {
    this.postgres = postgres;
    this.clickhouse = clickhouse;
  }

  get vector(): SealVector {
    return sealVectorOf(
      this.postgres.progress.map(({ nextChunk }, partition) => ({ generation: GENERATION, partition, nextChunk })),
    );
  }

  itemsOf(period: PeriodKey): readonly StoredItem[] {
    return this.items.get(periodText(period)) ?? [];
  }

  private readSeals(): Seals {
    const epochSteps: EpochStep[] = [];
    for (const [partition, seals] of this.postgres.seals.entries()) {
      let last = -1n;
      for (const { chunk, epoch } of seals) {
        if (epoch === last) continue;
        last = epoch;
        epochSteps.push({ generation: GENERATION, partition, fromChunk: chunk, epoch: last });
      }
    }
    return { vector: this.vector, epochSteps, watermark: this.postgres.published };
  }

  private periodsWhere(holds: (period: RatedPeriod) => boolean): RatedPeriod[] {
    return [...this.periods.values()].filter(holds).sort((a, b) => a.periodStart - b.periodStart);
  }

  storeOf(process: Process): RatingStore {
    const { postgres, clickhouse } = this;
    const statement = <Result>(what: string, work: () => Result): Promise<Result> =>
      postgres.statement(process, what, work);
    const read = <Result>(what: string, work: (asOf: number) => Result): Promise<Result> =>
      clickhouse.read(process, what, work);
    const isOf = (subjects: readonly { tenant: string; subject: string }[]) => (period: RatedPeriod) =>
      subjects.some(({ tenant, subject }) => tenant === period.tenant && subject === period.subject);
    return {
      readProgress: () => statement('progress', () => this.progress),
      advanceProgress: (from, to) =>
        statement('advance', () => {
          const is = this.progress;
          const isFrom =
            isSameVector(is.sealVector, from.sealVector) &&
            is.watermark === from.watermark &&
            is.closedUpTo === from.closedUpTo &&
            is.catalogVersion === from.catalogVersion;
          if (!isFrom) return false;
          this.progress = to;
          this.onAdvance(to);
          return true;
        }),
      readSeals: () => statement('seals', () => this.readSeals()),
      readChunkSeals: (from, to) =>
        statement('chunk seals', () =>
          postgres.seals.flatMap((seals, partition) =>
            seals
              .slice(nextChunkOf(from, GENERATION, partition), nextChunkOf(to, GENERATION, partition))
              .map(({ chunk, epoch, rollUps }) => ({
                generation: GENERATION,
                partition,
                chunk,
                epoch,
                rollUps,
              })),
          ),
        ),
      readChunksSince: (watermark) =>
        statement('chunks since', () =>
          sealVectorOf(
            postgres.seals.map((seals, partition) => ({
              generation: GENERATION,
              partition,
              nextChunk: (seals.findLast((seal) => seal.partitionTime < watermark)?.chunk ?? -1) + 1,
            })),
          ),
        ),
      readPublishedVersion: () => statement('published version', () => postgres.publishedVersion),
      readCatalogVersions: () => statement('versions', () => [...postgres.catalogVersions]),
      readKeyTenants: () => statement('tenants', () => [...TENANTS]),
      readBillingPeriods: (subjects) => statement('periods', () => this.periodsWhere(isOf(subjects))),
      readBillingPeriodsNamed: (names) =>
        statement('periods', () => this.periodsWhere(({ subject }) => names.includes(subject))),
      readServerRun: () => read('query', () => clickhouse.serverRun),
      readChunkRows: (seals) =>
        read('query', (asOf) =>
          seals.map(({ partition, chunk, epoch }) => {
            let count = 0;
            let checksum = 0n;
            for (const row of clickhouse.rollUps.final(partition, asOf, { from: chunk, to: chunk })) {
              if (row.epoch < epoch) continue;
              count++;
              checksum += row.checksum;
            }
            return { count, checksum: BigInt.asUintN(64, checksum) };
          }),
        ),
      streamWindows: ({ spans, chunks }) => this.streamWindows(process, spans, chunks),
      readUsage: (selection) => read('query', (asOf) => this.usage(selection, asOf)),
      readFirstSeen: (selection) => read('query', (asOf) => this.firstSeen(selection, asOf)),
      readSubjectsWithUsage: ({ subjects, from, to, sealed }) =>
        read('query', (asOf) => {
          const isSealed = sealedRows(sealed);
          return subjects.filter(({ tenant, subject }) => {
            let isFound = false;
            clickhouse.rollUpVersions({ tenant, meter: null, subjects: [subject], from, to }, (versions) => {
              const { windowStart } = versions[0]!.row;
              if (isFound || windowStart < from || windowStart >= to) return;
              const row = finalOf(versions, asOf);
              isFound = row !== null && isSealed(row);
            });
            return isFound;
          });
        }),
      inRating: (work) => {
        const rated: { periods: RatedPeriod[]; items: StoredItem[] } = { periods: [], items: [] };
        return postgres.transaction(
          process,
          (statements) => work(this.ratingTransaction(statements, rated)),
          () => {
            if (rated.periods.length + rated.items.length > 0) this.onRated(rated);
          },
        );
      },
    };
  }

  private async *streamWindows(
    process: Process,
    spans: readonly { readonly meter: string; readonly from: number; readonly to: number }[],
    chunks: readonly { partition: number; fromChunk: number; toChunk: number }[] | null,
  ): AsyncIterable<readonly WindowKey[]> {
    const bySlug = new Map(spans.map((span) => [span.meter, span]));
    const rows = await this.clickhouse.read(process, 'stream', (asOf) => {
      const found = new Map<string, WindowKey>();
      const look = ({ tenant, subject, meter, windowStart }: RollUpRow): void => {
        const span = bySlug.get(meter);
        if (span === undefined || windowStart < span.from || windowStart >= span.to) return;
        found.set(`${windowStart}/${tenant}/${subject}`, { tenant, subject, windowStart });
      };
      for (const { partition, fromChunk, toChunk } of chunks ?? []) {
        for (const row of this.clickhouse.rollUps.all(partition, asOf, { from: fromChunk, to: toChunk - 1 })) look(row);
      }
      if (chunks !== null) return [...found.values()];
      for (const { meter, from, to } of spans) {
        if (to <= from) continue;
        this.clickhouse.rollUpVersions({ tenant: null, meter, subjects: null, from, to }, (versions) => {
          for (const { row, part } of versions) if (!part.isLost && part.insertedAt <= asOf) look(row);
        });
      }
      return [...found.values()];
    });
    for (let i = 0; i < rows.length; i += 100) yield rows.slice(i, i + 100);
  }

  /** The rows of a selection, as FINAL and then its conditions give them. */
  private selected(selection: RatedUsageSelection, asOf: number): RollUpRow[] {
    const { subjects, meter, from, to, filters = [], sealed } = selection;
    const isSealed = sealedRows(sealed);
    const found: RollUpRow[] = [];
    for (const [tenant, ofTenant] of groupBy(subjects, (key) => key.tenant)) {
      const names = ofTenant.map(({ subject }) => subject);
      this.clickhouse.rollUpVersions({ tenant, meter: meter.slug, subjects: names, from, to }, (versions) => {
        // What names a row is the same in all its versions.
        const { windowStart, groupValues } = versions[0]!.row;
        if (windowStart < from || windowStart >= to) return;
        for (const { dimension, values } of filters) if (!values.includes(groupValues[dimension]!)) return;
        const row = finalOf(versions, asOf);
        if (row !== null && isSealed(row)) found.push(row);
      });
    }
    return found;
  }

  private usage(selection: RatedUsageSelection, asOf: number): RatedUsageRow[] {
    const ofBucket = (row: RollUpRow): string => keyText(row.tenant, row.subject, bucketStart(selection, row));
    return [...groupBy(this.selected(selection, asOf), ofBucket).values()].map((rows) => ({
      ...{ tenant: rows[0]!.tenant, subject: rows[0]!.subject, bucketStart: bucketStart(selection, rows[0]!) },
      quantity: merged(selection.meter, rows),
    }));
  }

  private firstSeen(selection: RatedUsageSelection, asOf: number): FirstSeenRow[] {
    const first = new Map<string, Omit<FirstSeenRow, 'values'>>();
    for (const { tenant, subject, windowStart, uniqueValues } of this.selected(selection, asOf)) {
      for (const value of uniqueValues) {
        const key = keyText(tenant, subject, value);
        const known = first.get(key);
        if (known === undefined || windowStart < known.windowStart) first.set(key, { tenant, subject, windowStart });
      }
    }
    const ofWindow = ({ tenant, subject, windowStart }: Omit<FirstSeenRow, 'values'>): string =>
      keyText(tenant, subject, windowStart);
    return [...groupBy([...first.values()], ofWindow).values()].map((seen) => ({
      ...seen[0]!,
      values: BigInt(seen.length),
    }));
  }

  private ratingTransaction(
    { run, locked, write }: Statements,
    rated: { periods: RatedPeriod[]; items: StoredItem[] },
  ): RatingTransaction {
    return {
      lockBillingPeriods: (subjects) =>
        locked(
          'lock subjects',
          subjects.map(({ tenant, subject }) => `subject ${keyText(tenant, subject)}`),
          () =>
            this.periodsWhere((period) =>
              subjects.some(({ tenant, subject }) => tenant === period.tenant && subject === period.subject),
            ),
        ),
      readWrittenPrices: (periods) => run('written', () => this.written(periods)),
      saveRatedPeriods: (periods) =>
        write('save periods', () => {
          for (const period of periods) {
            this.periods.set(periodText(period), { ...period });
            rated.periods.push(period);
          }
        }),
      insertLineItems: async (lineItems, sealVector) => {
        await run('check items', () => this.assertNew(lineItems));
        await write('insert items', () => {
          this.assertNew(lineItems);
          for (const line of lineItems) {
            this.itemKeys.add(itemText(line));
            const key = periodText(line);
            if (!this.periods.has(key)) throw new Error(`no billing period for ${itemText(line)}`);
            const stored: StoredItem = { ...line, sealVector };
            const items = this.items.get(key);
            if (items === undefined) this.items.set(key, [stored]);
            else items.push(stored);
            rated.items.push(stored);
          }
        });
      },
    };
  }

  private assertNew(lineItems: readonly NewLineItem[]): void {
    const seen = new Set<string>();
    for (const line of lineItems) {
      const key = itemText(line);
      if (this.itemKeys.has(key) || seen.has(key)) {
        throw Object.assign(new Error(`duplicate key value violates unique constraint: ${key}`), { code: '23505' });
      }
      seen.add(key);
    }
  }

  private written(periods: readonly PeriodDetail[]): Map<string, WrittenPrice> {
    const prices = new Map<string, WrittenPrice>();
    for (const period of periods) {
      this.onDetail(period);
      const byPrice = new Map<string, StoredItem[]>();
      for (const line of this.items.get(periodText(period)) ?? []) {
        const lines = byPrice.get(line.price);
        if (lines === undefined) byPrice.set(line.price, [line]);
        else lines.push(line);
      }
      for (const [price, lines] of byPrice) {
        const { windows, amount } = this.writtenPrice(lines);
        const written = { windows: earlierAsOne(windows, period), amount };
        prices.set(keyText(period.tenant, period.subject, period.periodStart, price), written);
      }
    }
    return prices;
  }

  /** Line items are never changed, so what as many of them came to before they come to now. */
  private writtenPrice(lines: readonly StoredItem[]): WrittenPrice {
    const first = lines[0]!;
    const before = this.writtenPrices.get(first);
    if (before?.lines === lines.length) return before.price;
    const windows = new Map<number, WrittenPrice['windows'][number]>();
    let amount = Decimal.zero;
    for (const { item } of lines) {
      const window = windows.get(item.windowStart);
      amount = amount.plus(item.amount);
      windows.set(item.windowStart, {
        windowStart: item.windowStart,
        windowEnd: Math.max(window?.windowEnd ?? 0, item.windowEnd),
        quantity: (window?.quantity ?? 0n) + item.quantity,
        revision: Math.max(window?.revision ?? 0, item.revision),
      });
    }
    const price = { windows: [...windows.values()], amount };
    this.writtenPrices.set(first, { lines: lines.length, price });
    return price;
  }
}

const itemText = (line: NewLineItem): string =>
  keyText(line.tenant, line.subject, line.periodStart, line.price, line.item.windowStart, line.item.revision);

function bucketStart({ buckets, from }: RatedUsageSelection, { windowStart }: RollUpRow): number {
  if (buckets === 'window') return windowStart;
  const segment = buckets.findLast(({ start }) => start <= windowStart);
  if (segment === undefined) throw new RangeError(`no segment holds ${windowStart}, the first begins after ${from}`);
  return segment.start + Math.floor((windowStart - segment.start) / segment.stepMs) * segment.stepMs;
}

/** Rows of chunks that the vector covers, of the sealing epoch or a later one. */
function sealedRows({ vector, epochSteps }: Pick<Seals, 'vector' | 'epochSteps'>): (row: RollUpRow) => boolean {
  // By partition and chunk, the epoch it was sealed in.
  const epochs: (bigint | number)[][] = Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: nextChunkOf(vector, GENERATION, partition) }, () => Number.POSITIVE_INFINITY),
  );
  for (const { partition, fromChunk, epoch } of epochSteps) epochs[partition]!.fill(epoch, fromChunk);
  return ({ partition, chunk, epoch }) => epoch >= (epochs[partition]![chunk] ?? Number.POSITIVE_INFINITY);
}

const byValue = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function merged(meter: Meter, rows: readonly RollUpRow[]): bigint {
  const values = rows.map(({ value }) => value);
  switch (meter.aggregation) {
    case 'sum':
    case 'count':
      return values.reduce((sum, value) => sum + value, 0n);
    case 'max':
      return values.sort(byValue).at(-1)!;
    case 'min':
      return values.sort(byValue)[0]!;
    case 'latest': {
      const last = rows.reduce((a, b) => (isAfter(b, a) ? b : a));
      return last.value;
    }
    case 'unique':
      return BigInt(new Set(rows.flatMap(({ uniqueValues }) => uniqueValues)).size) * 1_000_000_000_000n;
  }
}

function isAfter(a: RollUpRow, b: RollUpRow): boolean {
  const key = ({ latest: [eventTime, at, offset, index], partition }: RollUpRow) => [
    eventTime,
    at,
    partition,
    offset,
    index,
  ];
  const [x, y] = [key(a), key(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! > y[i]!;
  return false;
}
