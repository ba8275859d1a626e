// Customers as rows of a file: a JSON object a line, as PUT takes it and with its id; or CSV, with a column for each
// field that is no object, `billingAddress.city` and `metadata.KEY` among them. An empty cell is a field left out.
import { addressLines, type Customer } from '../../domain/accounts/customer.ts';
import { customerAnswer } from './account-answers.ts';
import { idFault } from './account-ids.ts';
import type { CsvForm } from './csv-form.ts';
import { type CustomerBody, customerFieldNames, readCustomerBody } from './customer-body.ts';

/** A row as it is to be a customer. */
export interface CustomerRow extends CustomerBody {
  readonly id: string;
}

/** Throws a `Problem`, or an `Error` that says what is wrong with the id. */
export function readCustomerRow(row: Readonly<Record<string, unknown>>): CustomerRow {
  const { id, ...body } = row;
  const fault = typeof id === 'string' ? idFault(id) : 'be a text';
  if (fault !== null) throw new Error(`id must ${fault}`);
  return { id: id as string, ...readCustomerBody(body) };
}

/** Of customers in CSV. */
export const customerForm: CsvForm = {
  plain: ['id', ...customerFieldNames.filter((name) => name !== 'billingAddress' && name !== 'metadata')],
  objects: { billingAddress: addressLines, metadata: null },
};

/** What PUT takes to make the same customer, with its id. */
export function customerRowOf(customer: Customer): Record<string, unknown> {
  const {
    version: _,
    createdAt: __,
    updatedAt: ___,
    archivedAt: ____,
    erasedAt: _____,
    ...row
  } = customerAnswer(customer);
  return row;
}

/** `metadataKeys`: of which metadata there are columns. */
export const exportedColumns = (metadataKeys: readonly string[]): readonly string[] => [
  ...['id', 'name', 'email', 'currency', 'timezone', 'entity', 'parent', 'paidBy'],
  ...addressLines.map((line) => `billingAddress.${line}`),
  ...metadataKeys.map((key) => `metadata.${key}`),
];

export function cellsOf(
  { id, currency, timezone, entity, parent, paidBy, personal }: Customer,
  keys: readonly string[],
) {
  const address = personal?.billingAddress ?? null;
  const metadata = personal?.metadata ?? {};
  return [
    ...[id, personal?.name, personal?.email, currency, timezone, entity, parent, paidBy],
    ...addressLines.map((line) => address?.[line]),
    ...keys.map((key) => (Object.hasOwn(metadata, key) ? metadata[key] : '')),
  ].map((cell) => cell ?? '');
}
