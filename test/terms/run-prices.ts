// `npm run test:prices -- --cases N [--start S]` holds prices against slow fractions in the cases of seeds S to S+N-1.
// Exits 1 where they differ, and prints the seeds and what differs.
import { parseArgs } from 'node:util';
import { caseFaults } from './price-cases.ts';

const { values: options } = parseArgs({
  options: { cases: { type: 'string', default: '1000000' }, start: { type: 'string', default: '1' } },
});

function whole(name: 'cases' | 'start'): number {
  const value = Number(options[name]);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number above 0, not '${options[name]}'`);
  return value;
}

const SHOWN_MAX = 10;
const [from, count] = [whole('start'), whole('cases')];
const startedAt = performance.now();
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  const faults = caseFaults(seed);
  if (faults.length > 0 && failed++ < SHOWN_MAX) {
    console.log(`seed ${seed}:\n  ${faults.join('\n  ')}`);
    console.log(`see it again: npm run test:prices -- --cases 1 --start ${seed}`);
  }
  if ((seed - from + 1) % 100_000 === 0) console.log(`${seed - from + 1} cases, ${failed} failed`);
}
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
console.log(`${count} cases from ${from} in ${seconds} s: ${failed === 0 ? 'all the same' : `${failed} differ`}`);
if (failed > 0) process.exitCode = 1;
