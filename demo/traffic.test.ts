import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { brokenKinds } from './broken-event.ts';
import { type Batch, deliver, type Fate } from './mishaps.ts';
import { customerNames, llmTraffic, type TrafficSettings } from './traffic.ts';

const endAt = Date.parse('2026-11-20T12:00:00Z');
const DAY_MS = 86_400_000;
const traffic: TrafficSettings = {
  seed: 7,
  events: 20_000,
  endAt,
  spanMs: 6 * 3_600_000,
  customers: customerNames(['acme'], 2_000),
  models: ['m-large', 'm-small'],
};
const mishaps = {
  seed: 7,
  batchEventsMax: 300,
  duplicateShare: 0.05,
  conflictShare: 0.005,
  brokenShare: 0.01,
  shuffleWidth: 500,
  now: endAt,
};
const batches = (seed: number): Batch[] => [...deliver(llmTraffic({ ...traffic, seed }), { ...mishaps, seed })];
const digest = (all: Batch[]): string => createHash('sha256').update(JSON.stringify(all)).digest('hex');
const idOf = (json: string): string => (JSON.parse(json) as { id: string }).id;

describe('traffic', () => {
  it('is the same for the same seed and another for another', () => {
    expect(digest(batches(7))).toBe(digest(batches(7)));
    expect(digest(batches(7))).not.toBe(digest(batches(8)));
  });

  it('has a giant, a long tail of customers and of tokens, and times within the accepted range', () => {
    const events = [...llmTraffic(traffic)];
    expect(events).toHaveLength(traffic.events);
    expect(new Set(events.map(({ id }) => id)).size).toBe(traffic.events);
    const giant = events.filter(({ subject }) => subject === 'acme').length / events.length;
    expect(giant).toBeGreaterThan(0.28);
    expect(giant).toBeLessThan(0.32);
    expect(new Set(events.map(({ subject }) => subject)).size).toBeGreaterThan(1_000);
    const times = events.map(({ time }) => time);
    expect(Math.max(...times)).toBeLessThanOrEqual(endAt);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(endAt - 34 * DAY_MS);
    const outputs = events.map(({ data }) => Number(data.output_tokens ?? 0)).sort((a, b) => b - a);
    const topPercent = outputs.slice(0, events.length / 100).reduce((a, b) => a + b, 0);
    expect(topPercent / outputs.reduce((a, b) => a + b, 0)).toBeGreaterThan(0.05);
  });

  it('comes in bursts: seconds differ far more than at a steady rate', () => {
    const perMinute = new Map<number, number>();
    for (const { time } of llmTraffic(traffic)) {
      const minute = Math.floor(time / 60_000);
      if (minute >= (endAt - traffic.spanMs) / 60_000) perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
    }
    const counts = [...perMinute.values()];
    const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    // 1 for a plain Poisson process.
    expect(variance / mean).toBeGreaterThan(5);
  });
});

describe('mishaps', () => {
  const all = batches(7);
  const deliveries = all.flatMap((batch) =>
    batch.deliveries.map((delivery) => ({ ...delivery, batch: batch.index, afterBatch: batch.afterBatch })),
  );
  const count = (fate: Fate): number => deliveries.filter((delivery) => delivery.fate === fate).length;

  it('delivers every event once as accepted, and the stated shares of the rest', () => {
    expect(count('accepted')).toBe(traffic.events);
    expect(count('duplicate') / traffic.events).toBeCloseTo(0.05, 2);
    expect(count('conflict')).toBeGreaterThan(traffic.events * 0.003);
    expect(count('rejected')).toBeGreaterThan(traffic.events * 0.007);
    for (const [index, batch] of all.entries()) {
      expect(batch.index).toBe(index);
      expect(batch.deliveries.length).toBeLessThanOrEqual(mishaps.batchEventsMax);
    }
  });

  it('repeats with the same meaning, contradicts with another, and always after the original', () => {
    const originals = new Map(
      deliveries.filter(({ fate }) => fate === 'accepted').map((delivery) => [delivery.event!.id, delivery]),
    );
    let reordered = 0;
    for (const { fate, json, batch, afterBatch } of deliveries) {
      if (fate !== 'duplicate' && fate !== 'conflict') continue;
      const original = originals.get(idOf(json))!;
      if (fate === 'duplicate') {
        expect(JSON.parse(json)).toEqual(JSON.parse(original.json));
        if (json !== original.json) reordered++;
      } else {
        expect(JSON.parse(json)).not.toEqual(JSON.parse(original.json));
        expect(afterBatch).toBeGreaterThanOrEqual(original.batch);
        expect(afterBatch).toBeLessThan(batch);
      }
    }
    expect(reordered).toBeGreaterThan(count('duplicate') / 4);
  });

  it('breaks events in every way, under ids of their own', () => {
    const broken = deliveries.filter(({ fate }) => fate === 'rejected');
    expect(new Set(broken.map(({ brokenKind }) => brokenKind)).size).toBe(brokenKinds.length);
    for (const { json } of broken) expect(idOf(json) ?? '_broken').toMatch(/_broken$/);
  });
});
