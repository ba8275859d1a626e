import { expect, it } from '@jest/globals';
import pino from 'pino';
import { until } from '../../test/support/until.ts';
import { CountingWatch } from './counting-watch.ts';
import type { Freshness } from './freshness.ts';

const NOON = Date.UTC(2026, 10, 20, 12);

function watchOf(...watermarks: (number | null)[]) {
  const time = { now: NOON };
  const state: { readings: number; freshness: Freshness | null } = {
    readings: 0,
    freshness: {
      watermark: null,
      lost: [],
      totalsFrom: null,
      recounted: [],
      partitions: watermarks.map((watermark, partition) => ({ partition, nextOffset: 0, watermark })),
    },
  };
  const watch = new CountingWatch({
    clock: () => time.now,
    logger: pino({ level: 'silent' }),
    readFreshness: async () => {
      state.readings++;
      if (state.freshness === null) throw new Error('away');
      return state.freshness;
    },
  });
  return { watch, time, state };
}

it('says nothing while every partition is counted, has nothing to count yet, or nothing is known', async () => {
  const { watch, state } = watchOf(NOON - 59_000, null);
  expect(watch.fault()).toBeNull();
  await until(() => state.readings === 1, 'it looked');
  expect(watch.fault()).toBeNull();
});

it('names the partition that is furthest behind, since when, and the page', async () => {
  const { watch } = watchOf(NOON - 61_000, NOON - 3_600_000, NOON, NOON - 70_000);
  await until(() => watch.fault() !== null, 'it knows');
  expect(watch.fault()).toBe(
    'partition 1 is counted up to 2026-11-20T11:00:00Z, and 2 more partitions late: docs/operate/runbooks/watermark-lagging.md',
  );
});

it('looks again after a while, and keeps what it knows while the stores are silent', async () => {
  const { watch, time, state } = watchOf(NOON - 61_000);
  await until(() => watch.fault() !== null, 'it knows');
  const { readings } = state;
  time.now += 1_000;
  watch.fault();
  expect(state.readings).toBe(readings);
  state.freshness = null;
  time.now += 10_000;
  expect(watch.fault()).toContain('partition 0');
  expect(state.readings).toBe(readings + 1);
});
