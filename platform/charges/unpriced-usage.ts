// How much usage nothing prices, by meter and group values: of closed windows, of all subjects of a tenant. Whose
// prices leave something is told from records alone; usage is read of those whose prices do. Subjects are looked at
// some thousand at a time, so memory does not grow with them.

import type { AssignedSubject } from '../../domain/accounts/assignments.ts';
import { Ownership, stretchesIn, type TenantSubject } from '../../domain/accounts/ownership.ts';
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { keyText } from '../../domain/composite-key.ts';
import { namedGroups } from '../../domain/metering/meter.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import { atAllTimes, type Match } from '../../domain/pricing/taken-usage.ts';
import { addedByWindows } from '../../domain/rating/contributions.ts';
import { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { unpricedIn } from '../../domain/rating/unpriced-usage.ts';
import type { CustomerSubscription } from '../../domain/terms/customer-subscription.ts';
import { windowSizeMs } from '../../domain/time/time-window.ts';
import type { GroupOfMeter, GroupSubject, GroupSubjectSelection } from '../usage-store/group-subjects.ts';
import { readCountedUsage, type UsageBasis, type UsageWanted } from './counted-usage.ts';
import type { RatedUsageReads } from './rated-usage-reads.ts';

export interface UnpricedReads extends Pick<RatedUsageReads, 'readUsage' | 'readFirstSeen'> {
  streamGroupSubjects(selection: GroupSubjectSelection): AsyncIterable<readonly GroupSubject[]>;
  /** Every subject of these names, or that was ever assigned to a customer of these names. */
  readAssignmentsAround(names: readonly { tenant: string; customer: string }[]): Promise<readonly TenantSubject[]>;
  readSubscriptions(customers: readonly { tenant: string; customer: string }[]): Promise<CustomerSubscription[]>;
}

/** What of some group values nothing prices. */
export interface UnpricedGroup extends GroupOfMeter {
  readonly groups: Match;
  /** What it comes to for each subject by the meter, added up. */
  readonly quantity: Quantity;
  readonly subjects: number;
  /** The first and the last window that adds to the quantity; milliseconds. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** In the order in which the groups are given; one of which nothing is unpriced is absent. */
export async function readUnpricedUsage(
  reads: UnpricedReads,
  catalog: RatingCatalog,
  basis: UsageBasis,
  selection: GroupSubjectSelection,
): Promise<UnpricedGroup[]> {
  const found = new Map<string, UnpricedGroup>();
  for await (const rows of reads.streamGroupSubjects(selection)) {
    const suspects = await suspectsAmong(reads, catalog, basis, selection.tenant, rows);
    const wanted = suspects.flatMap((suspect) => suspect.wanted);
    if (wanted.length === 0) continue;
    const usage = await readCountedUsage(reads, wanted, basis);
    for (const { row, meter, wanted: own } of suspects) {
      const parts = own.map(({ counted }) => ({
        terms: counted.terms,
        windows: (usage.get(counted) ?? []).flatMap(({ windows }) => windows),
      }));
      const starts = parts.flatMap(({ windows }) => windows.map(({ windowStart }) => windowStart));
      if (starts.length === 0) continue;
      const added = parts.flatMap(({ terms, windows }) => addedByWindows(meter, terms, windows, true));
      const known = found.get(keyOf(row));
      found.set(keyOf(row), {
        ...{ meter: row.meter, groupText: row.groupText, groups: groupsOf(meter, row) },
        quantity: added.reduce((sum, { quantity }) => sum + quantity, known?.quantity ?? 0n),
        subjects: (known?.subjects ?? 0) + 1,
        firstSeen: Math.min(known?.firstSeen ?? Number.POSITIVE_INFINITY, ...starts),
        lastSeen: Math.max(known?.lastSeen ?? 0, ...starts),
      });
    }
  }
  return selection.groups.flatMap((group) => found.get(keyOf(group)) ?? []);
}

const keyOf = ({ meter, groupText }: GroupOfMeter): string => keyText(meter, groupText);

const groupsOf = (meter: Meter, { groupText }: GroupOfMeter): Match =>
  namedGroups(meter, JSON.parse(groupText) as readonly string[]);

/** A subject whose usage of some group values may be unpriced: what is to be read of it, for each of its customers. */
interface Suspect {
  readonly row: GroupSubject;
  readonly meter: Meter;
  readonly wanted: readonly UsageWanted[];
}

async function suspectsAmong(
  reads: UnpricedReads,
  catalog: RatingCatalog,
  basis: UsageBasis,
  tenant: string,
  rows: readonly GroupSubject[],
): Promise<Suspect[]> {
  const names = [...new Set(rows.map(({ subject }) => subject))].map((customer) => ({ tenant, customer }));
  const ownership = new Ownership(await reads.readAssignmentsAround(names));
  const assignedOf = (subject: string): AssignedSubject =>
    ownership.assigned({ tenant, subject }) ?? { subject, assignments: [] };
  const ownersOf = ({ subject, assignments }: AssignedSubject): string[] => [
    ...new Set([subject, ...assignments.map(({ customer }) => customer)]),
  ];
  const customers = new Set(names.flatMap(({ customer }) => ownersOf(assignedOf(customer))));
  const subscriptions = await reads.readSubscriptions([...customers].map((customer) => ({ tenant, customer })));
  const records = new RecordsByCustomer({ of: () => catalog }, subscriptions);
  return rows.flatMap((row) => {
    const meter = catalog.meters.get(row.meter);
    // Rows of open chunks may be of a version that is not in force everywhere yet.
    if (meter === undefined) return [];
    const windowMs = windowSizeMs[meter.window];
    const end = Math.min(row.lastWindow + windowMs, closedBefore(meter, basis.closedUpTo));
    const groups = groupsOf(meter, row);
    const assigned = assignedOf(row.subject);
    const wanted = ownersOf(assigned).flatMap((customer): UsageWanted[] => {
      const { terms } = records.of({ tenant, customer });
      const spans = stretchesIn([assigned], customer, windowMs, { from: row.firstWindow, to: end });
      const left = spans.flatMap((span) => unpricedIn(terms, meter.slug, span, groups));
      if (left.length === 0) return [];
      // What other prices match has none of these values: they are all named.
      const taken = atAllTimes(left.map((each) => ({ ...each, leftOut: [] })));
      const counted = { terms: left, taken, isBySubject: true, byWindow: true, dimensions: [] };
      return [{ tenant, customer, subjects: [assigned], meter, counted, detailFrom: 0 }];
    });
    return wanted.length === 0 ? [] : [{ row, meter, wanted }];
  });
}
