import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../number/decimal.ts';
import type { MatrixCell } from './matrix.ts';
import { cellAt, cellMatches, cellNamed, itemNameOf, lineSlugOf } from './matrix-cells.ts';
import { amountOf, type UsagePrice } from './prices.ts';
import { matchesGroups, mayMatchSame, restOf } from './taken-usage.ts';

const perUnit = (values: readonly string[], unitAmount: string): MatrixCell =>
  ({ values, model: 'per_unit', unitAmount }) as MatrixCell;
const matrixOf = (...cells: MatrixCell[]): UsagePrice => ({
  ...{ slug: 'tokens', meter: 'm', match: { region: 'eu' }, model: 'matrix', dimensions: ['model', 'tier'], cells },
});
const price = matrixOf(
  perUnit(['*', '*'], '1'),
  perUnit(['*', 'batch'], '2'),
  perUnit(['large', '*'], '3'),
  perUnit(['large', 'batch'], '4'),
  perUnit(['', 'batch'], '5'),
);

describe('the cell of some values', () => {
  // Precedence: most values named, then the leftmost.
  it.each([
    ['large', 'batch', '["large","batch"]', '4'],
    ['large', 'fast', '["large",*]', '3'],
    ['small', 'batch', '[*,"batch"]', '2'],
    ['', 'batch', '["","batch"]', '5'],
    ['small', 'fast', '[*,*]', '1'],
    // What stands for any value in a catalog is a value like others in an event.
    ['*', '*', '[*,*]', '1'],
  ])('of %s and %s is %s', (model, tier, name, amount) => {
    const cell = cellAt(price, [model, tier])!;
    expect(cell.name).toBe(name);
    expect(amountOf(cell.price)(new Decimal(1n)).toString()).toBe(amount);
    expect(itemNameOf(price, { region: 'eu', model, tier })).toBe(`tokens${name}`);
    expect(cellNamed(price, name)).toBe(cell);
    expect(lineSlugOf(`tokens${name}`)).toBe('tokens');
  });

  it('of two that name as many is the one that names the leftmost', () => {
    const tied = matrixOf(perUnit(['*', 'batch'], '2'), perUnit(['large', '*'], '3'));
    expect(cellAt(tied, ['large', 'batch'])!.name).toBe('["large",*]');
  });

  it('is none where none matches: nothing is priced by accident', () => {
    const some = matrixOf(perUnit(['large', '*'], '3'));
    expect(cellAt(some, ['small', 'batch'])).toBeNull();
    expect(matchesGroups(some, { region: 'eu', model: 'small', tier: 'batch' })).toBe(false);
    expect(matchesGroups(some, { region: 'eu', model: 'large', tier: 'batch' })).toBe(true);
    expect(matchesGroups(some, { region: 'us', model: 'large', tier: 'batch' })).toBe(false);
  });

  it('has the match of what it names', () => {
    expect(cellMatches(matrixOf(perUnit(['large', '*'], '3'), perUnit(['*', '*'], '1')))).toEqual([
      { region: 'eu', model: 'large' },
      { region: 'eu' },
    ]);
  });
});

describe('what a matrix takes beside others', () => {
  const other = (match: Record<string, string>): UsagePrice => ({
    ...{ slug: 'o', meter: 'm', match, model: 'per_unit', unitAmount: '1' },
  });
  const some = matrixOf(perUnit(['large', 'batch'], '3'), perUnit(['small', '*'], '2'));

  it.each<[Record<string, string>, boolean]>([
    [{}, true],
    [{ model: 'large' }, true],
    [{ model: 'large', tier: 'fast' }, false],
    [{ model: 'small', tier: 'fast' }, true],
    [{ model: 'tiny' }, false],
    [{ region: 'us' }, false],
    [{ tier: 'fast' }, true],
  ])('may be what one of %p takes: %s', (match, expected) => {
    expect(mayMatchSame(some, other(match))).toBe(expected);
    expect(mayMatchSame(other(match), some)).toBe(expected);
  });

  it('is left out of what an `otherwise` price takes, cell by cell, the wider in place of what is within', () => {
    const held = { from: 0, to: 10, price: matrixOf(perUnit(['large', 'batch'], '3'), perUnit(['large', '*'], '2')) };
    expect(restOf({}, { from: 0, to: 10 }, [held])).toEqual([
      { from: 0, to: 10, match: {}, leftOut: [{ region: 'eu', model: 'large' }] },
    ]);
  });

  it('is told fast of thousands of cells', () => {
    const many = matrixOf(...Array.from({ length: 5_000 }, (_, i) => perUnit([`m${i}`, '*'], '1')));
    const held = { from: 0, to: 10, price: many };
    expect(restOf({}, { from: 0, to: 10 }, [held])[0]!.leftOut.length).toBe(5_000);
    expect(mayMatchSame(many, matrixOf(perUnit(['m4999', 'batch'], '1')))).toBe(true);
    expect(mayMatchSame(many, matrixOf(perUnit(['other', 'batch'], '1')))).toBe(false);
    expect(cellAt(many, ['m4999', 'x'])!.name).toBe('["m4999",*]');
  });
});
