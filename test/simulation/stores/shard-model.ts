// Shards of customers and the raters' leases on the model of Postgres, by its clock: the statements of
// platform/billing-store/rater-shards.ts.

import type { HeldShard } from '../../../domain/accounts/shard.ts';
import { SHARDS, shardOf } from '../../../domain/accounts/shard.ts';
import type { TenantCustomer } from '../../../domain/billing/billing-period-terms.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { covers, isSameVector } from '../../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import type { ShardGroup, ShardState } from '../../../platform/billing-store/rater-shards.ts';
import type { PostgresModel } from './postgres-model.ts';

interface ShardRow {
  readonly shard: number;
  owner: string | null;
  epoch: number;
  progress: RaterProgress;
  closingUpTo: number | null;
}

export const shardLock = ({ shard }: Pick<HeldShard, 'shard'>): string => `shard ${shard}`;

const later = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

const isSameProgress = (a: RaterProgress, b: RaterProgress): boolean =>
  isSameVector(a.sealVector, b.sealVector) &&
  a.watermark === b.watermark &&
  a.closedUpTo === b.closedUpTo &&
  a.catalogVersion === b.catalogVersion;

const AT_FIRST: RaterProgress = { sealVector: {}, watermark: null, closedUpTo: null, catalogVersion: 0 };

export class ShardModel {
  private readonly postgres: PostgresModel;
  readonly rows: readonly ShardRow[] = Array.from({ length: SHARDS }, (_, shard) => ({
    ...{ shard, owner: null, epoch: 0, closingUpTo: null },
    progress: AT_FIRST,
  }));
  /** By rater, until when. */
  private readonly leases = new Map<string, number>();
  /** How often a shard was taken that another rater had not given back. */
  takenOver = 0;

  constructor(postgres: PostgresModel) {
    this.postgres = postgres;
  }

  of({ tenant, customer }: TenantCustomer): ShardRow {
    return this.rows[shardOf(tenant, customer)]!;
  }

  /** Of the shard that is furthest behind, by what of it is least. */
  get least(): RaterProgress {
    // Nearly all of them are one object.
    const all = [...new Set(this.rows.map(({ progress }) => progress))];
    const furthest = (a: RaterProgress, b: RaterProgress): RaterProgress =>
      (a.watermark ?? 0) <= (b.watermark ?? 0) && covers(b.sealVector, a.sealVector) ? a : b;
    const { sealVector, watermark } = all.reduce(furthest);
    return {
      ...{ sealVector, watermark },
      closedUpTo: all.some(({ closedUpTo }) => closedUpTo === null)
        ? null
        : Math.min(...all.map(({ closedUpTo }) => closedUpTo!)),
      catalogVersion: Math.min(...all.map(({ catalogVersion }) => catalogVersion)),
    };
  }

  /** Windows that end by then were rated of some of the customers, or may be at this moment; null: none was yet. */
  closingOf(customers: readonly TenantCustomer[]): number | null {
    return this.closingIn(customers.map((customer) => this.of(customer)));
  }

  get closing(): number | null {
    return this.closingIn(this.rows);
  }

  private closingIn(rows: readonly ShardRow[]): number | null {
    return rows.map(({ progress, closingUpTo }) => later(progress.closedUpTo, closingUpTo)).reduce(later);
  }

  private isLeased(rater: string | null): boolean {
    return rater !== null && (this.leases.get(rater) ?? 0) > this.postgres.scheduler.now;
  }

  state(rater: string): ShardState {
    const groupsOf = (rows: readonly ShardRow[]): ShardGroup[] => {
      const alike = groupBy(rows, ({ progress: { sealVector, watermark, closedUpTo, catalogVersion } }) =>
        keyText(JSON.stringify(sealVector), watermark ?? '', closedUpTo ?? '', catalogVersion),
      );
      return [...alike.values()].map((group) => ({
        shards: group.map(({ shard, epoch }) => ({ shard, epoch })),
        progress: group[0]!.progress,
      }));
    };
    const isOwn = ({ owner }: ShardRow): boolean => owner === rater;
    const isOthers = (row: ShardRow): boolean => !isOwn(row) && this.isLeased(row.owner);
    return {
      own: groupsOf(this.rows.filter(isOwn)),
      others: groupsOf(this.rows.filter(isOthers)),
      free: groupsOf(this.rows.filter((row) => !isOwn(row) && !isOthers(row))),
      raters: [...this.leases.keys()].filter((each) => each === rater || this.isLeased(each)).length || 1,
    };
  }

  prolong(rater: string, leaseMs: number): void {
    this.leases.set(rater, this.postgres.scheduler.now + leaseMs);
  }

  end(rater: string): void {
    this.leases.delete(rater);
    for (const row of this.rows) if (row.owner === rater) row.owner = null;
  }

  take(rater: string, shards: readonly HeldShard[]): void {
    for (const { shard, epoch } of shards) {
      const row = this.rows[shard]!;
      if (row.epoch !== epoch || this.isLeased(row.owner)) continue;
      if (this.postgres.isShared(shardLock(row))) continue;
      if (row.owner !== null) this.takenOver++;
      row.owner = rater;
      row.epoch++;
    }
  }

  giveBack(rater: string, shards: readonly HeldShard[]): void {
    for (const row of this.held(shards)) if (row.owner === rater) row.owner = null;
  }

  /** Of those, the rows with their epochs. */
  private held(shards: readonly HeldShard[]): ShardRow[] {
    return shards.map(({ shard }) => this.rows[shard]!).filter((row, i) => row.epoch === shards[i]!.epoch);
  }

  areHeld(shards: readonly HeldShard[]): boolean {
    return this.held(shards).length === shards.length;
  }

  announce(shards: readonly HeldShard[], closedUpTo: number): boolean {
    const held = this.held(shards);
    for (const row of held) row.closingUpTo = later(row.closingUpTo, closedUpTo);
    return held.length === shards.length;
  }

  advance({ shards, progress }: ShardGroup, to: RaterProgress): number[] {
    const moved = this.held(shards).filter((row) => isSameProgress(row.progress, progress));
    for (const row of moved) row.progress = to;
    return moved.map(({ shard }) => shard);
  }
}
