// Subjects: from when on one is whose.
import { decodePlace, encodePlace, isPlaceNumber, notACursor, pageOf } from '../../domain/requests/cursor.ts';
import {
  noParameters,
  pageCursor,
  parametersOf,
  readParameters,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readCustomer, shareCustomers } from '../../platform/account-store/customers.ts';
import {
  lockSubject,
  readAssignedSubject,
  readNow,
  readStretches,
  saveAssignment,
} from '../../platform/account-store/subject-assignments.ts';
import { lockCustomers } from '../../platform/billing-store/billing-periods.ts';
import { markBilledDue, markDue } from '../../platform/billing-store/due-customers.ts';
import { readClosingOf } from '../../platform/billing-store/rater-progress.ts';
import { type AccountAct, type AccountRoute, listAnswer } from '../account-route.ts';
import { type SubjectFacts, subjectAnswer, timeOrNull } from '../core/account-answers.ts';
import { readPathId } from '../core/account-ids.ts';
import { requireActive } from '../core/active-customer.ts';
import { assignmentDueAt, assignmentOf, type WantedAssignment } from '../core/assigning.ts';
import { BodyFields, flagField, instantField, invalidField, invalidFields } from '../core/body-fields.ts';
import { idField, reasonField } from '../core/customer-body.ts';
import { readIfMatch, type VersionCondition } from '../core/request-headers.ts';
import { unknownCustomer } from './customer-routes.ts';

const STRETCHES_DEFAULT = 100;
const STRETCHES_MAX = 1_000;

const answerOf = (facts: SubjectFacts, now: number, status = 200) => ({
  status,
  version: facts.version,
  body: subjectAnswer(facts, now),
});

function readAssignmentBody(
  body: unknown,
  condition: VersionCondition,
): WantedAssignment & { readonly reason: string | null } {
  const given = new BodyFields(body, ['customer', 'from', 'rerate', 'reason']);
  const customer = given.required('customer', idField);
  const from = given.optional('from', instantField);
  const rerate = given.optional('rerate', flagField) ?? false;
  const reason = given.optional('reason', reasonField);
  given.end();
  return { customer: customer!, from, condition, rerate, reason };
}

const putSubject: AccountAct = ({ change }, { author, path, parameters, body, ifMatch }) => {
  readParameters(noParameters, parameters);
  const subject = readPathId('subject', path.subject!);
  const { reason, ...wanted } = readAssignmentBody(body, readIfMatch(ifMatch));
  const { tenant } = author;
  return change(async (transaction) => {
    const customer = (await shareCustomers(transaction, tenant, [wanted.customer])).get(wanted.customer);
    if (customer === undefined) throw invalidFields([invalidField('customer', 'be a customer that there is')]);
    requireActive(customer);
    const locked = await lockSubject(transaction, tenant, subject);
    // Whoever has the subject at some time is one side and the new customer the other. While they are locked no rater
    // looks at windows of theirs, and whichever looks later finds the assignment.
    const names = new Set([wanted.customer, subject, ...locked.assignments.map((each) => each.customer)]);
    const sides = [...names].map((side) => ({ tenant, customer: side }));
    await lockCustomers(transaction, sides);
    const { ratedUpTo: closedUpTo, now } = await readClosingOf(transaction, sides);
    const added = assignmentOf(locked, wanted, { now, closedUpTo });
    if (added === null) return answerOf(locked, now);
    const saved = await saveAssignment(transaction, author, locked, added, reason);
    const dueAt = assignmentDueAt(added, closedUpTo);
    if (dueAt !== null)
      await markDue(
        transaction,
        sides.map((side) => ({ ...side, dueAt })),
      );
    // What a level of the subject counts becomes less, or more, with the window that it moves with (G3).
    else await markBilledDue(transaction, sides, added.from);
    transaction.changed('subject');
    return answerOf(saved, Math.max(now, saved.updatedAt!), locked.version === 0 ? 201 : 200);
  });
};

const getSubject: AccountAct = async ({ reads }, { author: { tenant }, path, parameters }) => {
  readParameters(noParameters, parameters);
  const subject = readPathId('subject', path.subject!);
  const facts = await readAssignedSubject(reads, tenant, subject);
  return answerOf(facts, await readNow(reads));
};

const stretchParameters = parametersOf({
  limit: wholeNumber(STRETCHES_MAX, STRETCHES_DEFAULT, 'Stretches in an answer'),
  cursor: pageCursor('the same customer'),
});

function readAfter(cursor: string | undefined, customer: string): { number: number; from: number } | null {
  if (cursor === undefined) return null;
  const read = decodePlace(cursor);
  read.requireOf(customer, 'customer');
  const [number, from] = read.place;
  if (!isPlaceNumber(number) || !isPlaceNumber(from)) throw notACursor();
  return { number, from };
}

const listSubjectsOf: AccountAct = async ({ reads, vault }, { author: { tenant }, path, parameters }) => {
  const customer = readPathId('id', path.id!);
  const { limit, cursor } = readParameters(stretchParameters, parameters);
  const after = readAfter(cursor, customer);
  const found = await readStretches(reads, { tenant, customer, after, rowsMax: limit + 1 });
  if (found.length === 0 && (await readCustomer(reads, vault, tenant, customer)) === null) {
    throw unknownCustomer(customer);
  }
  const { page, last } = pageOf(found, limit);
  return listAnswer({
    data: page.map(({ subject, from, to }) => ({ subject, from: formatRfc3339(from), to: timeOrNull(to) })),
    nextCursor: last === undefined ? null : encodePlace(customer, [last.number, last.from]),
  });
};

export const subjectRoutes: readonly AccountRoute[] = [
  { method: 'GET', path: '/v1/subjects/{subject}', scope: 'read', parameters: noParameters, act: getSubject },
  { method: 'PUT', path: '/v1/subjects/{subject}', scope: 'manage', parameters: noParameters, act: putSubject },
  {
    ...{ method: 'GET', path: '/v1/customers/{id}/subjects', scope: 'read', customerIn: 'id' },
    ...{ parameters: stretchParameters, act: listSubjectsOf },
  },
];
