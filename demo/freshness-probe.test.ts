import { describe, expect, it } from '@jest/globals';
import type { DemoEvent } from './demo-event.ts';
import { FreshnessProbe, splitByStandstill } from './freshness-probe.ts';
import type { Delivery } from './mishaps.ts';

describe('FreshnessProbe', () => {
  it('asks for each marker until it is accepted, and tells of each one sent', async () => {
    const sent: DemoEvent[] = [];
    const asked = new Map<string, number>();
    let stop: Promise<void> | null = null;
    const probe: FreshnessProbe = new FreshnessProbe({
      api: {
        eventState: async (id) => {
          asked.set(id, (asked.get(id) ?? 0) + 1);
          if (asked.size === 3) stop ??= probe.stop();
          return asked.get(id) === 1 ? 'unknown' : 'accepted';
        },
      },
      send: async () => {},
      onSent: (delivery: Delivery) => sent.push(delivery.event!),
      subject: 's',
      model: 'm',
      parallel: 1,
    });
    await new Promise<void>((resolve) => {
      const check = (): void => void (stop === null ? setImmediate(check) : resolve());
      check();
    });
    await stop;
    expect(probe.samples).toHaveLength(3);
    expect(sent.map(({ id }) => id)).toEqual([...asked.keys()]);
    expect([...asked.values()]).toEqual([2, 2, 2]);
  });

  it('reports a gateway that refuses when it is stopped', async () => {
    const probe = new FreshnessProbe({
      api: { eventState: async () => 'accepted' },
      send: () => Promise.reject(new Error('refused')),
      onSent: () => {},
      subject: 's',
      model: 'm',
      parallel: 1,
    });
    await expect(probe.stop()).rejects.toThrow('refused');
  });
});

describe('a standstill', () => {
  const sample = (acknowledgedAt: number, readableAfter: number) => ({ acknowledgedAt, readableAfter });
  it('covers what was under way in the outage and what was sent before the last of that was readable', () => {
    const samples = [sample(0, 10), sample(95, 7), sample(103, 30), sample(110, 20), sample(132, 9), sample(134, 7)];
    expect(splitByStandstill(samples, { from: 100, to: 105 })).toEqual({
      usual: [10, 7],
      standstill: [7, 30, 20, 9],
    });
  });
  it('lasts as long as the outage when no marker was under way', () => {
    expect(splitByStandstill([sample(0, 10), sample(106, 5)], { from: 100, to: 105 }).standstill).toEqual([]);
  });
});
