// The body of PUT /v1/customers/{id}: all that a customer is to be. What is left out has its default, whatever the
// customer had before.
import { type BillingAddress, type CustomerFields, paymentParties } from '../../domain/accounts/customer.ts';
import { isTimeZone } from '../../domain/time/time-zone.ts';
import { idFault } from './account-ids.ts';
import { BodyFields, type FieldReader, mapField, objectField, oneOfField, textField, textLike } from './body-fields.ts';

const NAME_LENGTH = 256;
const EMAIL_LENGTH = 254;
const ADDRESS_LINE_LENGTH = 256;
const REASON_LENGTH = 500;
const METADATA_LIMITS = { entriesMax: 50, keyLengthMax: 64, valueLengthMax: 500 };
const DEFAULT_ENTITY = 'default';

const CURRENCY = /^[A-Z]{3}$/;
const COUNTRY = /^[A-Z]{2}$/;
const ENTITY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** What every address has; whether mail arrives there is not for us to say. */
const EMAIL = /^[^\s@\p{Cc}]{1,64}@[^\s@\p{Cc}]{1,190}$/u;

const email: FieldReader<string> = (given, refuse) => {
  const text = textField(EMAIL_LENGTH)(given, refuse);
  if (text === null) return null;
  return EMAIL.test(text) ? text : refuse('be an e-mail address');
};
const line = textField(ADDRESS_LINE_LENGTH);
const addressMembers: Readonly<Record<keyof BillingAddress, FieldReader<string>>> = {
  line1: line,
  line2: line,
  city: line,
  region: line,
  postalCode: line,
  country: textLike((text) => COUNTRY.test(text), 'a country of two capital letters, as DE (ISO 3166)'),
};

export const idField: FieldReader<string> = (given, refuse) => {
  if (typeof given !== 'string') return refuse('be a text');
  const fault = idFault(given);
  return fault === null ? given : refuse(fault);
};

/** Why something is changed. It is kept with the change for ever, in plain. */
export const reasonField = textField(REASON_LENGTH);

export const customerFieldNames = [
  ...['name', 'email', 'currency', 'timezone', 'entity', 'parent', 'paidBy', 'billingAddress', 'metadata', 'reason'],
] as const;

export interface CustomerBody {
  readonly fields: CustomerFields;
  readonly reason: string | null;
}

/** Throws a `Problem` that names every fault. */
export function readCustomerBody(body: unknown): CustomerBody {
  const given = new BodyFields(body, customerFieldNames);
  const currency = given.optional(
    'currency',
    textLike((text) => CURRENCY.test(text), 'a currency of three capital letters, as EUR (ISO 4217)'),
  );
  const timezone = given.optional('timezone', textLike(isTimeZone, 'a time zone, as Europe/Berlin (IANA)'));
  const entity = given.optional(
    'entity',
    textLike((text) => ENTITY.test(text), 'of 1 to 100 of the characters A-Z a-z 0-9 . _ -'),
  );
  const parent = given.optional('parent', idField);
  const paidBy = given.optional('paidBy', oneOfField(paymentParties)) ?? 'self';
  if (paidBy === 'parent' && parent === null) given.refuse('paidBy', 'be self where there is no parent');
  const personal = {
    name: given.optional('name', textField(NAME_LENGTH)),
    email: given.optional('email', email),
    billingAddress: given.optional('billingAddress', objectField(addressMembers)),
    metadata: given.optional('metadata', mapField(METADATA_LIMITS)) ?? {},
  };
  const reason = given.optional('reason', reasonField);
  given.end();
  return { fields: { currency, timezone, entity: entity ?? DEFAULT_ENTITY, parent, paidBy, personal }, reason };
}
