import { describe, expect, it } from '@jest/globals';
import type { Measurement } from './bench.ts';
import { describeSummary, summarize } from './summary.ts';

const run = (seconds: number, gateway: number): Measurement => ({
  events: 1_000,
  seconds,
  cpuMicros: { gateway, kafka: 9_000 },
  counted: ['gateway'],
  details: { p99Ms: seconds * 10 },
});

describe('summary of runs', () => {
  const summary = summarize({ name: 'gateway', unit: 'events' }, 'stub', [run(2, 4_000), run(1, 5_000), run(4, 3_000)]);

  it('has medians, and the bounds in which the runs lay', () => {
    expect(summary).toMatchObject({ bench: 'gateway', variant: 'stub', runs: 3, events: 1_000, seconds: 2 });
    expect(summary.eventsPerSecond).toBe(500);
    expect(summary.min).toEqual({ seconds: 1, eventsPerSecond: 250, cpuMicrosPerEvent: 3 });
    expect(summary.max).toEqual({ seconds: 4, eventsPerSecond: 1_000, cpuMicrosPerEvent: 5 });
    expect(summary.details).toEqual({ p99Ms: 20 });
  });

  it('counts the CPU time of the stages that are counted, and shows that of all', () => {
    expect(summary.cpuMicrosPerEvent).toBe(4);
    expect(summary.cpuMicrosPerEventByStage).toEqual({ gateway: 4, kafka: 9 });
  });

  it('is readable', () => {
    expect(describeSummary(summary)).toContain('gateway, stub (median of 3)');
    expect(describeSummary(summary)).toMatch(/events\/s +500 {2}\(250 to 1,000\)/);
  });
});
