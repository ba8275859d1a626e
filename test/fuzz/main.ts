// `npm run fuzz -- [--target NAME] [--executions N] [--seed S] [--guided N]`: a campaign for each target, one after the
// other. Exits 1 where anything was found; what was found is printed as base64, to become a fixed case in
// test/bad-input.
import { parseArgs } from 'node:util';
import { fuzz } from './campaign.ts';
import { targets } from './targets/all.ts';

const { values: options } = parseArgs({
  options: {
    target: { type: 'string' },
    executions: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    guided: { type: 'string', default: '200000' },
  },
});

function whole(name: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new Error(`--${name} must be a whole number, not '${text}'`);
  return Number(text);
}

const executions = whole('executions', options.executions);
const seed = whole('seed', options.seed);
const guided = whole('guided', options.guided);
const chosen = options.target === undefined ? targets : targets.filter(({ name }) => name === options.target);
if (chosen.length === 0) throw new Error(`--target must be one of ${targets.map(({ name }) => name).join(', ')}`);

const isOurs = (url: string): boolean =>
  /\/(?:domain|ingest|aggregator|platform)\//.test(url) && !url.includes('/node_modules/');

// A campaign that is ended says what it came to; the ones after it are not begun.
const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort());

for (const target of chosen) {
  if (stopped.signal.aborted) break;
  const result = await fuzz(target, {
    executions,
    seed,
    guided,
    isOurs,
    signal: stopped.signal,
    onProgress: (count) => {
      if (count % 500_000 === 0) process.stderr.write(`${target.name}: ${count} executions\n`);
    },
    onFinding: ({ error, input }) => {
      process.stdout.write(`  input ${input.toString('base64')}\n  ${error.split('\n').slice(0, 8).join('\n  ')}\n`);
    },
  });
  const tally = Object.entries(target.tally()).map(([what, count]) => `${count} ${what}`);
  process.stdout.write(
    `${target.name}: ${result.executions} executions in ${result.seconds.toFixed(0)} s, seed ${seed}: ` +
      `${result.findings.length} findings; ${result.reached} characters of source reached, ${result.corpus} inputs kept, ` +
      `slowest ${result.slowestMs.toFixed(0)} ms; ${tally.join(', ')}\n`,
  );
  if (result.findings.length > 0) process.exitCode = 1;
}
