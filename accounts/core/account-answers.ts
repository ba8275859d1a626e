// Account objects as the API answers them. An object that was erased has null where its personal fields were.
import { type Assignment, customerAt } from '../../domain/accounts/assignments.ts';
import {
  addressLines,
  type BillingAddress,
  type Customer,
  type PersonalFields,
} from '../../domain/accounts/customer.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';

export const timeOrNull = (instant: number | null): string | null => (instant === null ? null : formatRfc3339(instant));

const address = (stored: BillingAddress): BillingAddress =>
  Object.fromEntries(addressLines.map((line) => [line, stored[line]])) as BillingAddress;

export const personalAnswer = (personal: PersonalFields | null) => ({
  name: personal?.name ?? null,
  email: personal?.email ?? null,
  billingAddress: personal === null || personal.billingAddress === null ? null : address(personal.billingAddress),
  metadata: personal?.metadata ?? {},
});

export function customerAnswer(customer: Customer) {
  const { id, version, currency, timezone, entity, parent, paidBy, personal } = customer;
  const { name, email, billingAddress, metadata } = personalAnswer(personal);
  return {
    ...{ id, name, email, currency, timezone, entity, parent, paidBy, billingAddress, metadata, version },
    createdAt: formatRfc3339(customer.createdAt),
    updatedAt: formatRfc3339(customer.updatedAt),
    archivedAt: timeOrNull(customer.archivedAt),
    erasedAt: timeOrNull(customer.erasedAt),
  };
}

/** What a POST is answered: it is stored for thirty days, so nothing of it may have to be forgotten. */
export const customerStateAnswer = ({ id, version, updatedAt, archivedAt, erasedAt }: Customer) => ({
  ...{ id, version },
  updatedAt: formatRfc3339(updatedAt),
  archivedAt: timeOrNull(archivedAt),
  erasedAt: timeOrNull(erasedAt),
});

export const assignmentsAnswer = (assignments: readonly Assignment[]) =>
  assignments.map(({ customer, from }) => ({ customer, from: formatRfc3339(from) }));

export interface SubjectFacts {
  readonly subject: string;
  readonly assignments: readonly Assignment[];
  readonly version: number;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
}

/** `now`: whose it is at that instant. */
export const subjectAnswer = (facts: SubjectFacts, now: number) => ({
  subject: facts.subject,
  customer: customerAt(facts, now),
  assignments: assignmentsAnswer(facts.assignments),
  version: facts.version,
  createdAt: timeOrNull(facts.createdAt),
  updatedAt: timeOrNull(facts.updatedAt),
});
