// What an audit found: which invariant, where, what was expected and what is there. Invariants as in docs/exactly-once.md.

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5';
export const invariants: readonly Invariant[] = ['I1', 'I2', 'I3', 'I4', 'I5'];

export interface Discrepancy {
  readonly invariant: Invariant;
  /** Names the thing that is wrong, e.g. "partition 3 chunk 17, usage_events". */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** Collects comparisons: how many were made for each invariant, and those that failed. */
export class AuditLog {
  readonly compared: Record<Invariant, number> = { I1: 0, I2: 0, I3: 0, I4: 0, I5: 0 };
  readonly discrepancies: Discrepancy[] = [];

  /** Counts one comparison of two values by their text. */
  compare(invariant: Invariant, where: string, expected: unknown, found: unknown): void {
    this.compared[invariant]++;
    if (String(expected) === String(found)) return;
    this.discrepancies.push({ invariant, where, expected: String(expected), found: String(found) });
  }
}
