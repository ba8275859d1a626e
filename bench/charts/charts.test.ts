import { describe, expect, it } from '@jest/globals';
import { parseResults } from '../results.ts';
import { chartsOf } from './charts.ts';
import { drawChart, niceCeiling } from './svg-chart.ts';

const line = (bench: string, variant: string, more: object): string =>
  JSON.stringify({
    ...{ bench, variant, size: 'full', runs: 5, events: 1, at: '2026-11-20T10:00:00.000Z', details: {} },
    ...{ eventsPerSecond: 1, cpuMicrosPerEvent: 1, cpuMicrosPerEventByStage: {} },
    machine: { node: '24.1.0', cpu: 'a <fast> one', cores: 2, memoryGB: 8, loadAverage: 0.1 },
    ...more,
  });

const scaleOut = (rates: readonly number[], more: object = {}): string =>
  ['1 aggregator', '2 aggregators', '4 aggregators']
    .map((variant, i) =>
      line('scale-out', variant, {
        eventsPerSecond: rates[i],
        cpuMicrosPerEventByStage: { aggregator: 4 + i, clickhouse: 2 },
        ...more,
      }),
    )
    .join('\n');

describe('charts of results', () => {
  it('are drawn from whole sets of lines only', () => {
    const whole = parseResults([`${scaleOut([100_000, 190_000, 350_000])}\n`]);
    expect(chartsOf(whole).map(({ file }) => file)).toEqual(['scale-out.svg', 'scale-out-cost.svg']);
    expect(chartsOf(parseResults([line('scale-out', '1 aggregator', {})]))).toEqual([]);
  });

  it('take the newest line, and none of a smoke run or of a bench that was skipped', () => {
    const results = parseResults([
      scaleOut([1, 2, 4], { at: '2026-11-21T10:00:00.000Z' }),
      scaleOut([100, 200, 400]),
      scaleOut([7, 7, 7], { at: '2026-12-01T10:00:00.000Z', size: 'smoke' }),
      '{"bench":"gateway","skipped":"no Kafka"}',
    ]);
    const [chart] = chartsOf(results);
    expect(chart!.chart.series[0]!.points.map(({ value }) => value)).toEqual([1, 2, 4]);
  });

  it('say every value, and the machine, in well-formed text', () => {
    const [first] = chartsOf(parseResults([scaleOut([100_000, 190_000, 350_000])]));
    const svg = drawChart(first!.chart);
    for (const value of ['100,000', '190,000', '350,000']) expect(svg).toContain(`>${value}</text>`);
    expect(svg).toContain('2 cores (a &lt;fast&gt; one), Node 24.1.0');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('end their axis at a round number', () => {
    expect([0.7, 3, 12, 240, 1_000].map(niceCeiling)).toEqual([1, 5, 20, 250, 1_000]);
    expect(niceCeiling(0)).toBe(1);
  });
});
