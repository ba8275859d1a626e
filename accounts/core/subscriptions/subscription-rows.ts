// Subscriptions as rows of a file: a JSON object a line, as PUT takes it, with its id, and with `changes` where it was
// changed since; or CSV, with a column for each field that is neither a list nor an object, and `quantities.seats`.
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import type { CustomerSubscription, UnnumberedRecord } from '../../../domain/terms/customer-subscription.ts';
import type { SubscriptionPatch } from '../../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';
import { idFault } from '../account-ids.ts';
import { BodyFields, type FieldReader, instantField } from '../body-fields.ts';
import type { CsvForm } from '../csv-form.ts';
import { pricedFieldNames, readPricedFields } from './priced-fields.ts';
import type { WantedSubscription } from './subscribing.ts';
import { recordAnswer } from './subscription-answers.ts';
import { readSubscriptionBody } from './subscription-body.ts';
import { CHANGES_MAX } from './subscription-changes.ts';

/** Of subscriptions in CSV. */
export const subscriptionForm: CsvForm = {
  plain: [
    ...['id', 'customer', 'plan', 'startsAt', 'billedFrom', 'endsAt', 'anchor', 'timezone'],
    ...['trialEndsAt', 'trialDays', 'reason'],
  ],
  objects: { quantities: null },
};

const deadlines = ['endsAt', 'trialEndsAt', 'pausedUntil'] as const;

const untilField: FieldReader<number | 'open'> = (given, refuse) =>
  given === 'open' ? given : instantField(given, (why) => refuse(`${why}, or open`));

/** Here null is a value: there is no end, or no trial. */
function readPatch(fields: BodyFields, catalog: Catalog): SubscriptionPatch {
  const said: [string, number | 'open' | null][] = deadlines
    .filter((name) => fields.has(name))
    .map((name) => [name, fields.optional(name, name === 'pausedUntil' ? untilField : instantField)]);
  return { ...readPricedFields(fields, catalog), ...Object.fromEntries(said) };
}

function readChange(
  body: BodyFields,
  catalog: Catalog,
  given: unknown,
  place: string,
  sequence: number,
): UnnumberedRecord {
  const fields = body.inner(place, given, ['undoes', 'at', 'patches']);
  const undoes = fields?.optional<number>('undoes', (change, refuse) =>
    Number.isInteger(change) && (change as number) > 0 && (change as number) < sequence
      ? (change as number)
      : refuse(`be the number of a change before, from 1 to ${sequence - 1}`),
  );
  if (fields?.has('undoes') && undoes !== null && undoes !== undefined) {
    const at = fields.required('at', instantField);
    return { undoes, at: at ?? 0 };
  }
  const list = fields?.required<readonly unknown[]>('patches', (patches, refuse) =>
    Array.isArray(patches) && patches.length > 0 ? patches : refuse('be a list of at least one'),
  );
  const patches = (list ?? []).flatMap((each, i) => {
    const patch = body.inner(`${place}.patches[${i}]`, each, ['at', ...pricedFieldNames, ...deadlines]);
    const at = patch?.required('at', instantField) ?? null;
    return patch === null || at === null ? [] : [{ at, patch: readPatch(patch, catalog) }];
  });
  return { patches };
}

/** Throws a `Problem`. */
function readChanges(given: unknown, catalog: Catalog): UnnumberedRecord[] {
  const body = new BodyFields({ changes: given }, ['changes']);
  const list = body.optional<readonly unknown[]>('changes', (changes, refuse) =>
    Array.isArray(changes) && changes.length < CHANGES_MAX
      ? changes
      : refuse(`be a list of less than ${CHANGES_MAX} changes`),
  );
  // The first record is what it was made from.
  const read = (list ?? []).map((each, i) => readChange(body, catalog, each, `changes[${i}]`, i + 2));
  body.end();
  return read;
}

/** Throws a `Problem`, or an `Error` that says what is wrong with the id. */
export function readSubscriptionRow(row: Readonly<Record<string, unknown>>, catalog: Catalog): WantedSubscription {
  const { id, changes, ...body } = row;
  const fault = typeof id === 'string' ? idFault(id) : 'be a text';
  if (fault !== null) throw new Error(`id must ${fault}`);
  const { trialDays } = body;
  // As a cell has it.
  const days = typeof trialDays === 'string' && /^\d+$/.test(trialDays) ? { trialDays: Number(trialDays) } : {};
  return {
    id: id as string,
    body: readSubscriptionBody({ ...body, ...days }, catalog),
    changes: readChanges(changes, catalog),
    condition: null,
  };
}

/** A row that makes the same subscription, with all that was changed of it. */
export function subscriptionRowOf({ customer, opening, records }: CustomerSubscription): Record<string, unknown> {
  const { id, startsAt, billedFrom, anchor, timezone } = opening;
  const [made, ...changes] = records.map(recordAnswer);
  const [first, ...phases] = made!.patches.map(({ at: from, ...patch }) => ({ from, ...patch }));
  const { from: _, ...patch } = first!;
  return {
    ...{ id, customer, startsAt: formatRfc3339(startsAt), billedFrom: formatRfc3339(billedFrom) },
    ...{ anchor: anchor === 'calendar' ? anchor : formatRfc3339(anchor), timezone, ...patch },
    ...(phases.length > 0 && { phases }),
    ...(changes.length > 0 && { changes }),
  };
}
