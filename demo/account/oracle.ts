// The independent account of what was sent: outcomes, usage and money by plain bigint arithmetic, sharing no code with
// the stages it checks. Quantities and amounts are counts of 10^-SCALE; a value that has more fraction digits is an
// error.
import type { Catalog, Meter } from '../../domain/catalog/catalog.ts';
import type { DemoEvent } from '../demo-event.ts';
import type { Fate } from '../mishaps.ts';
import { Agreements } from './agreements.ts';

const SCALE = 12;
const ONE = 10n ** BigInt(SCALE);
const WINDOW_MS = { '1m': 60_000, '15m': 900_000, '1h': 3_600_000, '1d': 86_400_000 } as const;

/** Decimal text as a count of 10^-digits. */
export function scaled(text: string, digits: number): bigint {
  const [whole = '', fraction = ''] = text.replace(/^-/, '').split('.');
  const kept = fraction.replace(/0+$/, '');
  if (!/^\d+$/.test(whole) || !/^\d*$/.test(fraction) || kept.length > digits) {
    throw new RangeError(`the oracle cannot hold ${JSON.stringify(text)} with ${digits} fraction digits`);
  }
  const magnitude = BigInt(whole) * 10n ** BigInt(digits) + BigInt(kept.padEnd(digits, '0') || '0');
  return text.startsWith('-') ? -magnitude : magnitude;
}

/** The reverse of `scaled`, without trailing zeros. */
export function unscaled(value: bigint, digits: number): string {
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, '0');
  const fraction = text.slice(text.length - digits).replace(/0+$/, '');
  return (value < 0n ? '-' : '') + text.slice(0, text.length - digits) + (fraction === '' ? '' : `.${fraction}`);
}

/** The usage of one window of one meter: a row of the book. */
export interface UsageCell {
  readonly meter: Meter;
  readonly subject: string;
  readonly windowStart: number;
  /** The end of the stretch that line items of the meter cover: when it is past, the cell is billed. */
  readonly itemEnd: number;
  /** In the order of the meter's dimensions. */
  readonly groups: readonly string[];
  /** A count of 10^-12. */
  value: bigint;
}

export class Oracle {
  /** Of the meters. */
  readonly catalog: Catalog;
  readonly agreements: Agreements;
  readonly fates: Record<Fate, number> = { accepted: 0, duplicate: 0, conflict: 0, rejected: 0 };
  private readonly cellsByKey = new Map<string, UsageCell>();

  /**
   * Throws for a meter that is neither sum nor count, has a filter or calculates, and for windows of several sizes:
   * these are not demonstrated.
   */
  constructor(catalog: Catalog) {
    for (const { slug, aggregation, where, addends } of catalog.meters) {
      if (where !== undefined || addends !== undefined) {
        throw new Error(`meter ${slug}: the demonstration checks no filter and no sum of several values`);
      }
      if (aggregation !== 'sum' && aggregation !== 'count') {
        throw new Error(`meter ${slug}: the demonstration checks sum and count, not ${aggregation}`);
      }
    }
    const [windowMs, ...others] = new Set(catalog.meters.map(({ window }) => WINDOW_MS[window]));
    if (windowMs === undefined || others.length > 0) throw new Error('the demonstration checks windows of one size');
    this.catalog = catalog;
    this.agreements = new Agreements(catalog, windowMs);
  }

  /** One delivery; `event` is what has to be counted for it, null for nothing. */
  record(fate: Fate, event: DemoEvent | null): void {
    this.fates[fate] += 1;
    if (event === null) return;
    for (const [index, meter] of this.catalog.meters.entries()) {
      if (meter.eventType === event.type) this.count(index, meter, event);
    }
  }

  private count(index: number, meter: Meter, event: DemoEvent): void {
    let value = ONE;
    if (meter.aggregation === 'sum') {
      const given = meter.valuePath?.length === 1 ? event.data[String(meter.valuePath[0])] : undefined;
      if (given === undefined) return;
      value = Number.isSafeInteger(given) ? BigInt(given) * ONE : scaled(String(given), SCALE);
    }
    const groups = meter.dimensions.map(({ path }) =>
      path.length === 1 ? String(event.data[String(path[0])] ?? '') : '',
    );
    const sizeMs = WINDOW_MS[meter.window];
    const windowStart = event.time - (event.time % sizeMs);
    const itemMs = WINDOW_MS[meter.itemWidth ?? meter.window];
    const key = JSON.stringify([index, event.subject, windowStart, groups]);
    const cell = this.cellsByKey.get(key);
    if (cell !== undefined) cell.value += value;
    else
      this.cellsByKey.set(key, {
        meter,
        subject: event.subject,
        windowStart,
        itemEnd: event.time - (event.time % itemMs) + itemMs,
        groups,
        value,
      });
  }

  cells(): Iterable<UsageCell> {
    return this.cellsByKey.values();
  }

  /** A meter's total by group values, each written as `usageKey` does. */
  totals(meter: string): Map<string, bigint> {
    return this.sum(meter, ({ groups }) => usageKey(groups));
  }

  /** A meter's usage by window start and group values. */
  windows(meter: string): Map<string, bigint> {
    return this.sum(meter, ({ windowStart, groups }) => usageKey([String(windowStart), ...groups]));
  }

  private sum(meter: string, keyOf: (cell: UsageCell) => string): Map<string, bigint> {
    const sums = new Map<string, bigint>();
    for (const cell of this.cellsByKey.values()) {
      if (cell.meter.slug !== meter) continue;
      const key = keyOf(cell);
      sums.set(key, (sums.get(key) ?? 0n) + cell.value);
    }
    return sums;
  }
}

/** Group values (or a window start and group values) as one text. */
export const usageKey = (parts: readonly string[]): string => JSON.stringify(parts);
