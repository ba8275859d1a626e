// The rater's core comes to what the slow model says, whatever became known when: other seeds each day.
import { expect, it } from '@jest/globals';
import { isWhole, testDay } from '../support/day-sample.ts';
import { ratedFaults, ratedFaultsAmongOthers, ratedFaultsOfMoved } from './rated-history.ts';

const HISTORIES = isWhole ? 10_000 : 60;

it.each([
  ['random histories', ratedFaults, HISTORIES],
  ['those of a tenant with a catalog of its own', ratedFaultsAmongOthers, HISTORIES / 2],
  ['those of a customer with a subject that moves (G3)', ratedFaultsOfMoved, HISTORIES / 2],
])('%s are billed as the slow model says at every step, and a step done again writes nothing', (_, faultsOf, count) => {
  const from = testDay * HISTORIES;
  console.info(`histories ${from} to ${from + count - 1}; TALLYLINE_TEST_DAY=${testDay} repeats them`);
  const faults: string[] = [];
  let rated = 0;
  for (let seed = from; seed < from + count; seed++) {
    const found = faultsOf(seed);
    if (found === null) continue;
    rated++;
    faults.push(...found);
  }
  expect(faults).toEqual([]);
  expect(rated).toBeGreaterThan(count / 2);
});
