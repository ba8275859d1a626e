// What a customer is: whoever pays. Its personal fields are those that can be forgotten: they are stored encrypted by a
// key of its own, and are gone with it. Everything else stays, as bills refer to it.

/** In the order in which they are answered. `country`: ISO 3166, two letters. */
export const addressLines = ['line1', 'line2', 'city', 'region', 'postalCode', 'country'] as const;
export type BillingAddress = Readonly<Record<(typeof addressLines)[number], string | null>>;

export interface PersonalFields {
  readonly name: string | null;
  readonly email: string | null;
  readonly billingAddress: BillingAddress | null;
  readonly metadata: Readonly<Record<string, string>>;
}

export const paymentParties = ['self', 'parent'] as const;
export type PaidBy = (typeof paymentParties)[number];

/** What stays when the person is forgotten. */
export interface LastingFields {
  /** ISO 4217; null: that of the catalog. */
  readonly currency: string | null;
  /** IANA; null: that of the plan. */
  readonly timezone: string | null;
  /** The seller, within the tenant. */
  readonly entity: string;
  /** The customer that it belongs to. */
  readonly parent: string | null;
  readonly paidBy: PaidBy;
}

export interface CustomerFields extends LastingFields {
  readonly personal: PersonalFields;
}

export interface Customer extends LastingFields {
  readonly tenant: string;
  readonly id: string;
  /** How often it was changed, its making included. */
  readonly version: number;
  /** Null: it was erased. */
  readonly personal: PersonalFields | null;
  /** As all times, in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archivedAt: number | null;
  readonly erasedAt: number | null;
}

/** A customer has so many above it and below it, itself included. */
export const HIERARCHY_DEPTH_MAX = 8;

const sorted = (fields: Readonly<Record<string, unknown>>): unknown[] =>
  Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));

const canonical = ({ currency, timezone, entity, parent, paidBy, personal }: CustomerFields): string =>
  JSON.stringify([
    ...[currency, timezone, entity, parent, paidBy, personal.name, personal.email],
    ...[personal.billingAddress === null ? null : sorted({ ...personal.billingAddress }), sorted(personal.metadata)],
  ]);

/** Whether a customer is what these fields say, whatever the order of their keys. */
export const isCustomerOf = ({ personal, ...terms }: Customer, fields: CustomerFields): boolean =>
  personal !== null && canonical({ ...terms, personal }) === canonical(fields);
