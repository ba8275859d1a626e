import { describe, expect, it } from '@jest/globals';
import { shareReading } from './shared-reading.ts';

/** Readings that answer when they are told to. */
class Readings {
  now = 0;
  readonly answers: { resolve(value: number): void; reject(error: Error): void }[] = [];
  readonly within = shareReading<number>(
    () => new Promise((resolve, reject) => this.answers.push({ resolve, reject })),
    () => this.now,
  );
}

describe('a shared reading', () => {
  it('is one for all who ask while it is recent enough, under way or not', async () => {
    const readings = new Readings();
    const first = readings.within(1_000);
    const meanwhile = readings.within(1_000);
    readings.answers[0]!.resolve(1);
    readings.now = 1_000;
    expect(await Promise.all([first, meanwhile, readings.within(1_000)])).toEqual([1, 1, 1]);
    expect(readings.answers).toHaveLength(1);
  });

  it('is made again once it is too old, by when it began', async () => {
    const readings = new Readings();
    const first = readings.within(1_000);
    readings.answers[0]!.resolve(1);
    await first;
    readings.now = 1_001;
    const second = readings.within(1_000);
    readings.answers[1]!.resolve(2);
    expect(await Promise.all([second, readings.within(1_000)])).toEqual([2, 2]);
  });

  it('is one at a time: whoever wants a newer one than is under way shares the next, which begins when that has ended', async () => {
    const readings = new Readings();
    const first = readings.within(0);
    readings.now = 1;
    const newer = Array.from({ length: 50 }, () => readings.within(0));
    expect(readings.answers).toHaveLength(1);
    readings.answers[0]!.resolve(1);
    expect(await first).toBe(1);
    await new Promise(setImmediate);
    expect(readings.answers).toHaveLength(2);
    readings.answers[1]!.resolve(2);
    expect(new Set(await Promise.all(newer))).toEqual(new Set([2]));
    expect(readings.answers).toHaveLength(2);
  });

  it('fails for those who share it, and not for the next', async () => {
    const readings = new Readings();
    const [first, meanwhile] = [readings.within(1_000), readings.within(1_000)];
    readings.answers[0]!.reject(new Error('no answer'));
    await expect(first).rejects.toThrow('no answer');
    await expect(meanwhile).rejects.toThrow('no answer');
    const next = readings.within(1_000);
    readings.answers[1]!.resolve(2);
    expect(await next).toBe(2);
  });

  it('may fail where nobody waits for it', async () => {
    const readings = new Readings();
    void readings.within(1_000).catch(() => {});
    readings.answers[0]!.reject(new Error('no answer'));
    await new Promise(setImmediate);
    const next = readings.within(1_000);
    readings.answers[1]!.resolve(2);
    expect(await next).toBe(2);
  });
});
