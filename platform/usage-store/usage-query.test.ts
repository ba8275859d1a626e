import { describe, expect, it } from '@jest/globals';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { boundSeconds, quantityFromStore, usageQuery } from './usage-query.ts';

const meter: Meter = aMeter('tokens', { eventType: 'e', valuePath: ['value'], dimensions: by('model', 'region') });
const hostile = "x'} OR 1=1 --";

describe('usageQuery', () => {
  it('binds every value, and addresses dimensions by position', () => {
    const { sql, params } = usageQuery({
      tenant: hostile,
      meter: { ...meter, slug: hostile },
      from: 0,
      to: 3_600_000,
      subjects: [hostile],
      filters: [{ dimension: 1, values: [hostile] }],
      bySubject: true,
      groupBy: [0],
      buckets: [{ start: 0, stepMs: 60_000 }],
      rowsMax: 10,
      recounted: [],
    });
    expect(sql).not.toContain(hostile);
    expect(sql).toContain('FINAL');
    expect(params).toMatchObject({ tenant: hostile, filter_position_0: 2, group_position_0: 1, from: 0, to: 3_600 });
    const placeholders = new Set([...sql.matchAll(/\{(\w+):/g)].map((match) => match[1]));
    expect(placeholders).toEqual(new Set(Object.keys(params)));
  });

  it('asks of every row what is in the key of the table, and of no row that was replaced anything else', () => {
    const selection = {
      tenant: 't',
      meter,
      from: 0,
      to: 1,
      subjects: ['a'],
      buckets: 'window',
      recounted: [],
    } as const;
    const [, prewhere] = /PREWHERE (.*) GROUP BY bucket_start, subject_key, group_text/.exec(
      usageQuery(selection).sql,
    )!;
    const columns = [...prewhere!.matchAll(/r\.(\w+)/g)].map(([, name]) => name);
    expect(new Set(columns)).toEqual(new Set(['tenant', 'meter', 'window_start', 'subject', 'revision']));
  });

  it('compares whole group values where the filters name every dimension', () => {
    const { sql, params } = usageQuery({
      ...{ tenant: 't', meter, from: 0, to: 1, buckets: 'window', recounted: [] },
      filters: [
        { dimension: 1, values: ['eu', '"'] },
        { dimension: 0, values: ['m'] },
      ],
    });
    expect(sql).not.toContain('JSONExtract');
    expect(params.filter_groups).toEqual(['["m","eu"]', String.raw`["m","\""]`]);
  });

  it('looks for texts where a dimension is left open, or they are too many, and then reads what it found', () => {
    const values = (n: number) => Array.from({ length: n }, (_, i) => `v${i}`);
    const query = (...filters: { dimension: number; values: string[] }[]) =>
      usageQuery({ tenant: 't', meter, from: 0, to: 1, buckets: 'window', filters, recounted: [] });
    const open = query({ dimension: 1, values: ['eu'] });
    expect(open.sql).toMatch(/PREWHERE .*multiSearchAny.* HAVING JSONExtractString/);
    expect(open.params.filter_texts_0).toEqual(['"eu"']);
    const many = query({ dimension: 0, values: values(100) }, { dimension: 1, values: values(100) });
    expect(many.sql).toMatch(/multiSearchAny.*multiSearchAny.*JSONExtractString/);
    // ClickHouse searches for no more at once.
    expect(query({ dimension: 0, values: values(256) }).sql).not.toContain('multiSearchAny');
  });

  it('refuses a dimension the meter does not have', () => {
    expect(() =>
      usageQuery({ tenant: 't', meter, from: 0, to: 1, groupBy: [2], buckets: 'window', recounted: [] }),
    ).toThrow('meter tokens has no dimension 2');
  });
});

describe('stored values', () => {
  it.each([
    ['1.5', (QUANTITY_ONE * 3n) / 2n],
    ['-0.000000000001', -1n],
    ['123456789012345678901234567890', 123456789012345678901234567890n * QUANTITY_ONE],
  ])('%s reads as %d', (text, expected) => expect(quantityFromStore(text)).toBe(expected));

  it('keeps bounds within what a DateTime holds', () => {
    expect([boundSeconds(-1), boundSeconds(1), boundSeconds(1_000), boundSeconds(Number.MAX_SAFE_INTEGER)]).toEqual([
      0,
      1,
      1,
      2 ** 32 - 1,
    ]);
  });
});
