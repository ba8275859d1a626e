// Which charts there are, and from which lines each is made. A chart whose lines are not all there is left out.
import type { ResultLine, Results } from '../results.ts';
import type { Chart, Series } from './svg-chart.ts';

interface NamedChart {
  readonly file: string;
  readonly chart: Chart;
}

const noteOf = ({ machine, at, runs }: ResultLine): string =>
  `${machine.cores} cores (${machine.cpu}), Node ${machine.node}, load average ${machine.loadAverage} at the start, ` +
  `median of ${runs}, ${at.slice(0, 10)}`;

interface Line {
  readonly label: string;
  readonly line: ResultLine;
}

function linesOf(results: Results, bench: string, variants: Readonly<Record<string, string>>): Line[] | null {
  const lines: Line[] = [];
  for (const [variant, label] of Object.entries(variants)) {
    const line = results.find(bench, variant);
    if (line === null) return null;
    lines.push({ label, line });
  }
  return lines;
}

const series = (name: string, lines: readonly Line[], valueIn: (line: ResultLine) => number): Series => ({
  name,
  points: lines.map(({ label, line }) => ({ label, value: valueIn(line) })),
});

type Maker = (results: Results) => NamedChart | null;

/** One value of one bench over its variants. */
const perVariant =
  (
    file: string,
    bench: string,
    variants: Readonly<Record<string, string>>,
    chart: Pick<Chart, 'title' | 'unit' | 'kind' | 'target'>,
    values: Readonly<Record<string, (line: ResultLine) => number>>,
  ): Maker =>
  (results) => {
    const lines = linesOf(results, bench, variants);
    if (lines === null) return null;
    const all = Object.entries(values).map(([name, valueIn]) => series(name, lines, valueIn));
    return { file, chart: { ...chart, series: all, note: noteOf(lines[0]!.line) } };
  };

const growthVariants = { '1x': '1x', '10x': '10x', '100x': '100x' };
const spreads = { '20,000 subjects': '20,000 subjects', '200 skewed subjects': '200 skewed subjects' };
const logs = { 'append stubbed': 'append stubbed', kafka: 'Kafka, acks=all' };
const scales = { '1 aggregator': '1', '2 aggregators': '2', '4 aggregators': '4' };

/** CPU time of every stage of the whole line, from the bench `size`. */
const stages: Maker = (results) => {
  const line = results.find('size');
  if (line === null) return null;
  const points = Object.entries(line.cpuMicrosPerEventByStage)
    .filter(([stage]) => stage !== 'load')
    .map(([label, value]) => ({ label, value }));
  return {
    file: 'stages.svg',
    chart: {
      title: 'Where the CPU time of an event goes',
      unit: 'CPU-µs an event',
      kind: 'bars',
      series: [{ name: 'CPU time', points }],
      note: noteOf(line),
    },
  };
};

const makers: readonly Maker[] = [
  stages,
  perVariant(
    'gateway.svg',
    'gateway',
    logs,
    {
      title: 'Gateway, batches of 100 events',
      unit: 'CPU-µs an event in the gateway',
      kind: 'bars',
      target: { value: 6, label: 'target with Kafka: 6' },
    },
    { 'CPU time': (line) => line.cpuMicrosPerEvent },
  ),
  perVariant(
    'aggregator-core.svg',
    'aggregator-core',
    spreads,
    {
      title: 'Aggregator, nothing written',
      unit: 'events a second on one core',
      kind: 'bars',
      target: { value: 700_000, label: 'target: 700,000; skewed 1,000,000' },
    },
    { 'events/s': (line) => line.details.eventsPerSecondACore! },
  ),
  perVariant(
    'aggregator.svg',
    'aggregator',
    spreads,
    {
      title: 'Aggregator with all it writes',
      unit: 'CPU-µs an event',
      kind: 'bars',
      target: { value: 10, label: 'target: 10; skewed 5.5' },
    },
    {
      aggregator: (line) => line.cpuMicrosPerEventByStage.aggregator!,
      ClickHouse: (line) => line.cpuMicrosPerEventByStage.clickhouse!,
      both: (line) => line.cpuMicrosPerEvent,
    },
  ),
  perVariant(
    'growth-cost.svg',
    'growth',
    growthVariants,
    { title: 'Cost of an event over a growing history', unit: 'CPU-µs an event', kind: 'lines' },
    {
      'count and write': (line) => line.cpuMicrosPerEvent,
      'append to Postgres': (line) => line.details.appendMicrosPerEvent!,
    },
  ),
  perVariant(
    'growth-reads.svg',
    'growth',
    growthVariants,
    { title: 'Reads of one day over a growing history', unit: 'p95, ms', kind: 'lines' },
    {
      'one subject by hour': (line) => line.details.subjectP95Ms!,
      'total by model': (line) => line.details.modelsP95Ms!,
      'top 10 subjects': (line) => line.details.topP95Ms!,
    },
  ),
  perVariant(
    'rater-month.svg',
    'rater-month',
    { 'day 1': 'day 1', 'day 9': 'day 9', 'day 27': 'day 27' },
    { title: "An hour's line items over a billing period", unit: 'CPU-µs a line item', kind: 'lines' },
    {
      rater: (line) => line.cpuMicrosPerEventByStage.rater!,
      ClickHouse: (line) => line.cpuMicrosPerEventByStage.clickhouse!,
      Postgres: (line) => line.cpuMicrosPerEventByStage.postgres!,
      'all three': (line) => line.cpuMicrosPerEvent,
    },
  ),
  perVariant(
    'query.svg',
    'query',
    { merged: 'merged', 'after a load': 'after a load' },
    { title: 'Reads of 30 days of roll-up rows', unit: 'p95, ms', kind: 'bars' },
    {
      'one subject by hour': (line) => line.details.subjectP95Ms!,
      'total by model': (line) => line.details.modelsP95Ms!,
      'top 10 subjects': (line) => line.details.topP95Ms!,
    },
  ),
  perVariant(
    'scale-out.svg',
    'scale-out',
    scales,
    { title: 'Aggregators over 12 partitions of Kafka', unit: 'events a second', kind: 'lines' },
    { 'events/s': (line) => line.eventsPerSecond },
  ),
  perVariant(
    'scale-out-cost.svg',
    'scale-out',
    scales,
    { title: 'Cost of an event by number of aggregators', unit: 'CPU-µs an event', kind: 'lines' },
    {
      aggregators: (line) => line.cpuMicrosPerEventByStage.aggregator!,
      ClickHouse: (line) => line.cpuMicrosPerEventByStage.clickhouse!,
    },
  ),
];

export const chartsOf = (results: Results): NamedChart[] => makers.flatMap((make) => make(results) ?? []);
