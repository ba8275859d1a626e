// Ids of line items and ledger transactions, derived from what makes them unique: a step done twice names the same
// rows.
import { hash } from 'node:crypto';
import { NO_SUBSCRIPTION, POOLED, type PricedKey } from './billing-period-terms.ts';

/** The columns of the line items' unique key. */
export interface LineItemKey extends PricedKey {
  readonly windowStart: number;
  readonly revision: number;
}

/** The variant's two bits, in place of the first two of a hexadecimal digit. */
const VARIANT = '89ab';

/** A version 8 UUID (RFC 9562) from SHA-256. A JSON array, because joined strings collide ("a-b"+"c" = "a"+"b-c"). */
function derivedUuid(parts: readonly (string | number)[]): string {
  const hex = hash('sha256', JSON.stringify(parts), 'hex');
  const variant = VARIANT[Number.parseInt(hex[16]!, 16) & 3]!;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const DAY_MS = 86_400_000;
const isMonth = ({ periodStart, periodEnd }: LineItemKey): boolean =>
  periodEnd - periodStart > 27 * DAY_MS && periodEnd - periodStart < 32 * DAY_MS;

/**
 * An item without a subscription, of all subjects of the customer and of a term that begins with its month, is named as
 * items were when money was by subject and month: what there was keeps its ids.
 */
const partsOf = (key: LineItemKey) => {
  const { tenant, customer, subscription, periodStart, periodEnd, subject, price, termStart, windowStart } = key;
  const parts = [tenant, customer, periodStart, price, windowStart, key.revision];
  const isOfCustomer = subscription === NO_SUBSCRIPTION && subject === POOLED;
  const isAsBefore = isOfCustomer && termStart === periodStart && isMonth(key);
  return isAsBefore ? parts : [...parts, subscription, subject, periodEnd, termStart];
};

export const lineItemId = (key: LineItemKey): string => derivedUuid(['line_item', ...partsOf(key)]);
export const ledgerTransactionId = (key: LineItemKey): string => derivedUuid(['ledger_transaction', ...partsOf(key)]);
