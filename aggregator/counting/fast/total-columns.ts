// The totals of a chunk in columns, for the fast counter: the rules of core/totals.ts, a cell without a subject for all
// meters of a family. The cell of a roll-up remembers the cell of its total, so that an event finds it without a
// search.
import type { Quantity } from '../../../domain/number/quantity.ts';
import { TOTAL_GROUPS_MAX } from '../../core/totals.ts';
import type { Family } from './metered-types.ts';
import { RollUpColumns, rowOf } from './roll-up-columns.ts';

/** Stands for the group of the rest; no name has this id. */
export const REST_GROUP = -1;
const NO_SUBJECT = -1;

export class TotalColumns {
  readonly columns = new RollUpColumns();
  /** By the row of the rest: how many groups have a row of their own. */
  private readonly groups = new Map<number, number>();

  /** The cell that the events of a roll-up's cell are added to as well. */
  cellOf(rollUps: RollUpColumns, rollUp: number, family: Family): number {
    const known = rollUps.total(rollUp);
    if (known >= 0) return known;
    const { columns } = this;
    const group = rollUps.group(rollUp);
    const own = columns.cell(rollUps.tenant(rollUp), NO_SUBJECT, group, family, rollUps.minute(rollUp));
    const cell = this.isOfRest(own, family) ? this.restOf(own, family) : own;
    rollUps.setTotal(rollUp, cell);
    return cell;
  }

  /** Adds an event as `RollUpColumns.count` does. */
  count(cell: number, family: Family, member: number, whole: number, fraction: number): void {
    this.columns.count(this.placeOf(cell, family, member), member, whole, fraction);
  }

  countQuantity(cell: number, family: Family, member: number, quantity: Quantity): void {
    this.columns.countQuantity(this.placeOf(cell, family, member), member, quantity);
  }

  clear(): void {
    this.columns.clear();
    this.groups.clear();
  }

  /** The cell itself; the rest, where the member's group came too late to have a row of its own. */
  private placeOf(cell: number, family: Family, member: number): number {
    const { columns, groups } = this;
    if (columns.events(rowOf(cell, member)) > 0 || columns.group(cell) === REST_GROUP) return cell;
    const rest = this.restOf(cell, family);
    const row = rowOf(rest, member);
    const before = groups.get(row) ?? 0;
    if (before === TOTAL_GROUPS_MAX) return rest;
    groups.set(row, before + 1);
    return cell;
  }

  /** Whether no member of the family has a row of this group, or can have one. */
  private isOfRest(cell: number, family: Family): boolean {
    const { columns, groups } = this;
    const { length } = family.members;
    for (let member = 0; member < length; member++) if (columns.events(rowOf(cell, member)) > 0) return false;
    const rest = this.restOf(cell, family);
    for (let member = 0; member < length; member++) {
      if ((groups.get(rowOf(rest, member)) ?? 0) < TOTAL_GROUPS_MAX) return false;
    }
    return true;
  }

  private restOf(cell: number, family: Family): number {
    const { columns } = this;
    return columns.cell(columns.tenant(cell), NO_SUBJECT, REST_GROUP, family, columns.minute(cell));
  }
}
