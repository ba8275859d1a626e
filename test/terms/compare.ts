// Holds domain/terms against the slow model, history by history, and says what must hold of every history besides.
import type { KeptUsage } from '../../domain/aggregation/period-value.ts';
import type { Aggregation } from '../../domain/catalog/catalog.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { isMatrix } from '../../domain/pricing/matrix-cells.ts';
import { amountOf } from '../../domain/pricing/prices.ts';
import { isTaken } from '../../domain/pricing/taken-usage.ts';
import { Random } from '../../domain/random.ts';
import {
  type CountedTerms,
  chargedTerms,
  countedTerms,
  type SubjectWindows,
  type UsageOfCounted,
} from '../../domain/rating/term-usage.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { lengthOf } from '../../domain/terms/price-lines.ts';
import {
  type CustomerRecords,
  CustomerTerms,
  type UsagePeriod,
  type UsageTerm,
} from '../../domain/terms/price-terms.ts';
import { SubscriptionHistory, type SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import {
  changeKindOf,
  countedTogether,
  type TermCharge,
  termCharges,
  type UsedWindow,
} from '../../domain/terms/term-amounts.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { historyOf } from './histories.ts';
import { slowFeeAmounts } from './slow-fees.ts';
import { isLookedAt, LENGTH_MAX, SLOT, type SlowHistory, SlowModel, type SlowUsage } from './slow-model.ts';
import { type Ratio, ratioText } from './slow-numbers.ts';
import { slowUsageAmounts } from './slow-usage.ts';

const DAY = 86_400_000;

export const recordsOf = ({ versions, subscriptions }: SlowHistory): CustomerRecords => ({
  catalog: new CatalogHistory(versions),
  subscriptions: subscriptions.map(({ opening, records }) => new SubscriptionHistory(opening, records)),
});

const lengthInMs = (length: object): number => (length as { days: number }).days * DAY;

/**
 * What is kept of the events of a window, in their order. `seen`: the values of earlier windows, which these are added
 * to.
 */
function mergedValue(aggregation: Aggregation, values: readonly number[], seen: Set<number>): number {
  switch (aggregation) {
    case 'sum':
    case 'avg':
      return values.reduce((sum, each) => sum + each, 0);
    case 'count':
      return values.length;
    case 'max':
      return Math.max(...values);
    case 'min':
      return Math.min(...values);
    case 'latest':
      return values.at(-1)!;
    case 'unique': {
      const before = seen.size;
      for (const value of values) seen.add(value);
      return seen.size - before;
    }
  }
}

/** The windows of some terms, as a store would give them. */
export function usageOfCounted(
  { terms, taken, dimensions }: CountedTerms,
  meter: UsagePeriod['line']['meter'],
  usage: readonly SlowUsage[],
): SubjectWindows[] {
  const windowMs = windowSizeMs[meter!.window];
  const isTold = dimensions.length > 0;
  const windows = [
    ...groupBy(
      usage.filter(
        ({ meter: slug, model, at }) => slug === meter!.slug && isTaken(taken, { model }, windowStartOf(at, windowMs)),
      ),
      ({ at, model }) => JSON.stringify([windowStartOf(at, windowMs), isTold ? model : '']),
    ),
  ]
    .map(([key, events]) => {
      const [windowStart, model] = JSON.parse(key) as [number, string];
      return { windowStart, values: events.map(({ value }) => value), ...(isTold && { groups: [model] }) };
    })
    .filter(({ windowStart }) => terms.some(({ from, to }) => from <= windowStart && windowStart < to))
    .sort((a, b) => a.windowStart - b.windowStart);
  const seen = new Set<number>();
  if (windows.length === 0) return [];
  return [
    {
      subject: 'c',
      windows: windows.map(({ values, ...window }) => ({ ...window, ...keptOf(meter!.aggregation, values, seen) })),
    },
  ];
}

const keptOf = (aggregation: Aggregation, values: readonly number[], seen: Set<number>): KeptUsage => ({
  quantity: BigInt(mergedValue(aggregation, values, seen)) * QUANTITY_ONE,
  ...(aggregation === 'avg' && { events: BigInt(values.length) }),
});

/** What each term's price matches, window by window. */
function usageByTerm(period: UsagePeriod, { usage }: SlowHistory): Map<UsageTerm, UsedWindow[]> {
  const { aggregation, slug } = period.line.meter!;
  const { windowMs } = period.line;
  const windows = period.terms
    .flatMap((term, index) => {
      const matched = usage.filter(
        ({ meter, at, model }) =>
          meter === slug &&
          at >= term.from &&
          at < term.to &&
          isTaken(term.taken, { model }, Math.floor(at / windowMs) * windowMs),
      );
      const byStart = groupBy(matched, ({ at }) => String(Math.floor(at / windowMs) * windowMs));
      return [...byStart].map(([start, events]) => ({ term, index, windowStart: Number(start), events }));
    })
    .sort((a, b) => a.windowStart - b.windowStart || a.index - b.index);
  const seen = new Map(
    countedTogether(period).flatMap((terms) => {
      const values = new Set<number>();
      return terms.map((term) => [term, values] as const);
    }),
  );
  const found = new Map<UsageTerm, UsedWindow[]>(period.terms.map((term) => [term, []]));
  for (const { term, windowStart, events } of windows) {
    const values = events.map(({ value }) => value);
    found.get(term)!.push({ windowStart, ...keptOf(aggregation, values, seen.get(term)!) });
  }
  return found;
}

interface ChargedPeriod {
  readonly period: UsagePeriod;
  readonly charges: readonly (TermCharge & { readonly cell: string })[];
}

function chargedPeriods(records: CustomerRecords, history: SlowHistory): ChargedPeriod[] {
  const customer = new CustomerTerms(records);
  return customer.usageLines
    .flatMap((line) => customer.usagePeriodsIn(line, history.start, history.end + LENGTH_MAX))
    .filter(({ period }) => isLookedAt(history, period.start))
    .map((period) => {
      if (period.terms.some(({ price }) => isMatrix(price))) {
        const usageOf: UsageOfCounted = (counted) => usageOfCounted(counted, period.line.meter, history.usage);
        return { period, charges: chargedTerms(period, countedTerms(period), usageOf) };
      }
      const usage = usageByTerm(period, history);
      return {
        period,
        charges: termCharges(period, (term) => usage.get(term)!).map((each) => ({ ...each, cell: '' })),
      };
    });
}

type Amounts = Readonly<Record<string, string>>;

const sorted = (entries: readonly (readonly [string, string])[]): Amounts =>
  Object.fromEntries(entries.filter(([, amount]) => amount !== '0').sort(([a], [b]) => (a < b ? -1 : 1)));

export const fastUsage = (records: CustomerRecords, history: SlowHistory): Amounts =>
  sorted(
    chargedPeriods(records, history).flatMap(({ period: { line, period, terms }, charges }) =>
      charges.map(({ term, cell, amount }) => {
        const length = lengthInMs(lengthOf(terms[0]!));
        const key = `${line.slug}${cell} ${line.members[0]} ${length} ${period.start} ${term.subscription} ${term.from}`;
        return [key, amount.toString()] as const;
      }),
    ),
  );

function fastFees(records: CustomerRecords, history: SlowHistory, asOf: number): Amounts {
  const fees = new CustomerFees(records);
  return sorted(
    fees
      .periodsIn(history.start, history.end + LENGTH_MAX, asOf)
      .filter(({ period }) => isLookedAt(history, period.start))
      .flatMap((period) =>
        fees
          .termsAt(period, asOf)
          .filter(({ dueAt }) => dueAt <= asOf)
          .map(({ subscription, from, amount }) => {
            const length = lengthInMs(period.every);
            const key = `${period.slug} ${period.first} ${length} ${period.period.start} ${subscription} ${from}`;
            return [key, amount.toString()] as const;
          }),
      ),
  );
}

const shown = (amounts: ReadonlyMap<string, Ratio>): Amounts =>
  sorted([...amounts].map(([key, amount]) => [key, ratioText(amount)] as const));

/** What is in one and not, or otherwise, in the other; both ways. */
export function differences(fast: Amounts, slow: Amounts): string[] {
  const keys = [...new Set([...Object.keys(fast), ...Object.keys(slow)])];
  return keys
    .filter((key) => fast[key] !== slow[key])
    .map((key) => `${key}: ${fast[key] ?? 'nothing'}, and ${slow[key] ?? 'nothing'} by the slow model`);
}

/** The same changes, recorded in another order; only those of one field and instant keep theirs. */
function inOtherOrder(random: Random, { opening, records }: SlowHistory['subscriptions'][number]) {
  const fieldsOf = (record: SubscriptionRecord): string[] =>
    'undoes' in record
      ? []
      : record.patches.flatMap(({ at, patch }) =>
          Object.entries(patch).flatMap(([field, value]) =>
            field === 'quantities' || field === 'overrides'
              ? Object.keys(value as object).map((name) => `${at} ${field} ${name}`)
              : [`${at} ${field}`],
          ),
        );
  const order = random.shuffled(records.map(({ sequence }) => sequence));
  const given = new Map<number, number>();
  for (const [i, sequence] of order.entries()) given.set(sequence, i + 1);
  // Records that name the same field at the same instant share their places out in the old order.
  for (let swapped = true; swapped; ) {
    swapped = false;
    for (const one of records) {
      for (const other of records) {
        const conflicts = fieldsOf(one).some((field) => fieldsOf(other).includes(field));
        if (!conflicts || one.sequence >= other.sequence) continue;
        const [a, b] = [given.get(one.sequence)!, given.get(other.sequence)!];
        if (a < b) continue;
        given.set(one.sequence, b).set(other.sequence, a);
        swapped = true;
      }
    }
  }
  const renumbered = records.map((record) => ({
    ...record,
    sequence: given.get(record.sequence)!,
    ...('undoes' in record && { undoes: given.get(record.undoes) ?? 0 }),
  }));
  return { opening, records: random.shuffled(renumbered) };
}

/** Fees of which a definition gives nothing back. */
function keptSlugs({ versions, subscriptions }: SlowHistory): Set<string> {
  const planned = versions.flatMap(({ catalog }) => catalog.plans.flatMap(({ prices }) => prices));
  const patches = subscriptions.flatMap(({ records }) =>
    records.flatMap((each) => ('patches' in each ? each.patches : [])),
  );
  const own = patches.flatMap(({ patch }) => Object.values(patch.overrides ?? {}));
  return new Set([...planned, ...own].flatMap((price) => (price?.giveBack === false ? [price.slug] : [])));
}

/** Of fees that one definition has the whole period, and any number of subscriptions: their parts are the fee. */
function partsThatAreNotTheWhole(records: CustomerRecords, history: SlowHistory): string[] {
  const fees = new CustomerFees(records);
  const later = history.end + LENGTH_MAX;
  return fees.periodsIn(history.start, later, later).flatMap((period) => {
    const terms = fees.termsAt(period, later);
    // What was kept of one definition, whether it holds still or not, is not in the whole of another.
    if (keptSlugs(history).has(period.slug)) return [];
    const { start, end } = period.period;
    const isCovered =
      terms.every(({ from }, i) => from === (i === 0 ? start : terms[i - 1]!.to)) && terms.at(-1)?.to === end;
    const wholes = terms.map(({ price, quantity }) => amountOf(price)(Decimal.parse(quantity)));
    if (!isCovered || terms.some(({ amount }) => amount.isZero) || wholes.some((each) => !each.equals(wholes[0]!)))
      return [];
    const sum = terms.reduce((all, { amount }) => all.plus(amount), Decimal.zero);
    return sum.equals(wholes[0]!) ? [] : [`${period.slug} ${start}: the parts of ${wholes[0]} add up to ${sum}`];
  });
}

const isMonotone = ({ price }: UsageTerm): boolean => price.model !== 'volume' && price.model !== 'stairstep';

/** Two subscriptions that price the same usage are refused, and the cells of a matrix are not told apart by them. */
const hasTwiceMatrix = (records: CustomerRecords, history: SlowHistory): boolean => {
  const customer = new CustomerTerms(records);
  return customer.usageLines
    .flatMap((line) => customer.usagePeriodsIn(line, history.start, history.end + LENGTH_MAX))
    .some(
      ({ terms }) =>
        terms.some(({ price }) => isMatrix(price)) && terms.some(({ from }, i) => i > 0 && from < terms[i - 1]!.to),
    );
};

/** What of the rules does not hold of a history; empty where all is well. */
export function faultsOf(seed: number, history = historyOf(seed)): string[] {
  const random = new Random(seed).fork('checks');
  const records = recordsOf(history);
  if (hasTwiceMatrix(records, history)) return [];
  const asOf = random.once(2) ? history.end + 30 * DAY : history.start + random.below(144) * SLOT;
  const slow = new SlowModel(history);
  const usage = fastUsage(records, history);
  const fees = fastFees(records, history, asOf);
  const faults = [
    ...differences(usage, shown(slowUsageAmounts(slow))),
    ...differences(fees, shown(slowFeeAmounts(history, asOf))),
  ];

  faults.push(...partsThatAreNotTheWhole(records, history));

  // Each third, since it is the same work again.
  if (seed % 3 === 0) {
    const reordered: SlowHistory = {
      ...history,
      subscriptions: random.shuffled(history.subscriptions.map((each) => inOtherOrder(random, each))),
    };
    const again = recordsOf(reordered);
    const moved = [
      ...differences(fastUsage(again, reordered), usage),
      ...differences(fastFees(again, reordered, asOf), fees),
    ];
    faults.push(...moved.map((fault) => `recorded in another order: ${fault}`));
  }

  for (const { period, charges } of chargedPeriods(records, history)) {
    const name = `${period.line.slug} ${period.period.start}`;
    const kind = changeKindOf(period);
    for (const charge of charges) {
      const isCharged = kind === 'share' && isMonotone(charge.term) && charge.quantity >= 0n;
      if (isCharged && charge.amount.isNegative) faults.push(`${name}: a share of ${charge.amount} is negative`);
      const sum = charge.contributions.reduce((all, { quantity }) => all + quantity, 0n);
      if (sum !== charge.quantity) faults.push(`${name}: the contributions are not the quantity`);
      if (!charge.price(Decimal.zero).isZero) faults.push(`${name}: no usage costs ${charge.price(Decimal.zero)}`);
    }
  }
  return faults;
}
