import { describe, expect, it } from '@jest/globals';
import { type Freshness, shareFreshness } from './freshness.ts';

/** Readings that answer when they are told to. */
class Readings {
  now = 0;
  readonly answers: { resolve(freshness: Freshness): void; reject(error: Error): void }[] = [];
  readonly within = shareFreshness(
    () => new Promise((resolve, reject) => this.answers.push({ resolve, reject })),
    () => this.now,
  );
}

const at = (watermark: number): Freshness => ({ watermark, partitions: [] });

describe('shared freshness', () => {
  it('is one reading for all who ask while it is recent enough, under way or not', async () => {
    const readings = new Readings();
    const first = readings.within(1_000);
    const meanwhile = readings.within(1_000);
    readings.answers[0]!.resolve(at(1));
    readings.now = 1_000;
    expect(await Promise.all([first, meanwhile, readings.within(1_000)])).toEqual([at(1), at(1), at(1)]);
    expect(readings.answers).toHaveLength(1);
  });

  it('is read again once it is too old, by when its reading began', async () => {
    const readings = new Readings();
    const first = readings.within(1_000);
    readings.now = 1_001;
    const second = readings.within(1_000);
    readings.answers[1]!.resolve(at(2));
    readings.answers[0]!.resolve(at(1));
    expect(await Promise.all([first, second, readings.within(1_000)])).toEqual([at(1), at(2), at(2)]);
    expect(readings.answers).toHaveLength(2);
  });

  it('is read for who wants it as it is now, and then shared', async () => {
    const readings = new Readings();
    void readings.within(1_000);
    readings.now = 1;
    void readings.within(0);
    const shared = readings.within(1_000);
    readings.answers[1]!.resolve(at(2));
    expect(await shared).toEqual(at(2));
    expect(readings.answers).toHaveLength(2);
  });

  it('fails for those who share the reading, and not for the next', async () => {
    const readings = new Readings();
    const [first, meanwhile] = [readings.within(1_000), readings.within(1_000)];
    readings.answers[0]!.reject(new Error('no answer'));
    await expect(first).rejects.toThrow('no answer');
    await expect(meanwhile).rejects.toThrow('no answer');
    const next = readings.within(1_000);
    readings.answers[1]!.resolve(at(2));
    expect(await next).toEqual(at(2));
  });

  it('may fail where nobody waits for it', async () => {
    const readings = new Readings();
    void readings.within(1_000);
    // A rejection that is nobody's would end the process, and this test.
    readings.answers[0]!.reject(new Error('no answer'));
    await new Promise(setImmediate);
    const next = readings.within(1_000);
    readings.answers[1]!.resolve(at(2));
    expect(await next).toEqual(at(2));
  });
});
