// A preview says what is charged (P2): other histories each day.
import { expect, it } from '@jest/globals';
import { isWhole, testDay } from '../support/day-sample.ts';
import { previewFaults } from './previewed-history.ts';

const HISTORIES = isWhole ? 10_000 : 60;

it('what a preview says is what the rater then charges, instant by instant', () => {
  const from = testDay * HISTORIES;
  console.info(`histories ${from} to ${from + HISTORIES - 1}; TALLYLINE_TEST_DAY=${testDay} repeats them`);
  const faults: string[] = [];
  let previewed = 0;
  for (let seed = from; seed < from + HISTORIES; seed++) {
    const found = previewFaults(seed);
    if (found === null) continue;
    previewed++;
    faults.push(...found);
  }
  expect(faults).toEqual([]);
  expect(previewed).toBeGreaterThan(HISTORIES / 2);
});
