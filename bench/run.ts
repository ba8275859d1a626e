// Runs a bench: every variant once a round, round after round, so that what disturbs the machine meets all variants
// alike.
import { appendFileSync } from 'node:fs';
import { kafkaUnavailable } from '../test/support/processes/kafka-broker.ts';
import type { Bench, Measurement, Summary } from './bench.ts';
import type { Machine } from './machine.ts';
import type { Stand } from './stand/stand.ts';
import { rounded } from './statistics.ts';
import { describeSummary, summarize } from './summary.ts';

export interface RunOptions {
  readonly isSmoke: boolean;
  /** Null: the bench's own. */
  readonly runs: number | null;
  readonly events: number | null;
  readonly ratePerSecond: number | null;
  /** JSON lines are appended to it; null: nowhere. */
  readonly jsonFile: string | null;
}

const RUNS = 5;

function withComparison(bench: Bench, summaries: readonly Summary[]): Summary[] {
  if (bench.compare === undefined) return [...summaries];
  const figures = bench.compare(new Map(summaries.map((summary) => [summary.variant, summary])));
  const compared = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, rounded(value)]));
  const last = summaries.at(-1)!;
  return [...summaries.slice(0, -1), { ...last, details: { ...last.details, ...compared } }];
}

/** Lines of JSON go to stdout, everything for people to stderr. */
export async function runBench(bench: Bench, options: RunOptions, stand: Stand, machine: Machine): Promise<void> {
  const print = (line: object): void => {
    const text = `${JSON.stringify(line)}\n`;
    process.stdout.write(text);
    if (options.jsonFile !== null) appendFileSync(options.jsonFile, text);
  };
  const unavailable = bench.needsKafka ? await kafkaUnavailable({ withDocker: false }) : null;
  if (unavailable !== null) {
    process.stderr.write(`${bench.name} is skipped: ${unavailable}\n`);
    print({ bench: bench.name, skipped: unavailable });
    return;
  }
  const size = options.isSmoke ? 'smoke' : 'full';
  const runs = options.runs ?? (options.isSmoke ? 1 : (bench.runs ?? RUNS));
  const context = {
    stand,
    isSmoke: options.isSmoke,
    events: options.events ?? bench.events[size],
    ratePerSecond: options.ratePerSecond ?? bench.ratePerSecond?.[size] ?? 0,
  };
  const measured = new Map<string, Measurement[]>(bench.variants.map(({ name }) => [name, []]));
  for (let run = 1; run <= runs; run++) {
    for (const variant of bench.variants) {
      process.stderr.write(`${bench.name}${variant.name === '' ? '' : `, ${variant.name}`}: run ${run} of ${runs}\n`);
      measured.get(variant.name)!.push(await variant.measure(context));
    }
  }
  const summaries = [...measured].map(([variant, all]) => summarize(bench, variant, all));
  for (const summary of withComparison(bench, summaries)) {
    process.stderr.write(`\n${describeSummary(summary)}`);
    print({ ...summary, size, machine, at: new Date().toISOString() });
  }
}
