// The largest record every adapter takes and the bounds derived from it. They are the same everywhere, so that a value
// accepted on a laptop is accepted on a cluster.
import { EventLogError } from './event-log.ts';

/** Of one value. */
export const recordBytesMax = 4 * 1024 * 1024;

/** Rejects a value that no adapter could store, before anything of its batch is written. */
export function assertRecordSizes(values: readonly Buffer[]): void {
  for (const value of values) {
    if (value.length > recordBytesMax) {
      throw new EventLogError(
        'record_too_large',
        `a record of ${value.length} bytes; the event log takes at most ${recordBytesMax}`,
      );
    }
  }
}

/**
 * `values` cut, in order, into runs of at most `recordsMax` values and, unless one value alone is larger, `bytesMax`
 * bytes.
 */
export function splitRuns(values: readonly Buffer[], recordsMax: number, bytesMax: number): (readonly Buffer[])[] {
  const runs: Buffer[][] = [];
  let bytes = 0;
  for (const value of values) {
    const run = runs.at(-1);
    if (run === undefined || run.length >= recordsMax || bytes + value.length > bytesMax) {
      runs.push([value]);
      bytes = value.length;
    } else {
      run.push(value);
      bytes += value.length;
    }
  }
  return runs;
}
