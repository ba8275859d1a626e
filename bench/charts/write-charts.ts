// `npm run bench -- chart`: bench/results/*.jsonl to docs/lab/charts/*.svg.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../../platform/process/project-root.ts';
import { readResults } from '../results.ts';
import { chartsOf } from './charts.ts';
import { drawChart } from './svg-chart.ts';

export function writeCharts(): void {
  const directory = projectFile('docs/lab/charts');
  const charts = chartsOf(readResults());
  if (charts.length === 0) throw new Error('the results are of no bench that has a chart');
  mkdirSync(directory, { recursive: true });
  for (const { file, chart } of charts) {
    writeFileSync(join(directory, file), drawChart(chart));
    process.stderr.write(`docs/lab/charts/${file}\n`);
  }
}
