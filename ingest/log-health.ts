// Whether the event log takes appends, told by how the last ones went. Two ways to be unhealthy:
//
//   failing   several appends in a row have failed. Requests are refused, but for one a second that goes through to
//             find out; its success ends the state. For /readyz it ends by itself after a while: a gateway that gets no
//             requests because it is not ready would never find out otherwise.
//   stalled   an append has been under way for too long. Requests are refused until it has ended, either way.

const FAILURES_MAX = 3;
const PROBE_INTERVAL_MS = 1_000;
const NOT_READY_MS = 5_000;

export class LogHealth {
  private readonly stallMs: number;
  private failures = 0;
  private failedAt = 0;
  private probedAt = 0;
  /** When each append under way began, oldest first: a Map keeps the order of insertion. */
  private readonly underWay = new Map<number, number>();
  private nextAppend = 0;

  /** `stallMs`: how long an append may take before requests are refused. */
  constructor(stallMs: number) {
    this.stallMs = stallMs;
  }

  begin(now: number): number {
    const append = this.nextAppend++;
    this.underWay.set(append, now);
    return append;
  }

  succeeded(append: number): void {
    this.underWay.delete(append);
    this.failures = 0;
  }

  failed(append: number, now: number): void {
    this.underWay.delete(append);
    this.failures++;
    this.failedAt = now;
    this.probedAt = now;
  }

  /** Why nothing should be appended now, in words for an operator; null when all is well. */
  fault(now: number): string | null {
    if (this.failures >= FAILURES_MAX) return `the last ${this.failures} appends to the event log failed`;
    const oldest = this.underWay.values().next().value;
    if (oldest !== undefined && now - oldest > this.stallMs) {
      return `an append to the event log has been under way for ${now - oldest} ms`;
    }
    return null;
  }

  /** As `fault`, for those who decide whether requests are sent here at all. */
  notReady(now: number): string | null {
    const fault = this.fault(now);
    return this.underWay.size === 0 && now - this.failedAt >= NOT_READY_MS ? null : fault;
  }

  /** True when one request may go through although the log is failing. `claimProbe` takes that place. */
  mayProbe(now: number): boolean {
    return this.failures >= FAILURES_MAX && this.underWay.size === 0 && now - this.probedAt >= PROBE_INTERVAL_MS;
  }

  claimProbe(now: number): void {
    this.probedAt = now;
  }
}
