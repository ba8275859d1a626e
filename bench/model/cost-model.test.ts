import { describe, expect, it } from '@jest/globals';
import { deploymentFor, type EventCosts, limitsOf } from './cost-model.ts';

const costs: EventCosts = {
  gatewayCpuMicros: 6,
  kafkaCpuMicros: 1,
  aggregatorCpuMicros: 6,
  clickhouseCpuMicros: 3,
  postgresCpuMicros: 0.1,
  raterCpuMicros: 0.2,
  logBytes: 50,
  clickhouseBytes: 40,
  keyBytes: 0.001,
};

describe('cost model', () => {
  it('works out cores, and processes of one core each', () => {
    // 0.6 of a core does 100,000 events a second at 6 µs each.
    expect(deploymentFor(costs, 1_000_000)).toMatchObject({
      gatewayCores: 10,
      aggregatorProcesses: 10,
      clickhouseCores: 5,
      kafkaCores: 5,
      insertsPerSecond: 40,
      brokers: 3,
    });
  });

  it('adds aggregators where keys need more memory than their CPU time asks for', () => {
    // 1 M events a second for 35 days are 3.024e12 keys.
    expect(deploymentFor({ ...costs, keyBytes: 1 }, 1_000_000).aggregatorProcesses).toBe(48);
  });

  it('names what ends first, first', () => {
    const [first, ...rest] = limitsOf(costs);
    expect(first!.what).toMatch(/^aggregator CPU/);
    expect(first!.eventsPerSecond).toBeCloseTo(1_200_000);
    expect(limitsOf({ ...costs, keyBytes: 32 })[0]!.what).toMatch(/^dedup memory/);
    for (const limit of rest) expect(limit.eventsPerSecond).toBeGreaterThanOrEqual(first!.eventsPerSecond);
  });
});
