// A preview as the API answers it: what each term comes to without the act and with it, and what is charged when.
import { NO_SUBSCRIPTION } from '../../../domain/billing/billing-period-terms.ts';
import { keyText } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import {
  type AheadStep,
  type AheadTerm,
  byPeriodAndPrice,
  type ChargesSide,
  totalOf,
} from '../../../domain/rating/charged-ahead.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';
import { timeOrNull } from '../account-answers.ts';

export interface PreviewedCharges {
  readonly before: ChargesSide;
  readonly after: ChargesSide;
  readonly currency: string;
  /** Instants, in milliseconds since the epoch. What is due after `until` is not looked at. */
  readonly until: number;
  /** Usage of windows that end by then is in it; null: none was closed yet. */
  readonly usageUpTo: number | null;
}

export const amountsAnswer = (before: Decimal, after: Decimal) => ({
  before: before.toString(),
  after: after.toString(),
  difference: after.minus(before).toString(),
});

const textOf = ({ price, subscription, periodStart, periodEnd, from }: AheadTerm): string =>
  keyText(price, subscription ?? NO_SUBSCRIPTION, periodStart, periodEnd, from);

const sideAnswer = (term: AheadTerm | undefined) =>
  term === undefined
    ? null
    : {
        plan: term.plan,
        to: formatRfc3339(term.to),
        dueAt: timeOrNull(term.dueAt),
        quantity: term.quantity.toString(),
        amount: term.amount.toString(),
      };

function termAnswers(before: readonly AheadTerm[], after: readonly AheadTerm[]) {
  const [left, right] = [before, after].map((terms) => new Map(terms.map((term) => [textOf(term), term])));
  const all = [...new Map([...left!, ...right!])].sort(([, a], [, b]) => byPeriodAndPrice(a, b));
  return all.flatMap(([text, { price, meter, subscription, periodStart, periodEnd, from }]) => {
    const [was, is] = [left!.get(text), right!.get(text)];
    const isNothing = [was, is].every((term) => term === undefined || (term.quantity.isZero && term.amount.isZero));
    if (isNothing) return [];
    const difference = (is?.amount ?? Decimal.zero).minus(was?.amount ?? Decimal.zero);
    return [
      {
        ...{ price, meter, subscription },
        periodStart: formatRfc3339(periodStart),
        periodEnd: formatRfc3339(periodEnd),
        from: formatRfc3339(from),
        before: sideAnswer(was),
        after: sideAnswer(is),
        difference: difference.toString(),
      },
    ];
  });
}

/** By instant. What was due before now is charged already, so that the first step has the difference alone. */
function chargedAnswers(before: readonly AheadStep[], after: readonly AheadStep[]) {
  const charged = (steps: readonly AheadStep[], settled: Decimal) =>
    new Map(steps.map(({ at, amount }, i) => [at, i === 0 ? amount.minus(settled) : amount]));
  const settled = before[0]!.amount;
  const [left, right] = [charged(before, settled), charged(after, settled)];
  const instants = [...new Set([...left.keys(), ...right.keys()])].sort((a, b) => a - b);
  return instants.flatMap((at) => {
    const [was, is] = [left.get(at) ?? Decimal.zero, right.get(at) ?? Decimal.zero];
    return was.isZero && is.isZero ? [] : [{ at: formatRfc3339(at), ...amountsAnswer(was, is) }];
  });
}

export const chargesAnswer = ({ before, after, currency, until, usageUpTo }: PreviewedCharges) => ({
  currency,
  until: formatRfc3339(until),
  usageUpTo: timeOrNull(usageUpTo),
  terms: termAnswers(before.terms, after.terms),
  charged: chargedAnswers(before.steps, after.steps),
  total: amountsAnswer(totalOf(before.terms), totalOf(after.terms)),
});
