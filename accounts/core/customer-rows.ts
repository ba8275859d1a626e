// Customers as rows of a file: a JSON object a line, as PUT takes it and with its id; or CSV, with a column for each
// field that is no object, `billingAddress.city` and `metadata.KEY` among them. An empty cell is a field left out.
import { addressLines, type Customer } from '../../domain/accounts/customer.ts';
import { customerAnswer } from './account-answers.ts';
import { idFault } from './account-ids.ts';
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

const plainFields = customerFieldNames.filter((name) => name !== 'billingAddress' && name !== 'metadata');
const addressColumns = addressLines.map((line) => `billingAddress.${line}`);
const METADATA = 'metadata.';

const isColumn = (name: string): boolean =>
  name === 'id' ||
  plainFields.some((field) => field === name) ||
  addressColumns.includes(name) ||
  (name.startsWith(METADATA) && name.length > METADATA.length);

/** What is wrong with the first line of a CSV file; null: nothing. */
export function headerFault(columns: readonly string[]): string | null {
  const unknown = columns.find((name) => !isColumn(name));
  if (unknown !== undefined) {
    const known = ['id', ...plainFields, ...addressColumns, 'metadata.KEY'].join(', ');
    return `${JSON.stringify(unknown.slice(0, 64))} is an unknown column; known are ${known}`;
  }
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) return `the column ${JSON.stringify(twice.slice(0, 64))} is there twice`;
  return columns.includes('id') ? null : 'there is no column id';
}

/** The cells of a row as the object that PUT takes, with the id. Throws an `Error` where there are more or fewer. */
export function rowOfCells(columns: readonly string[], cells: readonly string[]): Record<string, unknown> {
  if (cells.length !== columns.length)
    throw new Error(`it has ${cells.length} cells, and the first line ${columns.length}`);
  const address: [string, string][] = [];
  const metadata: [string, string][] = [];
  const fields: [string, unknown][] = [];
  for (const [i, name] of columns.entries()) {
    const cell = cells[i]!;
    if (cell === '') continue;
    if (name.startsWith(METADATA)) metadata.push([name.slice(METADATA.length), cell]);
    else if (name.startsWith('billingAddress.')) address.push([name.slice('billingAddress.'.length), cell]);
    else fields.push([name, cell]);
  }
  return {
    ...Object.fromEntries(fields),
    ...(address.length > 0 && { billingAddress: Object.fromEntries(address) }),
    ...(metadata.length > 0 && { metadata: Object.fromEntries(metadata) }),
  };
}

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
  ...['id', 'name', 'email', 'currency', 'timezone', 'entity', 'parent', 'paidBy', ...addressColumns],
  ...metadataKeys.map((key) => `${METADATA}${key}`),
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
