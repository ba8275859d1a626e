// The slowest suites run a part of their cases each day, and another part the next, so that `npm test` stays short and
// every case has its turn. Which day a run is of is printed; TALLYLINE_TEST_DAY repeats another day's run, and
// TALLYLINE_TESTS=whole (what the `npm run test:…` commands set) runs everything.
const DAY_MS = 86_400_000;

/** Whole days since the epoch. */
export const testDay = Number(process.env.TALLYLINE_TEST_DAY ?? Math.floor(Date.now() / DAY_MS));

export const isWhole = process.env.TALLYLINE_TESTS === 'whole';

// They are no settings of the processes that a test starts, which would refuse them.
delete process.env.TALLYLINE_TESTS;
delete process.env.TALLYLINE_TEST_DAY;

/** One part of so many, in their order; the parts of as many days that follow each other are all of them. */
export function sampleOfDay<Item>(what: string, items: readonly Item[], parts: number): Item[] {
  const today = isWhole ? [...items] : items.filter((_, i) => i % parts === testDay % parts);
  console.info(
    `${what}: ${today.length} of ${items.length}${isWhole ? '' : `; TALLYLINE_TEST_DAY=${testDay} repeats them`}`,
  );
  return today;
}
