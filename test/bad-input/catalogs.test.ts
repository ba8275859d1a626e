import { describe, expect, it } from '@jest/globals';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { badCatalogs, oddCatalogs } from './catalogs.cases.ts';

describe('a catalog', () => {
  it.each(badCatalogs)('is refused with %s', (_, text, path, says) => {
    const reading = readCatalog(text, 'prices.yaml');
    expect(reading.ok).toBe(false);
    if (reading.ok) return;
    const [first] = reading.errors;
    expect([first!.path, first!.message]).toEqual([path, expect.stringMatching(says)]);
    expect(first!.line).toBeGreaterThanOrEqual(1);
    expect(formatCatalogError(first!)).toMatch(/^prices\.yaml:\d+:\d+ /);
    expect(formatCatalogError(first!).length).toBeLessThan(500);
  });

  it.each(oddCatalogs)('is read with %s', (_, text) => {
    const reading = readCatalog(text, 'prices.yaml');
    expect(reading.ok ? [] : reading.errors.map(formatCatalogError)).toEqual([]);
  });

  it('of more than 8 MiB is refused unread, and 1,000 errors are enough', () => {
    const large = readCatalog(`currency: USD # ${'x'.repeat(8 * 1024 * 1024)}`, 'prices.yaml');
    expect(large).toMatchObject({
      ok: false,
      errors: [{ message: expect.stringMatching(/larger than 8388608 bytes/) }],
    });
    const wrong = readCatalog(
      `currency: USD\nplans: [{ slug: p, prices: [${'{},'.repeat(1_000)}] }, ${'{},'.repeat(999)}]`,
      'prices.yaml',
    );
    expect(wrong.ok ? 0 : wrong.errors.length).toBe(1_000);
  });
});
