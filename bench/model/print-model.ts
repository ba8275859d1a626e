// `npm run bench -- model`: the cost model on the figures that were collected.
import { type Results, readResults } from '../results.ts';
import { rounded } from '../statistics.ts';
import { assumptions, type Deployment, deploymentFor, type EventCosts, limitsOf } from './cost-model.ts';

const RATES = [100_000, 1_000_000, 10_000_000];

/** CPU times and bytes of the bench `size`, bytes of memory for a key in a file of the bench `dedup`. */
function costsOf(results: Results): EventCosts {
  const size = results.find('size');
  const dedup = results.find('dedup', 'in files');
  if (size === null || dedup === null) {
    throw new Error('the model needs full runs of the benches size and dedup in bench/results');
  }
  const cpu = (stage: string): number => size.cpuMicrosPerEventByStage[stage] ?? 0;
  return {
    gatewayCpuMicros: cpu('gateway'),
    kafkaCpuMicros: cpu('kafka'),
    aggregatorCpuMicros: cpu('aggregator'),
    clickhouseCpuMicros: cpu('clickhouse'),
    postgresCpuMicros: cpu('postgres'),
    raterCpuMicros: cpu('rater'),
    logBytes: size.details.logBytesPerEvent!,
    clickhouseBytes: size.details.clickhouseBytesPerEvent!,
    keyBytes: dedup.details.indexBytesPerKey!,
  };
}

/** Markdown, for the documentation. */
function describeModel(costs: EventCosts): string {
  const number = (value: number): string => rounded(value, 3).toLocaleString('en-US');
  const deployments = RATES.map((rate) => deploymentFor(costs, rate));
  const names = Object.keys(deployments[0]!) as (keyof Deployment)[];
  return [
    `| | ${deployments.map(({ eventsPerSecond }) => `${number(eventsPerSecond)}/s`).join(' | ')} |`,
    `|---|${deployments.map(() => '---:').join('|')}|`,
    ...names
      .filter((name) => name !== 'eventsPerSecond')
      .map((name) => `| ${name} | ${deployments.map((deployment) => number(deployment[name])).join(' | ')} |`),
    '',
    '| what ends first | at events/s | what to turn |',
    '|---|---:|---|',
    ...limitsOf(costs).map(({ what, eventsPerSecond, turn }) => `| ${what} | ${number(eventsPerSecond)} | ${turn} |`),
    '',
    `Assumed: ${Object.entries(assumptions)
      .map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
      .join(', ')}.`,
    '',
  ].join('\n');
}

export function printModel(): void {
  process.stdout.write(describeModel(costsOf(readResults())));
}
