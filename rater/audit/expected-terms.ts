// What the terms of a customer's prices should have been charged, against what their line items say (I4).
import { POOLED, type TermOfSubject, termText } from '../../domain/billing/billing-period-terms.ts';
import { keyText } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { quantityToDecimal } from '../../domain/number/quantity.ts';
import type { PeriodTarget } from '../../domain/rating/period-targets.ts';
import type { RatedTerm } from '../../domain/rating/rated-terms.ts';
import type { AuditLog } from './discrepancy.ts';

/** What the line items of a term say together, of all subjects or of one. */
export interface ChargedSum extends TermOfSubject {
  readonly price: string;
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

export const placeOfStart = ({
  tenant,
  customer,
  periodStart,
}: Pick<PeriodTarget, 'tenant' | 'customer' | 'periodStart'>) =>
  `tenant ${tenant} customer ${customer} period ${new Date(periodStart).toISOString()}`;

const keyOf = (price: string, term: TermOfSubject): string => keyText(price, termText(term));

function nameOf(price: string, { subscription, termStart, subject }: TermOfSubject, periodStart: number): string {
  const from = termStart === periodStart ? '' : ` from ${new Date(termStart).toISOString()}`;
  return (
    `price ${price}${from}${subscription === '' ? '' : ` subscription ${subscription}`}` +
    (subject === POOLED ? '' : ` subject ${subject}`)
  );
}

/** Of all prices in the periods of a customer that start at an instant. */
export function compareTerms(
  target: Pick<PeriodTarget, 'tenant' | 'customer' | 'periodStart'>,
  terms: readonly RatedTerm[],
  charged: readonly ChargedSum[],
  log: AuditLog,
): void {
  const left = new Map(charged.map((sum) => [keyOf(sum.price, sum), sum]));
  const where = placeOfStart(target);
  for (const { of, contributions, amount } of terms) {
    const key = keyOf(of.price, of);
    const found = left.get(key);
    left.delete(key);
    const quantity = quantityToDecimal(contributions.reduce((sum, each) => sum + each.quantity, 0n));
    const what = `${where} ${nameOf(of.price, of, target.periodStart)}`;
    // A term without usage is compared as well: nothing is written of it.
    log.compare('I4', `${what}, quantity`, quantity, found?.quantity ?? Decimal.zero);
    log.compare('I4', `${what}, amount`, amount(quantity), found?.amount ?? Decimal.zero);
  }
  // What is left was charged for a term that is no more: it has to cancel out.
  for (const sum of left.values()) {
    const what = `${where} ${nameOf(sum.price, sum, target.periodStart)}, which the period does not have`;
    log.compare('I4', `${what}, quantity`, '0', sum.quantity);
    log.compare('I4', `${what}, amount`, '0', sum.amount);
  }
}
