// `npm run bench -- NAME [--events N] [--runs R] [--rate N] [--json FILE]`: one bench or several; `smoke`: all of them,
// small; `chart` and `model`: what follows from lines that were collected before.
import { parseArgs } from 'node:util';
import { benches } from './benches/all.ts';
import { writeCharts } from './charts/write-charts.ts';
import { describeMachine, machine } from './machine.ts';
import { printModel } from './model/print-model.ts';
import { type RunOptions, runBench } from './run.ts';
import { leaveProfilesIn } from './stand/profiles.ts';
import { Stand } from './stand/stand.ts';

function usage(): string {
  const width = Math.max(...benches.map(({ name }) => name.length));
  return [
    'npm run bench -- NAME… [--events N] [--runs R] [--rate N] [--json FILE]',
    '',
    ...benches.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    '',
    `  ${'smoke'.padEnd(width)}  all of them (or those named behind it), once and small: that they run, not how fast`,
    `  ${'all'.padEnd(width)}  all of them, in full`,
    `  ${'model'.padEnd(width)}  what the figures in bench/results mean for larger deployments`,
    `  ${'chart'.padEnd(width)}  draws the figures in bench/results into docs/lab/charts`,
    '',
    '  --events  how many events, keys, rows or windows',
    '  --runs    how many runs of which the medians are printed (5)',
    '  --rate    events a second that are offered, where a bench has a fixed rate; 0: as many as are taken',
    '  --json    a file that the lines of JSON are appended to, beside stdout',
    '  --profile a directory for CPU profiles of the processes of a bench',
    '',
  ].join('\n');
}

function whole(name: string, text: string | undefined, min: number): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d{1,12}$/.test(text) || value < min) {
    throw new Error(`--${name} must be a whole number of at least ${min}, not '${text}'`);
  }
  return value;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      events: { type: 'string' },
      runs: { type: 'string' },
      rate: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length === 0) {
    process.stderr.write(usage());
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const [first] = positionals;
  if (first === 'chart') return writeCharts();
  if (first === 'model') return printModel();
  const isSmoke = first === 'smoke';
  const named = isSmoke || first === 'all' ? positionals.slice(1) : positionals;
  const chosen = named.length === 0 ? benches : named.map(benchOf);
  const options: RunOptions = {
    isSmoke,
    runs: whole('runs', values.runs, 1),
    events: whole('events', values.events, 1),
    ratePerSecond: whole('rate', values.rate, 0),
    jsonFile: values.json ?? null,
  };
  leaveProfilesIn(values.profile ?? null);
  const onMachine = machine();
  process.stderr.write(`${describeMachine(onMachine)}\n`);
  const stand = await Stand.open();
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void stand.close().finally(() => process.exit(status)));
  }
  try {
    for (const bench of chosen) await runBench(bench, options, stand, onMachine);
  } finally {
    await stand.close();
  }
}

function benchOf(name: string): (typeof benches)[number] {
  const found = benches.find((bench) => bench.name === name);
  if (found === undefined) throw new Error(`there is no bench '${name}'\n\n${usage()}`);
  return found;
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
