// From the runs of a variant to its line, and from lines to a table.
import type { Bench, Measurement, Summary } from './bench.ts';
import { median, rounded } from './statistics.ts';

interface Figures {
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly cpuMicrosPerEvent: number;
}

const figureNames = ['seconds', 'eventsPerSecond', 'cpuMicrosPerEvent'] as const;

function figuresOf({ events, seconds, cpuMicros, counted }: Measurement): Figures {
  const cpu = (counted ?? Object.keys(cpuMicros)).reduce((sum, stage) => sum + (cpuMicros[stage] ?? 0), 0);
  return { seconds, eventsPerSecond: events / seconds, cpuMicrosPerEvent: cpu / events };
}

/** The median of each name over all runs; a name must be in each of them. */
function medians(runs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, rounded(median(runs.map((run) => run[name]!)))]));
}

export function summarize(bench: Pick<Bench, 'name' | 'unit'>, variant: string, runs: readonly Measurement[]): Summary {
  const figures = runs.map(figuresOf);
  const over = (pick: (values: number[]) => number): Record<(typeof figureNames)[number], number> =>
    Object.fromEntries(figureNames.map((name) => [name, rounded(pick(figures.map((one) => one[name])))])) as Record<
      (typeof figureNames)[number],
      number
    >;
  const byStage = runs.map(({ cpuMicros, events }) =>
    Object.fromEntries(Object.entries(cpuMicros).map(([stage, micros]) => [stage, micros / events])),
  );
  return {
    bench: bench.name,
    variant,
    unit: bench.unit,
    runs: runs.length,
    events: median(runs.map(({ events }) => events)),
    ...over(median),
    cpuMicrosPerEventByStage: medians(byStage),
    min: over((values) => Math.min(...values)),
    max: over((values) => Math.max(...values)),
    details: medians(runs.map(({ details }) => details ?? {})),
  };
}

const shown = (value: number): string =>
  Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(rounded(value, 3));

/** A few lines of text for one variant. */
export function describeSummary(summary: Summary): string {
  const { unit, min, max } = summary;
  const rows: [string, string][] = [
    [unit, shown(summary.events)],
    [
      `${unit}/s`,
      `${shown(summary.eventsPerSecond)}  (${shown(min.eventsPerSecond!)} to ${shown(max.eventsPerSecond!)})`,
    ],
    [
      'CPU-µs each',
      `${shown(summary.cpuMicrosPerEvent)}  (${shown(min.cpuMicrosPerEvent!)} to ${shown(max.cpuMicrosPerEvent!)})`,
    ],
    ...Object.entries(summary.cpuMicrosPerEventByStage).map(([stage, micros]): [string, string] => [
      `  of ${stage}`,
      shown(micros),
    ]),
    ...Object.entries(summary.details).map(([name, value]): [string, string] => [name, shown(value)]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const title = `${summary.bench}${summary.variant === '' ? '' : `, ${summary.variant}`} (median of ${summary.runs})`;
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`), ''].join('\n');
}
