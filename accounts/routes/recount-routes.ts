// POST /v1/meters/{meter}/recount and GET /v1/recounts/{id}: a meter is counted again over stored events, and how far
// that is. It is begun once by the id in the body, or else by the Idempotency-Key, which the id is then made of.
import { hash } from 'node:crypto';
import { Problem } from '../../domain/problem.ts';
import { noParameters, readParameters } from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import type { AccountAnswer } from '../../platform/account-store/idempotent-answers.ts';
import { readNow } from '../../platform/account-store/subject-assignments.ts';
import {
  type AskedRecount,
  type RecountProgress,
  readRecount,
  requestRecount,
} from '../../platform/recount-store/recounts.ts';
import {
  type AccountAct,
  type AccountRequest,
  type AccountRoute,
  type AccountTransaction,
  doneOnce,
  listAnswer,
} from '../account-route.ts';
import { timeOrNull } from '../core/account-answers.ts';
import { readPathId } from '../core/account-ids.ts';
import { BodyFields, instantField, invalidField, invalidFields } from '../core/body-fields.ts';
import { idField } from '../core/customer-body.ts';

const recountAnswer = ({ id, meter, catalogVersion, from, to, requestedAt, ...progress }: RecountProgress) => ({
  ...{ id, meter, catalogVersion, from: formatRfc3339(from), to: timeOrNull(to) },
  state: progress.isDone ? 'done' : 'running',
  chunks: progress.chunks,
  recounted: progress.recounted,
  requestedAt: formatRfc3339(requestedAt),
});

const unknownRecount = (id: string): Problem =>
  new Problem('not_found', `There is no recount ${JSON.stringify(id.slice(0, 64))}.`);

type RecountBody = Pick<AskedRecount, 'from' | 'to'> & { readonly id: string | null };

function readBody(body: unknown): RecountBody {
  const given = new BodyFields(body, ['id', 'from', 'to']);
  const id = given.optional('id', idField);
  const from = given.required('from', instantField);
  const to = given.optional('to', instantField);
  if (from !== null && to !== null && to <= from) given.refuse('to', 'be after from');
  given.end();
  return { id, from: from!, to };
}

async function begin(transaction: AccountTransaction, request: AccountRequest, id: string): Promise<AccountAnswer> {
  const { author, path, body } = request;
  const { from, to } = readBody(body);
  if (from >= (await readNow(transaction))) throw invalidFields([invalidField('from', 'be in the past')]);
  const { tenant, actor } = author;
  const before = await readRecount(transaction, tenant, id);
  await requestRecount(transaction, { tenant, id, meter: path.meter!, from, to, actor });
  if (before === null) transaction.changed('recount');
  return listAnswer(recountAnswer((await readRecount(transaction, tenant, id))!));
}

/** One for each Idempotency-Key. */
const idOf = (key: string): string => `rec_${hash('sha256', key, 'hex').slice(0, 24)}`;

const beginByKey = doneOnce('/v1/meters/{meter}/recount', (transaction, _context, request) =>
  begin(transaction, request, idOf(request.idempotencyKey!)),
);

const recountMeter: AccountAct = (context, request) => {
  readParameters(noParameters, request.parameters);
  const { id } = readBody(request.body);
  return id === null ? beginByKey(context, request) : context.change((transaction) => begin(transaction, request, id));
};

const getRecount: AccountAct = async ({ reads }, { author: { tenant }, path, parameters }) => {
  readParameters(noParameters, parameters);
  const id = readPathId('id', path.id!);
  const recount = await readRecount(reads, tenant, id);
  if (recount === null) throw unknownRecount(id);
  return listAnswer(recountAnswer(recount));
};

export const recountRoutes: readonly AccountRoute[] = [
  {
    ...{ method: 'POST', path: '/v1/meters/{meter}/recount', scope: 'manage', parameters: noParameters },
    act: recountMeter,
  },
  { method: 'GET', path: '/v1/recounts/{id}', scope: 'manage', parameters: noParameters, act: getRecount },
];
