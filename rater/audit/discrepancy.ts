// What an audit found: which invariant, where, what was expected and what is there. Invariants as in
// docs/inside/exactly-once.md.
import { type ClickHouseError, damagedPartOf } from '../../platform/clickhouse/click-house.ts';
import { printPart } from '../../platform/clickhouse/damage.ts';
import { type Invariant, invariants } from '../core/invariant.ts';

export interface Discrepancy {
  readonly invariant: Invariant;
  /** Names the thing that is wrong, e.g. "generation 1 partition 3 chunk 17, rows of usage_events". */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** A lost table would make one for each of its rows. */
const KEPT_MAX = 10_000;

/**
 * Of what `work` reads: its result, or null where a stored part can't be read, which is a discrepancy of its own (I2):
 * `where` names what the part may hold, and nothing can be said of it.
 */
export async function unlessDamaged<Result>(
  log: AuditLog,
  where: string,
  work: () => Promise<Result>,
): Promise<Result | null> {
  try {
    return await work();
  } catch (error) {
    const part = damagedPartOf(error);
    if (part === null) throw error;
    log.compare('I2', `${where}: ${printPart(part)}`, 'readable', `damaged (code ${(error as ClickHouseError).code})`);
    return null;
  }
}

/** Collects comparisons: how many were made for each invariant, and those that failed. */
export class AuditLog {
  readonly compared: Record<Invariant, number> = { I1: 0, I2: 0, I3: 0, I4: 0, I5: 0 };
  readonly failed: Record<Invariant, number> = { I1: 0, I2: 0, I3: 0, I4: 0, I5: 0 };
  /** The first of those that failed. */
  readonly discrepancies: Discrepancy[] = [];

  /** Counts one comparison of two values by their text. */
  compare(invariant: Invariant, where: string, expected: unknown, found: unknown): void {
    this.compared[invariant]++;
    if (String(expected) !== String(found))
      this.fail({ invariant, where, expected: String(expected), found: String(found) });
  }

  /** Counts comparisons that were made elsewhere and held. */
  held(invariant: Invariant, count: number): void {
    this.compared[invariant] += count;
  }

  private fail(discrepancy: Discrepancy): void {
    this.failed[discrepancy.invariant]++;
    if (this.discrepancies.length < KEPT_MAX) this.discrepancies.push(discrepancy);
  }

  get failures(): number {
    return invariants.reduce((sum, invariant) => sum + this.failed[invariant], 0);
  }
}
