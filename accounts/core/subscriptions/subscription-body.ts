// The bodies by which a subscription is made and changed. What they say is read whole, and every fault of it is named.
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import type { SubscriptionPatch } from '../../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';
import { isTimeZone } from '../../../domain/time/time-zone.ts';
import { BodyFields, type FieldReader, flagField, instantField, textLike } from '../body-fields.ts';
import { idField, reasonField } from '../customer-body.ts';
import { pricedFieldNames, readPricedFields } from './priced-fields.ts';

const PHASES_MAX = 100;
const TRIAL_DAYS_MAX = 3_660;

/** When a change is to hold from. */
export type AskedInstant = 'now' | 'period_end' | number;

interface Phase {
  readonly from: number;
  readonly patch: SubscriptionPatch;
}

/** What a subscription is to be made from; null: not said. */
export interface SubscriptionBody {
  readonly customer: string;
  readonly startsAt: number;
  readonly endsAt: number | null;
  readonly billedFrom: number | null;
  readonly anchor: number | 'calendar' | null;
  readonly timezone: string | null;
  readonly trialEndsAt: number | null;
  readonly trialDays: number | null;
  /** With its plan. */
  readonly patch: SubscriptionPatch;
  readonly phases: readonly Phase[];
  /** Whether what was rated already is billed anew, by adjustments (P2). */
  readonly rerate: boolean;
  readonly reason: string | null;
}

const anchorField: FieldReader<number | 'calendar'> = (given, refuse) =>
  given === 'calendar' ? given : instantField(given, (why) => refuse(`${why}, or calendar`));

const daysField: FieldReader<number> = (given, refuse) =>
  Number.isInteger(given) && (given as number) > 0 && (given as number) <= TRIAL_DAYS_MAX
    ? (given as number)
    : refuse(`be a whole number of days from 1 to ${TRIAL_DAYS_MAX}`);

const askedField: FieldReader<AskedInstant> = (given, refuse) =>
  given === 'now' || given === 'period_end'
    ? given
    : instantField(given, (why) => refuse(`${why}, or now, or period_end`));

function readPhases(body: BodyFields, catalog: Catalog): Phase[] {
  const list = body.optional<readonly unknown[]>('phases', (given, refuse) =>
    Array.isArray(given) && given.length <= PHASES_MAX ? given : refuse(`be a list of at most ${PHASES_MAX} phases`),
  );
  const phases: Phase[] = [];
  for (const [i, given] of (list ?? []).entries()) {
    const fields = body.inner(`phases[${i}]`, given, ['from', ...pricedFieldNames]);
    if (fields === null) continue;
    const from = fields.required('from', instantField);
    const patch = readPricedFields(fields, catalog);
    if (Object.keys(patch).length === 0)
      fields.refuse('from', 'be followed by a plan, quantities, overrides or discounts');
    if (from !== null) phases.push({ from, patch });
  }
  return phases;
}

/** Each phase behind the start and behind the one before, and ends that lie behind what they end. */
function checkOrder(body: BodyFields, read: Omit<SubscriptionBody, 'customer' | 'rerate' | 'reason'>): void {
  const { startsAt, endsAt, billedFrom, trialEndsAt, phases } = read;
  const behindStart = `lie behind startsAt, ${formatRfc3339(startsAt)}`;
  if (endsAt !== null && endsAt <= startsAt) body.refuse('endsAt', behindStart);
  if (billedFrom !== null && billedFrom < startsAt) body.refuse('billedFrom', 'not lie before startsAt');
  if (trialEndsAt !== null && trialEndsAt <= startsAt) body.refuse('trialEndsAt', behindStart);
  if (trialEndsAt !== null && endsAt !== null && trialEndsAt > endsAt)
    body.refuse('trialEndsAt', 'not lie behind endsAt');
  for (const [i, { from }] of phases.entries()) {
    const before = phases[i - 1]?.from ?? startsAt;
    if (from <= before) body.refuse(`phases[${i}].from`, `lie behind ${formatRfc3339(before)}`);
    if (endsAt !== null && from >= endsAt) body.refuse(`phases[${i}].from`, 'lie before endsAt');
  }
}

/** Throws a `Problem` that names every fault. */
export function readSubscriptionBody(given: unknown, catalog: Catalog): SubscriptionBody {
  const body = new BodyFields(given, [
    ...['customer', 'startsAt', 'endsAt', 'billedFrom', 'anchor', 'timezone', 'trialEndsAt', 'trialDays', 'phases'],
    ...[...pricedFieldNames, 'rerate', 'reason'],
  ]);
  const customer = body.required('customer', idField);
  const startsAt = body.required('startsAt', instantField);
  body.required('plan', (plan) => plan as string);
  const read = {
    endsAt: body.optional('endsAt', instantField),
    billedFrom: body.optional('billedFrom', instantField),
    anchor: body.optional('anchor', anchorField),
    timezone: body.optional('timezone', textLike(isTimeZone, 'a time zone, as Europe/Berlin (IANA)')),
    trialEndsAt: body.optional('trialEndsAt', instantField),
    trialDays: body.optional('trialDays', daysField),
    patch: readPricedFields(body, catalog),
    phases: readPhases(body, catalog),
  };
  if (read.trialDays !== null && read.trialEndsAt !== null)
    body.refuse('trialDays', 'be left out where trialEndsAt is given');
  const rerate = readRerate(body);
  const reason = body.optional('reason', reasonField);
  if (startsAt !== null) checkOrder(body, { startsAt, ...read });
  body.end();
  return { customer: customer!, startsAt: startsAt!, ...read, rerate, reason };
}

const readRerate = (body: BodyFields): boolean => body.optional('rerate', flagField) ?? false;

interface Reasoned {
  readonly reason: string | null;
}

/** What holds from an instant on. */
interface Dated extends Reasoned {
  readonly at: AskedInstant;
  /** Whether what was rated after it is billed anew, by adjustments (P2). */
  readonly rerate: boolean;
}

const datedFieldNames = ['at', 'rerate', 'reason'] as const;

const readDated = (body: BodyFields, ifNotSaid: AskedInstant | null) => ({
  at: (ifNotSaid === null ? body.required('at', askedField) : body.optional('at', askedField)) ?? ifNotSaid!,
  rerate: readRerate(body),
  reason: body.optional('reason', reasonField),
});

/** `POST …/change`. */
export interface ChangeBody extends Dated {
  readonly patch: SubscriptionPatch;
}

export function readChangeBody(given: unknown, catalog: Catalog): ChangeBody {
  const body = new BodyFields(given, [...datedFieldNames, ...pricedFieldNames, 'trialEndsAt']);
  const dated = readDated(body, null);
  const trialEndsAt = body.optional('trialEndsAt', instantField);
  const patch = { ...readPricedFields(body, catalog), ...(trialEndsAt !== null && { trialEndsAt }) };
  const isEmpty = ![...pricedFieldNames, 'trialEndsAt'].some((name) => body.has(name));
  if (isEmpty) body.refuse('at', 'be followed by what changes: plan, quantities, overrides, discounts or trialEndsAt');
  body.end();
  return { ...dated, patch };
}

/** `POST …/cancel`. */
export type CancelBody = Dated;

export function readCancelBody(given: unknown): CancelBody {
  const body = new BodyFields(given, datedFieldNames);
  const dated = readDated(body, null);
  body.end();
  return dated;
}

/** `POST …/pause`. */
export interface PauseBody extends Dated {
  /** Null: until somebody resumes it. */
  readonly until: number | null;
}

export function readPauseBody(given: unknown): PauseBody {
  const body = new BodyFields(given ?? {}, [...datedFieldNames, 'until']);
  const dated = readDated(body, 'now');
  const until = body.optional('until', instantField);
  body.end();
  return { ...dated, until };
}

/** `POST …/resume`. */
export type ResumeBody = Dated;

export function readResumeBody(given: unknown): ResumeBody {
  const body = new BodyFields(given ?? {}, datedFieldNames);
  const dated = readDated(body, 'now');
  body.end();
  return dated;
}

/** `POST …/undo`. */
export interface UndoBody extends Reasoned {
  /** The number of the change that is undone. */
  readonly change: number;
}

export function readUndoBody(given: unknown): UndoBody {
  const body = new BodyFields(given, ['change', 'reason']);
  const change = body.required<number>('change', (number, refuse) =>
    Number.isInteger(number) && (number as number) > 0 ? (number as number) : refuse('be the number of a change'),
  );
  const reason = body.optional('reason', reasonField);
  body.end();
  return { change: change!, reason };
}
