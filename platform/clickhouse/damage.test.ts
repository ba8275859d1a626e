import { describe, expect, it } from '@jest/globals';
import { isDamage, partIn, printPart } from './damage.ts';

const path = '/data/store/cf7/cf783739-13b5-42bc-9d56-614b95511ed2/202611_1_42_3';

describe('damage', () => {
  it('is what is stored, and neither the statement nor a store that is busy', () => {
    for (const code of [33, 40, 107, 226, 228, 246, 271, 432, 1001])
      expect([code, isDamage(code)]).toEqual([code, true]);
    for (const code of [0, 27, 47, 60, 62, 159, 202, 241, 394, 1002])
      expect([code, isDamage(code)]).toEqual([code, false]);
  });

  it.each([
    [
      `Checksum doesn't match: corrupted data. While reading or decompressing ${path}/data.bin (position: 8): (while reading from part ${path}/ in table tallyline.usage_events (cf783739-13b5-42bc-9d56-614b95511ed2) located on disk default)`,
      { table: 'usage_events', part: '202611_1_42_3' },
    ],
    [
      `Unknown codec family code: 7: While reading or decompressing ${path}/primary.cidx (position: 0)`,
      { table: '', part: '202611_1_42_3' },
    ],
    [
      `filesystem error: in file_size: No such file or directory ["${path}/data.cmrk4"]`,
      { table: '', part: '202611_1_42_3' },
    ],
    ['Unexpected size of file count.txt in data part 20261123_7_7_0 (5 vs 2)', { table: '', part: '20261123_7_7_0' }],
    ['Cannot read all data', { table: '', part: '' }],
  ])('is shown by its part: %s', (message, part) => {
    expect(partIn(message)).toEqual(part);
  });

  it('is printed in words', () => {
    expect(printPart({ table: 'manifests', part: '202611_1_2_1' })).toBe('part 202611_1_2_1 of manifests');
    expect(printPart({ table: '', part: '' })).toBe('a part of a table');
  });
});
