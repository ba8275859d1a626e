// The reader of request traces for acceptance tests, and the totals a test compares with. The totals are read from the
// file's text a second time and added up here, so that a fault of the reader or of the events shows as a difference.
import { readFileSync } from 'node:fs';
import type { TraceRule } from '../../demo/trace.ts';

export { readTrace, type TraceRule, traceEvents } from '../../demo/trace.ts';

const HOUR_MS = 3_600_000;

export interface TraceTotal {
  readonly model: string;
  /** Start of the hour of the shifted times, milliseconds since the epoch. */
  readonly hourStart: number;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
  readonly events: number;
}

/**
 * Token totals by (model, hour) straight from the file, ordered by hour and model. The rule is that of `traceEvents`.
 */
export function traceTotals(path: string, { models, endAt }: Pick<TraceRule, 'models' | 'endAt'>): TraceTotal[] {
  const cells = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(','));
  // Whole hours since the epoch; the shift is whole hours as well, but the last row's minutes decide how many.
  const times = cells.map(([timestamp = '']) => Date.parse(`${timestamp.slice(0, 19).replace(' ', 'T')}Z`));
  const millis = cells.map(([timestamp = '']) => Number(timestamp.slice(20, 23).padEnd(3, '0')));
  const last = times.reduce((max, time, i) => Math.max(max, time + millis[i]!), Number.NEGATIVE_INFINITY);
  const shiftHours = Math.floor((endAt - last) / HOUR_MS);
  const totals = new Map<
    string,
    { model: string; hourStart: number; inputTokens: bigint; outputTokens: bigint; events: number }
  >();
  for (const [i, [, context = '', generated = '']] of cells.entries()) {
    const model = models[i % models.length]!;
    const hourStart = (Math.floor(times[i]! / HOUR_MS) + shiftHours) * HOUR_MS;
    const key = `${hourStart} ${model}`;
    const total = totals.get(key) ?? { model, hourStart, inputTokens: 0n, outputTokens: 0n, events: 0 };
    total.inputTokens += BigInt(context);
    total.outputTokens += BigInt(generated);
    total.events += 1;
    totals.set(key, total);
  }
  return [...totals.values()].sort((a, b) => a.hourStart - b.hourStart || (a.model < b.model ? -1 : 1));
}
