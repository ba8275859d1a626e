// domain/terms and the slow model say the same of random histories: other seeds each day. `npm run test:terms` runs any
// number of them.
import { describe, expect, it } from '@jest/globals';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { isWhole, testDay } from '../support/day-sample.ts';
import { differences, fastUsage, faultsOf, recordsOf } from './compare.ts';
import { historyOf } from './histories.ts';

const HISTORIES = isWhole ? 10_000 : 500;

describe('random histories', () => {
  it('come to the same by the slow model, in whatever order they were recorded', () => {
    const from = testDay * HISTORIES;
    console.info(`histories ${from} to ${from + HISTORIES - 1}; TALLYLINE_TEST_DAY=${testDay} repeats them`);
    const faults: string[] = [];
    for (let seed = from; seed < from + HISTORIES; seed++)
      faults.push(...faultsOf(seed).map((fault) => `seed ${seed}: ${fault}`));
    expect(faults).toEqual([]);
  });

  it('have what the rules are about', () => {
    const histories = Array.from({ length: 200 }, (_, seed) => historyOf(seed));
    const records = histories.flatMap(({ subscriptions }) => subscriptions.flatMap(({ records: all }) => all));
    const text = JSON.stringify([records, histories.map(({ versions }) => versions)]);
    for (const word of [
      'undoes',
      'pausedUntil',
      'trialEndsAt',
      'endsAt',
      'overrides',
      'quantities',
      'next',
      'giveBack',
    ])
      expect(text).toContain(`"${word}"`);
    expect(histories.filter(({ usage }) => usage.some(({ value }) => value < 0)).length).toBeGreaterThan(10);
    expect(
      histories.filter((history) => Object.keys(fastUsage(recordsOf(history), history)).length > 3).length,
    ).toBeGreaterThan(50);
  });

  it('A -> A: a version that says the same, and a change to what holds, cost nothing', () => {
    for (let seed = 0; seed < 150; seed++) {
      const history = historyOf(seed);
      const last = history.versions.at(-1)!;
      const at = history.start + (seed % 96) * 3_600_000;
      const versions = [...history.versions, { ...last, version: last.version + 1, effectiveAt: at }];
      const again = { ...recordsOf(history), catalog: new CatalogHistory(versions) };
      expect(differences(fastUsage(again, history), fastUsage(recordsOf(history), history))).toEqual([]);
    }
  });

  it('would be found out', () => {
    expect(differences({ a: '1', b: '2' }, { a: '1', c: '3' })).toEqual([
      'b: 2, and nothing by the slow model',
      'c: nothing, and 3 by the slow model',
    ]);
    // Everything used twice in one of the two. What has no price, or counts values, comes to the same.
    const histories = Array.from({ length: 50 }, (_, seed) => historyOf(seed)).filter(({ usage }) => usage.length > 20);
    const found = histories.filter((history) => {
      const more = { ...history, usage: [...history.usage, ...history.usage] };
      return differences(fastUsage(recordsOf(history), more), fastUsage(recordsOf(history), history)).length > 0;
    });
    expect(found.length).toBeGreaterThan(histories.length / 2);
  });
});
