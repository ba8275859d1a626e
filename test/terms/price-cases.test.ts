// Prices come to what slow fractions say: other cases each day. `npm run test:prices` runs any number of them.
import { expect, it } from '@jest/globals';
import { isWhole, testDay } from '../support/day-sample.ts';
import { caseFaults } from './price-cases.ts';

const CASES = isWhole ? 200_000 : 5_000;

it('random prices and quantities cost the same by the slow fractions, to the last digit', () => {
  const from = testDay * CASES;
  console.info(`cases ${from} to ${from + CASES - 1}; TALLYLINE_TEST_DAY=${testDay} repeats them`);
  const faults: string[] = [];
  for (let seed = from; seed < from + CASES; seed++)
    faults.push(...caseFaults(seed).map((fault) => `seed ${seed}: ${fault}`));
  expect(faults).toEqual([]);
});
