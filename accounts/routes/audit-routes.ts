// GET /v1/audit: who changed what, or what everything was at an instant.
import {
  decodePlace,
  encodePlace,
  isPlaceNumber,
  isPlaceText,
  notACursor,
  pageOf,
  type ReadCursor,
} from '../../domain/requests/cursor.ts';
import {
  anyText,
  choice,
  conflict,
  pageCursor,
  parametersOf,
  readParameters,
  time,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import type { UnnumberedRecord } from '../../domain/terms/customer-subscription.ts';
import type { SubscriptionOpening } from '../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { type AccountKind, accountKinds } from '../../platform/account-store/account-changes.ts';
import {
  type ObjectState,
  type RecordedChange,
  readChanges,
  readStatesAt,
} from '../../platform/account-store/change-history.ts';
import { type AccountAct, type AccountRoute, listAnswer } from '../account-route.ts';
import { assignmentsAnswer, personalAnswer, type SubjectFacts, timeOrNull } from '../core/account-answers.ts';
import { recordAnswer } from '../core/subscriptions/subscription-answers.ts';

const CHANGES_DEFAULT = 100;
const CHANGES_MAX = 1_000;

const auditParameters = parametersOf({
  kind: choice(accountKinds, 'Only changes of objects of this kind').optional(),
  id: anyText('Only changes of the object with this id').optional(),
  actor: anyText('Only changes that this actor made, such as key:key_0aBcDeFgHiJk').optional(),
  from: time('a start', 'Inclusive bound of when a change was made').optional(),
  to: time('an end', 'Exclusive bound of when a change was made').optional(),
  asOf: time('an instant', 'Of each object only the newest change that was made by then: what it was').optional(),
  limit: wholeNumber(CHANGES_MAX, CHANGES_DEFAULT, 'Changes in an answer'),
  cursor: pageCursor('the same parameters'),
});

type SubscriptionAfter = Omit<SubscriptionOpening, 'id'> & {
  readonly customer: string;
  readonly record: UnnumberedRecord;
};

/** What the catalog itself says is kept with its version. */
interface CatalogAfter extends Readonly<Record<string, unknown>> {
  readonly effectiveAt: number;
}

/** What never changes of it, and what this change says. */
const subscriptionFields = ({ customer, startsAt, billedFrom, anchor, timezone, record }: SubscriptionAfter) => ({
  ...{ customer, startsAt: formatRfc3339(startsAt), billedFrom: formatRfc3339(billedFrom), timezone },
  anchor: anchor === 'calendar' ? anchor : formatRfc3339(anchor),
  change: recordAnswer(record),
});

/** An object's fields as they are answered everywhere else. */
function fieldsOf(kind: AccountKind, { fields, personal }: ObjectState): Readonly<Record<string, unknown>> {
  if (kind === 'customer') {
    const { archivedAt, erasedAt, ...terms } = fields as Readonly<Record<string, number | null>>;
    return {
      ...{ ...personalAnswer(personal), ...terms },
      ...{ archivedAt: timeOrNull(archivedAt ?? null), erasedAt: timeOrNull(erasedAt ?? null) },
    };
  }
  if (kind === 'key') {
    const { expiresAt, revokedAt, ...rights } = fields as Readonly<Record<string, number | null>>;
    return { ...rights, expiresAt: timeOrNull(expiresAt ?? null), revokedAt: timeOrNull(revokedAt ?? null) };
  }
  if (kind === 'recount') return fields;
  if (kind === 'catalog') return { ...fields, effectiveAt: timeOrNull((fields as CatalogAfter).effectiveAt) };
  if (kind === 'subscription') return subscriptionFields(fields as unknown as SubscriptionAfter);
  return { assignments: assignmentsAnswer((fields as Pick<SubjectFacts, 'assignments'>).assignments) };
}

const changeAnswer = ({ kind, id, version, actor, reason, recordedAt, before, after, isErased }: RecordedChange) => ({
  ...{ kind, id, version, actor, reason, at: formatRfc3339(recordedAt) },
  before: before === null ? null : fieldsOf(kind, before),
  after: fieldsOf(kind, after),
  ...(isErased && { erased: true }),
});

function readPlace(cursor: ReadCursor | null): Pick<RecordedChange, 'recordedAt' | 'sequence'> | null {
  if (cursor === null) return null;
  const [recordedAt, sequence] = cursor.place;
  if (!isPlaceNumber(recordedAt) || !isPlaceNumber(sequence)) throw notACursor();
  return { recordedAt, sequence };
}

function readObject(cursor: ReadCursor | null): Pick<RecordedChange, 'kind' | 'id'> | null {
  if (cursor === null) return null;
  const [given, id] = cursor.place;
  const kind = accountKinds.find((each) => each === given);
  if (kind === undefined || !isPlaceText(id)) throw notACursor();
  return { kind, id };
}

const listChanges: AccountAct = async ({ reads, vault }, { author: { tenant }, parameters }) => {
  const given = readParameters(auditParameters, parameters);
  const { kind = null, id = null, actor = null, from = null, to = null, asOf = null, limit, cursor } = given;
  if (asOf !== null && (from !== null || to !== null)) throw conflict('asOf', 'not together with from or to');
  if (from !== null && to !== null && from >= to) throw conflict('from', 'not before to');
  const selection = [kind, id, actor, from, to, asOf];
  const place = cursor === undefined ? null : decodePlace(cursor);
  place?.requireOf(selection, 'kind, id, actor, from, to or asOf');
  const wanted = { tenant, kind, id, actor, rowsMax: limit + 1 };
  const found =
    asOf === null
      ? await readChanges(reads, vault, { ...wanted, from, to, before: readPlace(place) })
      : await readStatesAt(reads, vault, { ...wanted, asOf, behind: readObject(place) });
  const { page, last } = pageOf(found, limit);
  const placeOf = ({ recordedAt, sequence, kind, id }: RecordedChange) =>
    asOf === null ? [recordedAt, sequence] : [kind, id];
  return listAnswer({
    data: page.map(changeAnswer),
    nextCursor: last === undefined ? null : encodePlace(selection, placeOf(last)),
  });
};

export const auditRoutes: readonly AccountRoute[] = [
  { method: 'GET', path: '/v1/audit', scope: 'manage', parameters: auditParameters, act: listChanges },
];
