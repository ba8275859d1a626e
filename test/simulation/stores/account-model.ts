// Accounts as the stage `manage` has them, on the model of Postgres: whose a subject is, who has subscribed to what,
// and who is due because of it. What a change comes to is decided by the rules of accounts; what is locked, read and
// written, and in which order, is as in its routes.

import { assignmentDueAt, assignmentOf } from '../../../accounts/core/assigning.ts';
import { withAssignment } from '../../../domain/accounts/assignments.ts';
import type { TenantSubject } from '../../../domain/accounts/ownership.ts';
import { customerText, type TenantCustomer } from '../../../domain/billing/billing-period-terms.ts';
import { keyText } from '../../../domain/composite-key.ts';
import { Problem } from '../../../domain/problem.ts';
import type { CustomerSubscription } from '../../../domain/terms/customer-subscription.ts';
import type { DueCustomer, NextDue } from '../../../platform/billing-store/due-customers.ts';
import type { Process } from '../scheduler.ts';
import { changedSubscription, type Subscribing, slotFrom } from '../subscribing.ts';
import type { PostgresModel } from './postgres-model.ts';

/** A subject is to be a customer's; `from` null: from then on. */
export interface Assigning {
  readonly tenant: string;
  readonly subject: string;
  readonly customer: string;
  readonly from: number | null;
  readonly rerate: boolean;
}

export const customerLock = (customer: TenantCustomer): string => `customer ${customerText(customer)}`;
export const dueLock = (customer: TenantCustomer): string => `due ${customerText(customer)}`;
const isOf =
  (customers: readonly TenantCustomer[]) =>
  ({ tenant, customer }: TenantCustomer): boolean =>
    customers.some((each) => each.tenant === tenant && each.customer === customer);

/** Subscriptions and catalogs are held against each other one after the other. */
export const OVERLAP_FENCE = 'overlap fence';

export class AccountModel {
  private readonly postgres: PostgresModel;
  /** By tenant and subject. */
  readonly assigned = new Map<string, TenantSubject>();
  /** By customer, each customer's in the order in which they were made. */
  readonly subscriptions = new Map<string, readonly CustomerSubscription[]>();
  /** By customer. */
  readonly due = new Map<string, DueCustomer>();
  /** The requests that were done: whoever got no answer sends one again. */
  private readonly done = new Set<string>();
  /** Told of a subscription that was made, or changed by its newest record. */
  onSubscribed: (subscription: CustomerSubscription) => void = () => {};
  /** Told of a change that holds from before what was rated. */
  onReachedBack: () => void = () => {};
  /** Windows of some of them that end by then were rated, or may be at this moment; null: none was yet. */
  private readonly closing: (customers: readonly TenantCustomer[]) => number | null;

  /** Where the last period ends that a customer was billed of. */
  private readonly billedUntil: (customer: TenantCustomer) => number;

  constructor(
    postgres: PostgresModel,
    closing: AccountModel['closing'],
    billedUntil: (customer: TenantCustomer) => number,
  ) {
    this.postgres = postgres;
    this.closing = closing;
    this.billedUntil = billedUntil;
  }

  subscriptionsOf(customers: readonly TenantCustomer[]): CustomerSubscription[] {
    return customers.flatMap((customer) => this.subscriptions.get(customerText(customer)) ?? []);
  }

  /** Whoever is to have the plan at some time, by any record. */
  holdersOf(plan: string): TenantCustomer[] {
    return [...this.subscriptions.values()]
      .flat()
      .filter(({ records }) =>
        records.some((record) => 'patches' in record && record.patches.some(({ patch }) => patch.plan === plan)),
      );
  }

  assignmentsAround(names: readonly TenantCustomer[]): TenantSubject[] {
    const isNamed = isOf(names);
    return [...this.assigned.values()].filter(
      ({ tenant, subject, assignments }) =>
        isNamed({ tenant, customer: subject }) || assignments.some(({ customer }) => isNamed({ tenant, customer })),
    );
  }

  /** A customer that is due earlier stays so. */
  markDue(customers: readonly DueCustomer[]): void {
    for (const each of customers) {
      const known = this.due.get(customerText(each));
      if (known === undefined || each.dueAt < known.dueAt) this.due.set(customerText(each), each);
    }
  }

  saveDue(customers: readonly NextDue[]): void {
    for (const { tenant, customer, dueAt, lookedFrom } of customers) {
      const known = this.due.get(customerText({ tenant, customer }));
      if (known !== undefined && known.dueAt < lookedFrom) continue;
      if (dueAt === null) this.due.delete(customerText({ tenant, customer }));
      else this.due.set(customerText({ tenant, customer }), { tenant, customer, dueAt });
    }
  }

  dueBy(
    until: number,
    customersMax: number,
    isMeant: (customer: TenantCustomer) => boolean = () => true,
  ): DueCustomer[] {
    const key = ({ tenant, customer }: TenantCustomer): string => keyText(tenant, customer);
    return [...this.due.values()]
      .filter((each) => each.dueAt <= until && isMeant(each))
      .sort((a, b) => a.dueAt - b.dueAt || (key(a) < key(b) ? -1 : 1))
      .slice(0, customersMax);
  }

  /** Rejects where it may not be. */
  assign(process: Process, { tenant, subject, customer, from, rerate }: Assigning): Promise<void> {
    const key = keyText(tenant, subject);
    return this.postgres.transaction(process, async ({ run, locked, write }) => {
      const { assignments } = await locked(
        'lock subject',
        [`subject ${key}`],
        () => this.assigned.get(key) ?? { assignments: [] },
      );
      const names = new Set([subject, customer, ...assignments.map((each) => each.customer)]);
      const sides = [...names].map((side) => ({ tenant, customer: side }));
      await locked('lock customers', sides.map(customerLock), () => null);
      const closedUpTo = await run('closing', () => this.closing(sides));
      const clocks = { now: this.postgres.scheduler.now, closedUpTo };
      const added = assignmentOf(
        { subject, assignments, version: assignments.length },
        { customer, from, condition: null, rerate },
        clocks,
      );
      if (added === null) return;
      const dueAt = assignmentDueAt(added, closedUpTo);
      await locked('lock due', sides.map(dueLock), () => null);
      await write('assign', () => {
        this.assigned.set(key, { tenant, subject, assignments: withAssignment(assignments, added) });
        const billed = sides.filter((side) => this.billedUntil(side) > added.from);
        this.markDue((dueAt === null ? billed : sides).map((side) => ({ ...side, dueAt: dueAt ?? added.from })));
        if (dueAt !== null) this.onReachedBack();
      });
    });
  }

  /** Rejects with a `Problem` where it is refused. */
  async subscribe(process: Process, wanted: Subscribing): Promise<void> {
    const { postgres } = this;
    const { tenant, customer, id } = wanted;
    const key = customerText(wanted);
    const versions = await postgres.statement(process, 'catalogs', () =>
      postgres.tenantVersions.upTo(postgres.publishedVersion).of(tenant),
    );
    if (versions.length === 0) throw new Problem('not_ready', 'There is no catalog.');
    await postgres.transaction(process, async ({ run, locked, write }) => {
      const stored = await locked('fence', [OVERLAP_FENCE], () => postgres.tenantVersions.of(tenant));
      await locked('lock customers', [customerLock(wanted)], () => null);
      if (await run('answers', () => this.done.has(id))) return;
      const ratedUpTo = await run('closing', () => this.closing([wanted]));
      const all = await run('subscriptions', () => this.subscriptionsOf([wanted]));
      const recordedAt = postgres.scheduler.now;
      // Everything holds from the start of a slot, as the oracle's account of it has it.
      const now = slotFrom(Math.max(recordedAt, ratedUpTo ?? 0));
      const changed = changedSubscription(wanted, { all, versions, stored, now, ratedUpTo, recordedAt });
      if (changed === null) return;
      await locked('lock due', [dueLock(wanted)], () => null);
      await write('subscribe', () => {
        this.done.add(id);
        const { subscription } = changed;
        const at = all.findIndex((each) => each.opening.id === subscription.opening.id);
        this.subscriptions.set(key, at === -1 ? [...all, subscription] : all.with(at, subscription));
        this.markDue([{ tenant, customer, dueAt: changed.dueAt }]);
        if (wanted.rerate) this.onReachedBack();
        else this.onSubscribed(changed.subscription);
      });
    });
  }
}
