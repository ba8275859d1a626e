// Customers: PUT and GET of one, the list, archiving and erasing.
import { type Customer, isCustomerOf, type LastingFields } from '../../domain/accounts/customer.ts';
import { searchedWords } from '../../domain/accounts/search-words.ts';
import { Problem } from '../../domain/problem.ts';
import { encodePlace, numberBehind, pageOf } from '../../domain/requests/cursor.ts';
import {
  anyText,
  noParameters,
  pageCursor,
  parametersOf,
  readParameters,
  time,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readStatesAt } from '../../platform/account-store/change-history.ts';
import {
  archiveCustomer,
  eraseCustomer,
  type LockedCustomer,
  lockCustomer,
  lockHierarchy,
  type NewCustomer,
  parentFaults,
  readCustomer,
  readCustomers,
  replaceCustomer,
} from '../../platform/account-store/customers.ts';
import type { AccountAnswer } from '../../platform/account-store/idempotent-answers.ts';
import { makeCustomers } from '../../platform/account-store/new-customers.ts';
import {
  type AccountAct,
  type AccountContext,
  type AccountRequest,
  type AccountRoute,
  type AccountTransaction,
  doneOnce,
  listAnswer,
} from '../account-route.ts';
import { customerAnswer, customerStateAnswer } from '../core/account-answers.ts';
import { readPathId } from '../core/account-ids.ts';
import { BodyFields, invalidField, invalidFields } from '../core/body-fields.ts';
import { readCustomerBody, reasonField } from '../core/customer-body.ts';
import { meets, readIfMatch, type VersionCondition, versionMismatch } from '../core/request-headers.ts';

const CUSTOMERS_DEFAULT = 100;
const CUSTOMERS_MAX = 1_000;

const answerOf = (customer: Customer, status = 200): AccountAnswer => ({
  status,
  version: customer.version,
  body: customerAnswer(customer),
});

export const unknownCustomer = (id: string): Problem =>
  new Problem('unknown_customer', `There is no customer ${JSON.stringify(id.slice(0, 64))}.`);

const erased = (): Problem =>
  new Problem('customer_erased', 'This customer was erased, and what was erased stays so. Use another id.');

/** Throws a `Problem` where its parent can't be that. Takes the lock of the hierarchy, before any row. */
async function checkParent(
  transaction: AccountTransaction,
  tenant: string,
  wanted: NewCustomer,
  isNew: boolean,
): Promise<void> {
  const fault = (await parentFaults(transaction, tenant, [wanted], { isNew })).get(wanted.id);
  if (fault !== undefined) throw invalidFields([invalidField('parent', fault)]);
}

/** What is there is as it is to be, or is replaced where its version is the one that is asked for. */
async function putExisting(
  transaction: AccountTransaction,
  { vault }: AccountContext,
  { author }: AccountRequest,
  locked: LockedCustomer,
  wanted: NewCustomer,
  condition: VersionCondition,
): Promise<AccountAnswer> {
  const { customer } = locked;
  if (customer.erasedAt !== null) throw erased();
  if (isCustomerOf(customer, wanted.fields)) return answerOf(customer);
  if (!meets(condition, customer.version)) {
    throw versionMismatch('The customer is there, and is not as this body says.', customer.version);
  }
  if (wanted.fields.parent !== customer.parent) await checkParent(transaction, author.tenant, wanted, false);
  const replaced = await replaceCustomer(transaction, vault, author, locked, wanted);
  transaction.changed('customer');
  return answerOf(replaced);
}

const putCustomer: AccountAct = (context, request) => {
  readParameters(noParameters, request.parameters);
  const id = readPathId('id', request.path.id!);
  const condition = readIfMatch(request.ifMatch);
  const wanted: NewCustomer = { id, ...readCustomerBody(request.body) };
  const { vault } = context;
  const { author } = request;
  const { tenant } = author;
  return context.change(async (transaction) => {
    if (wanted.fields.parent !== null)
      await lockHierarchy(transaction, tenant, condition === null ? 'adding' : 'moving');
    const existing = await lockCustomer(transaction, vault, tenant, id);
    if (existing !== null) return putExisting(transaction, context, request, existing, wanted, condition);
    if (condition !== null) throw versionMismatch('There is no such customer.', 0);
    await checkParent(transaction, tenant, wanted, true);
    const made = (await makeCustomers(transaction, vault, author, [wanted])).get(id);
    if (made === undefined) {
      // Another request has made it since.
      const other = await lockCustomer(transaction, vault, tenant, id);
      return putExisting(transaction, context, request, other!, wanted, null);
    }
    transaction.changed('customer');
    return answerOf(made, 201);
  });
};

const customerParameters = parametersOf({
  asOf: time('an instant', 'What the customer was then; without it, what it is now').optional(),
});

const getCustomer: AccountAct = async ({ reads, vault }, { author: { tenant }, path, parameters }) => {
  const id = readPathId('id', path.id!);
  const { asOf } = readParameters(customerParameters, parameters);
  const customer = await readCustomer(reads, vault, tenant, id);
  if (customer === null) throw unknownCustomer(id);
  if (asOf === undefined) return answerOf(customer);
  const of = { tenant, kind: 'customer' as const, id, actor: null, behind: null, rowsMax: 1 };
  const [state] = await readStatesAt(reads, vault, { ...of, asOf });
  if (state === undefined)
    throw new Problem('unknown_customer', `There was no such customer at ${formatRfc3339(asOf)}.`);
  const { version, after, createdAt, recordedAt: updatedAt } = state;
  const terms = after.fields as unknown as LastingFields & Pick<Customer, 'archivedAt'>;
  // When it was erased is told whatever the instant: it is why its personal fields are empty.
  const { erasedAt } = customer;
  return answerOf({ ...customer, ...terms, erasedAt, version, personal: after.personal, createdAt, updatedAt });
};

const customersParameters = parametersOf({
  search: anyText(
    'Only customers with all of these words in their name, or with this e-mail address; whole words, in any case',
  ).optional(),
  limit: wholeNumber(CUSTOMERS_MAX, CUSTOMERS_DEFAULT, 'Customers in an answer'),
  cursor: pageCursor('the same search'),
});

/** More would be a query without end, and no name has so many. */
const SEARCHED_WORDS_MAX = 8;

/** Null: a blank search, which is none. */
function readSearch(search: string | null): readonly string[] | null {
  if (search === null || search.trim() === '') return null;
  const words = searchedWords(search);
  if (words.length <= SEARCHED_WORDS_MAX) return words;
  throw new Problem('invalid_parameter', `search: must have at most ${SEARCHED_WORDS_MAX} words`);
}

const listCustomers: AccountAct = async ({ reads, vault }, { author: { tenant }, parameters }) => {
  const { search = null, limit, cursor } = readParameters(customersParameters, parameters);
  const selection = {
    tenant,
    words: readSearch(search),
    afterNumber: numberBehind(cursor, search, 'search'),
    rowsMax: limit + 1,
  };
  // Nothing but punctuation is in no name.
  if (selection.words?.length === 0) return listAnswer({ data: [], nextCursor: null });
  // One more than asked for tells whether there is a next page.
  const found = await readCustomers(reads, vault, selection);
  const { page, last } = pageOf(found, limit);
  return listAnswer({
    data: page.map(({ customer }) => customerAnswer(customer)),
    nextCursor: last === undefined ? null : encodePlace(search, [last.number]),
  });
};

/** A POST about one customer that is there, done once, to the version that is asked for where one is. */
const act = (
  name: string,
  change: (
    transaction: AccountTransaction,
    context: AccountContext,
    request: AccountRequest,
    locked: LockedCustomer,
    reason: string | null,
  ) => Promise<Customer>,
): AccountRoute => {
  const path = `/v1/customers/{id}/${name}`;
  return {
    ...{ method: 'POST', path, scope: 'manage', parameters: noParameters },
    act: doneOnce(path, async (transaction, context, request) => {
      readParameters(noParameters, request.parameters);
      const id = readPathId('id', request.path.id!);
      const condition = readIfMatch(request.ifMatch);
      const body = new BodyFields(request.body ?? {}, ['reason']);
      const reason = body.optional('reason', reasonField);
      body.end();
      const locked = await lockCustomer(transaction, context.vault, request.author.tenant, id);
      if (locked === null) throw unknownCustomer(id);
      if (condition !== null && !meets(condition, locked.customer.version)) {
        throw versionMismatch('The customer was changed since.', locked.customer.version);
      }
      const changed = await change(transaction, context, request, locked, reason);
      if (changed !== locked.customer) transaction.changed('customer');
      return { status: 200, version: changed.version, body: customerStateAnswer(changed) };
    }),
  };
};

export const customerRoutes: readonly AccountRoute[] = [
  { method: 'GET', path: '/v1/customers', scope: 'read', parameters: customersParameters, act: listCustomers },
  {
    ...{ method: 'GET', path: '/v1/customers/{id}', scope: 'read', customerIn: 'id' },
    ...{ parameters: customerParameters, act: getCustomer },
  },
  { method: 'PUT', path: '/v1/customers/{id}', scope: 'manage', parameters: noParameters, act: putCustomer },
  act('archive', async (transaction, { vault }, { author }, locked, reason) =>
    locked.customer.archivedAt === null ? archiveCustomer(transaction, vault, author, locked, reason) : locked.customer,
  ),
  act('erase', async (transaction, _, { author }, locked, reason) =>
    locked.customer.erasedAt === null ? eraseCustomer(transaction, author, locked, reason) : locked.customer,
  ),
];
