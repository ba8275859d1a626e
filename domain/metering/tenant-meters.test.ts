import { describe, expect, it } from '@jest/globals';
import type { MetersByType } from './meter-reading.ts';
import { ChangedMeters, TenantMeters } from './tenant-meters.ts';

const [a, b, c]: [MetersByType, MetersByType, MetersByType] = [new Map(), new Map(), new Map()];
const at = (defaults: MetersByType, own: Readonly<Record<string, MetersByType>> = {}): TenantMeters =>
  new TenantMeters(defaults, new Map(Object.entries(own)));
const TENANTS = ['one', 'two', 'three'];

/** Who has other meters after these versions. */
function changed(...versions: readonly TenantMeters[]): string[] {
  const told = new ChangedMeters();
  for (let i = 1; i < versions.length; i++) told.add(versions[i - 1]!, versions[i]!);
  return TENANTS.filter((tenant) => told.has(tenant));
}

describe('meters of tenants', () => {
  it('are their own, or the default’s', () => {
    const meters = at(a, { one: b });
    expect([meters.of('one'), meters.of('two')].map((each) => [a, b].indexOf(each))).toEqual([1, 0]);
  });
});

describe('whose meters change', () => {
  it('is the tenant alone that a version is of', () => {
    expect(changed(at(a), at(a, { one: b }))).toEqual(['one']);
    expect(changed(at(a, { one: b }), at(a, { one: c }))).toEqual(['one']);
  });

  it('is everybody without meters of their own, where it is the default’s', () => {
    expect(changed(at(a, { one: b }), at(c, { one: b }))).toEqual(['two', 'three']);
  });

  it('is nobody, where a first version of a tenant has the default’s meters', () => {
    expect(changed(at(a), at(a, { one: a }))).toEqual([]);
    expect(changed(at(a), at(a, { one: a }), at(b, { one: a }))).toEqual(['two', 'three']);
  });

  it('is whoever had others in between', () => {
    expect(changed(at(a), at(a, { one: b }), at(a, { one: a }))).toEqual(['one']);
    expect(changed(at(a), at(b), at(b, { one: b }), at(a, { one: b }), at(a, { one: b }))).toEqual(TENANTS);
  });
});
