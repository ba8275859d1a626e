// A preview's hash: the instant that it was made for, and a digest of what it rests on, which is what was decided, the
// records of all subscriptions of the customer, and the catalog. Terms and fees follow from these; usage is not among
// them, since it moves each second. An act that carries the hash is decided as of that instant, and is done only where
// it rests on the same.
import { hash } from 'node:crypto';
import { canonicalJson } from '../../../domain/json/canonical-json.ts';
import { Problem } from '../../../domain/problem.ts';
import type { CustomerSubscription, NewSubscription } from '../../../domain/terms/customer-subscription.ts';
import { type FieldReader, invalidField, invalidFields, isObject } from '../body-fields.ts';
import type { SubscribingNow } from './subscribing.ts';

/** What an act that was previewed says. */
export interface PreviewedAct {
  /** The instant it was previewed for; milliseconds since the epoch. */
  readonly now: number;
  readonly digest: string;
}

/** What a preview rests on. */
export interface PreviewBasis {
  readonly tenant: string;
  readonly customer: string;
  readonly subscription: string;
  /** The record, or the opening and records of a new one. */
  readonly decided: unknown;
  /** Those of the customer as they are without it. */
  readonly subscriptions: readonly CustomerSubscription[];
  readonly catalogVersion: number;
}

/** Of a new one. */
export const newBasis = (
  tenant: string,
  { customer, opening, records }: NewSubscription,
  subscriptions: readonly CustomerSubscription[],
  catalogVersion: number,
): PreviewBasis => ({
  ...{ tenant, customer, subscription: opening.id, decided: { opening, records }, subscriptions, catalogVersion },
});

const DECIDED_DEPTH_MAX = 24;
const DIGEST_LENGTH = 40;
const FORM = new RegExp(`^([0-9a-z]{1,11})-([0-9a-f]{${DIGEST_LENGTH}})$`);

function digestOf(now: number, { subscriptions, ...basis }: PreviewBasis): string {
  const records = subscriptions.map(({ opening, version }) => [opening.id, version]);
  const said = JSON.parse(JSON.stringify({ now, ...basis, records })) as unknown;
  return hash('sha256', canonicalJson(said, DECIDED_DEPTH_MAX), 'hex').slice(0, DIGEST_LENGTH);
}

export const previewHashOf = (now: number, basis: PreviewBasis): string =>
  `${now.toString(36)}-${digestOf(now, basis)}`;

const hashField: FieldReader<PreviewedAct> = (given, refuse) => {
  const [, now, digest] = (typeof given === 'string' ? FORM.exec(given) : null) ?? [];
  if (now === undefined || digest === undefined) return refuse('be the previewHash of a preview');
  return { now: Number.parseInt(now, 36), digest };
};

/** A body, and the preview that it carries out; null: it names none. Throws a `Problem`. */
export function withoutPreview(body: unknown): { readonly body: unknown; readonly previewed: PreviewedAct | null } {
  if (!isObject(body) || body.previewHash === undefined || body.previewHash === null) return { body, previewed: null };
  const { previewHash, ...rest } = body;
  const previewed = hashField(previewHash, (why) => {
    throw invalidFields([invalidField('previewHash', why)]);
  });
  return { body: rest, previewed };
}

/** The situation in which an act is decided: as of the instant that it was previewed for. */
export const asPreviewed = <Situation extends SubscribingNow>(
  previewed: PreviewedAct | null,
  situation: Situation,
): Situation => (previewed === null ? situation : { ...situation, now: Math.min(previewed.now, situation.now) });

/** Throws a `Problem` where an act was previewed and rests on something else by now. */
export function requirePreviewed(previewed: PreviewedAct | null, basis: PreviewBasis): void {
  if (previewed === null || digestOf(previewed.now, basis) === previewed.digest) return;
  throw new Problem(
    'preview_moved',
    'The act, a subscription of the customer, the catalog or what was rated is not what it was when this was ' +
      'previewed. Preview it again.',
  );
}
