// Ids of line items and ledger transactions, derived from what makes them unique: a step done twice names the same
// rows.
import { createHash } from 'node:crypto';
import { NO_SUBSCRIPTION, POOLED, type PricedKey } from './billing-period-terms.ts';

/** The columns of the line items' unique key. */
export interface LineItemKey extends PricedKey {
  readonly windowStart: number;
  readonly revision: number;
}

/** A version 8 UUID (RFC 9562) from SHA-256. A JSON array, because joined strings collide ("a-b"+"c" = "a"+"b-c"). */
function derivedUuid(parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16);
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
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
