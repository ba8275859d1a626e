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

/**
 * An item of a customer without a subscription, of all its subjects, is named as items were when money was by subject:
 * a customer that is its own subject keeps the ids it had.
 */
const partsOf = ({
  tenant,
  customer,
  subscription,
  periodStart,
  subject,
  price,
  windowStart,
  revision,
}: LineItemKey) => {
  const parts = [tenant, customer, periodStart, price, windowStart, revision];
  return subscription === NO_SUBSCRIPTION && subject === POOLED ? parts : [...parts, subscription, subject];
};

export const lineItemId = (key: LineItemKey): string => derivedUuid(['line_item', ...partsOf(key)]);
export const ledgerTransactionId = (key: LineItemKey): string => derivedUuid(['ledger_transaction', ...partsOf(key)]);
