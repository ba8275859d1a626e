// The table at the end: what the installation says beside what the oracle says. A row agrees only if both are the same
// to the last digit; the one exception is stated in the row.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { type Fate, fates } from '../mishaps.ts';
import type { SendResult } from '../sender.ts';
import { type Oracle, unscaled } from './oracle.ts';
import { type Bills, billsOf, MONEY_SCALE } from './oracle-money.ts';

const QUANTITY_SCALE = 12;

/** What was read back from the installation. Quantities and amounts are counts of 10^-12 and 10^-36. */
export interface Observed {
  readonly outcomes: {
    readonly accepted: bigint;
    readonly duplicate: bigint;
    readonly conflict: bigint;
    readonly tooLate: bigint;
    readonly poison: bigint;
  };
  /** meter → group values → quantity. */
  readonly totals: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
  /** meter → window start and group values → quantity. */
  readonly windows: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
  readonly bills: Bills;
  readonly lineItems: { readonly usage: number; readonly adjustment: number };
  /** Milliseconds since the epoch: the windows the line items cover are those closed at this watermark. */
  readonly ratedWatermark: number;
}

export interface Row {
  readonly what: string;
  readonly observed: string;
  readonly expected: string;
  readonly difference: string;
  readonly agrees: boolean;
}

function row(what: string, observed: bigint, expected: bigint, digits = 0, surplusMax = 0n): Row {
  const difference = observed - expected;
  const agrees = difference >= 0n && difference <= surplusMax;
  return {
    what,
    observed: unscaled(observed, digits),
    expected: unscaled(expected, digits),
    difference: `${difference > 0n ? '+' : ''}${unscaled(difference, digits)}${agrees && difference !== 0n ? ' (sent again)' : ''}`,
    agrees,
  };
}

function countDifferences<Key>(observed: ReadonlyMap<Key, bigint>, expected: ReadonlyMap<Key, bigint>): bigint {
  let differences = 0n;
  for (const key of new Set([...observed.keys(), ...expected.keys()])) {
    if ((observed.get(key) ?? 0n) !== (expected.get(key) ?? 0n)) differences++;
  }
  return differences;
}

const sumOf = (values: Iterable<bigint>): bigint => {
  let sum = 0n;
  for (const value of values) sum += value;
  return sum;
};

function outcomeRows(oracle: Oracle, sent: SendResult, { outcomes }: Observed): Row[] {
  const expected = (fate: Fate): bigint => BigInt(oracle.fates[fate]);
  const rejected = [...sent.rejectedByCode.values()].reduce((a, b) => a + b, 0);
  // A request that was repeated because its connection broke may stand in the log twice: as duplicates, or conflicts
  // again.
  const surplus = BigInt(sent.resent);
  return [
    row('sent', BigInt(sent.sent), sumOf(fates.map(expected))),
    row('accepted', outcomes.accepted, expected('accepted')),
    row('duplicate', outcomes.duplicate, expected('duplicate'), 0, surplus),
    row('conflict', outcomes.conflict, expected('conflict'), 0, surplus),
    row('rejected by the gateway', BigInt(rejected), expected('rejected')),
    row('answers not as expected', BigInt(sent.surpriseCount), 0n),
    row('too late or undecodable', outcomes.tooLate + outcomes.poison, 0n),
  ];
}

function usageRows(oracle: Oracle, catalog: Catalog, observed: Observed): Row[] {
  const rows: Row[] = [];
  let windowsDiffer = 0n;
  for (const { slug } of catalog.meters) {
    const [seen, expected] = [observed.totals.get(slug) ?? new Map<string, bigint>(), oracle.totals(slug)];
    const keys = [...new Set([...seen.keys(), ...expected.keys()])].sort();
    for (const key of keys) {
      const groups = (JSON.parse(key) as string[]).join(', ');
      rows.push(row(`${slug} ${groups}`.trimEnd(), seen.get(key) ?? 0n, expected.get(key) ?? 0n, QUANTITY_SCALE));
    }
    windowsDiffer += countDifferences(observed.windows.get(slug) ?? new Map(), oracle.windows(slug));
  }
  return [...rows, row('windows of usage that differ', windowsDiffer, 0n)];
}

function moneyRows(oracle: Oracle, catalog: Catalog, observed: Observed, allowedLatenessMs: number): Row[] {
  const time = { watermark: observed.ratedWatermark, allowedLatenessMs };
  const expected = billsOf(oracle.agreements, oracle.cells(), time);
  const rows: Row[] = [];
  let billsDiffer = 0n;
  for (const slug of new Set([...catalog.plans.map((plan) => plan.slug), ...observed.bills.keys()])) {
    const [seen, due] = [observed.bills.get(slug) ?? new Map(), expected.get(slug) ?? new Map<string, bigint>()];
    rows.push(row(`plan ${slug}, ${catalog.currency}`, sumOf(seen.values()), sumOf(due.values()), MONEY_SCALE));
    billsDiffer += countDifferences(seen, due);
  }
  return [...rows, row('customers whose bill differs', billsDiffer, 0n)];
}

export function compare(oracle: Oracle, sent: SendResult, observed: Observed, allowedLatenessMs: number): Row[] {
  const { catalog } = oracle;
  return [
    ...outcomeRows(oracle, sent, observed),
    ...usageRows(oracle, catalog, observed),
    ...moneyRows(oracle, catalog, observed, allowedLatenessMs),
  ];
}

const grouped = (text: string): string => {
  const [whole = '', fraction] = text.split('.');
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',') + (fraction === undefined ? '' : `.${fraction}`);
};

/** The rows as text, numbers to the right, a mark before each that disagrees. */
export function formatTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, observed, expected, difference, agrees }) => [
    `${agrees ? ' ' : '✗'} ${what}`,
    grouped(observed),
    grouped(expected),
    grouped(difference),
  ]);
  const all = [['', 'Tallyline', 'independently', 'difference'], ...cells];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((line) => line[column]!.length)));
  const lines = all.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('  '));
  return lines.join('\n');
}

/** The value below which that share of the samples lies, by nearest rank; null without samples. */
export function percentile(samples: readonly number[], share: number): number | null {
  if (samples.length === 0) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}
