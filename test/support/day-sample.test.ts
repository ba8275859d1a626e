import { describe, expect, it } from '@jest/globals';
import { isWhole, sampleOfDay, testDay } from './day-sample.ts';

describe('sampleOfDay', () => {
  it('gives each case its turn', () => {
    const cases = ['a', 'b', 'c', 'd', 'e'];
    expect(sampleOfDay('everything', cases, 1)).toEqual(cases);
    const today = sampleOfDay('half', cases, 2);
    expect(today).toEqual(isWhole ? cases : cases.filter((_, i) => i % 2 === testDay % 2));
  });
});
