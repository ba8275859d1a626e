// Whoever asks for no period that starts before an instant is told of later ones what it would be told anyway: a
// default plan that is over by then is left out, and changes nothing else.
import { expect, it } from '@jest/globals';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { type CustomerRecords, CustomerTerms } from '../../domain/terms/price-terms.ts';
import { SubscriptionHistory, type SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import { testDay } from '../support/day-sample.ts';
import { recordsOf } from './compare.ts';
import { historyOf } from './histories.ts';
import { DAY, LENGTH_MAX } from './slow-model.ts';

const HISTORIES = 600;

/** All terms and fees of the periods that start from an instant on, as text. */
function toldFrom(records: CustomerRecords, terms: CustomerTerms, from: number, to: number): string[] {
  const usage = terms.usageLines.flatMap((line) =>
    terms
      .usagePeriodsIn(line, from, to)
      .filter(({ period }) => period.start >= from)
      .map(({ period, windows, terms: of }) => JSON.stringify([line.slug, line.members, period, windows, of])),
  );
  const fees = new CustomerFees(records, terms);
  const charged = fees
    .periodsIn(from, to, to)
    .filter(({ period }) => period.start >= from)
    .flatMap((of) =>
      fees.termsAt(of, to).map((term) => JSON.stringify([of, { ...term, amount: term.amount.toString() }])),
    );
  return [...usage, ...charged].sort();
}

/** The same, and it never ends. */
const withoutEnd = (records: readonly SubscriptionRecord[]): SubscriptionRecord[] =>
  records.map((record) =>
    'undoes' in record
      ? record
      : { ...record, patches: record.patches.map(({ at, patch: { endsAt: _, ...patch } }) => ({ at, patch })) },
  );

it('is so of random histories', () => {
  let leftOut = 0;
  for (let seed = testDay * HISTORIES; seed < (testDay + 1) * HISTORIES; seed++) {
    const history = historyOf(seed);
    const { catalog } = recordsOf(history);
    if (catalog.defaultPlan.length === 0) continue;
    const [first] = history.subscriptions;
    if (first === undefined) continue;
    const subscriptions = [new SubscriptionHistory(first.opening, withoutEnd(first.records))];
    const to = history.end + LENGTH_MAX;
    const whole = new CustomerTerms({ catalog, subscriptions });
    for (let from = history.start; from < history.end; from += DAY) {
      const since = new CustomerTerms({ catalog, subscriptions }, from);
      if (since.holders.length < whole.holders.length) leftOut++;
      const records = { catalog, subscriptions };
      expect(toldFrom(records, since, from, to)).toEqual(toldFrom(records, whole, from, to));
    }
  }
  expect(leftOut).toBeGreaterThan(HISTORIES / 12);
});
