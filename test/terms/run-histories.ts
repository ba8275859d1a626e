// `npm run test:terms -- --histories N [--start S]` holds domain/terms against the slow model on the histories of seeds
// S to S+N-1. Exits 1 where they differ, and prints the seeds and what differs.
import { parseArgs } from 'node:util';
import { faultsOf } from './compare.ts';

const { values: options } = parseArgs({
  options: { histories: { type: 'string', default: '10000' }, start: { type: 'string', default: '1' } },
});

function whole(name: 'histories' | 'start'): number {
  const value = Number(options[name]);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number above 0, not '${options[name]}'`);
  return value;
}

const SHOWN_MAX = 10;
const [from, count] = [whole('start'), whole('histories')];
const startedAt = performance.now();
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  const faults = faultsOf(seed);
  if (faults.length > 0 && failed++ < SHOWN_MAX) {
    console.log(`seed ${seed}:\n  ${faults.join('\n  ')}`);
    console.log(`see it again: npm run test:terms -- --histories 1 --start ${seed}`);
  }
  if ((seed - from + 1) % 10_000 === 0) console.log(`${seed - from + 1} histories, ${failed} failed`);
}
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
console.log(`${count} histories from ${from} in ${seconds} s: ${failed === 0 ? 'all the same' : `${failed} differ`}`);
if (failed > 0) process.exitCode = 1;
