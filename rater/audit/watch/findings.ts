// What the auditor knows to be wrong now. Each thing that is audited (a chunk, a period, …) is a unit by name: what was
// found of it the last time is all that counts, so a discrepancy that is gone is taken back.
import type { Logger } from 'pino';
import { type Invariant, invariants } from '../../core/invariant.ts';
import type { AuditLog, Discrepancy } from '../discrepancy.ts';

/** Lines for one unit; a lost table would make thousands. */
const LOGGED_MAX = 5;

export class Findings {
  private readonly logger: Logger;
  private readonly export: (invariant: Invariant, count: number) => void;
  private readonly units = new Map<string, { readonly log: AuditLog; readonly text: string }>();

  constructor(logger: Logger, exportCount: (invariant: Invariant, count: number) => void) {
    this.logger = logger;
    this.export = exportCount;
  }

  /** What was found of a unit; an empty log, or none, says that nothing is wrong with it. */
  report(unit: string, log: AuditLog | null): void {
    const before = this.units.get(unit);
    if (log === null || log.failures === 0) {
      if (before === undefined) return;
      this.units.delete(unit);
      this.logger.info({ unit }, 'a discrepancy is gone');
      return;
    }
    const text = JSON.stringify(log.discrepancies);
    this.units.set(unit, { log, text });
    if (before?.text === text) return;
    for (const discrepancy of log.discrepancies.slice(0, LOGGED_MAX)) this.say(unit, discrepancy, log.failures);
  }

  private say(unit: string, { invariant, where, expected, found }: Discrepancy, failures: number): void {
    this.logger.error({ unit, invariant, where, expected, found, failures }, 'what is stored is not what it should be');
  }

  /** The units that something is wrong with. */
  known(): string[] {
    return [...this.units.keys()];
  }

  exportCounts(): void {
    for (const invariant of invariants) {
      let count = 0;
      for (const { log } of this.units.values()) count += log.failed[invariant];
      this.export(invariant, count);
    }
  }
}
