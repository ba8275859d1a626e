// Which cell of a matrix takes usage, and what a cell is as a price.
//
// Of the cells that match, the one that names most values takes it; of two that name as many, the one that names the
// leftmost dimension. A look-up is one of a hash for each combination of named dimensions that the matrix has, so it
// costs the same for five cells and for five thousand.

import type { MatrixCell, MatrixPrice } from './matrix.ts';
import { ANY_VALUE } from './matrix.ts';
import type { UsagePrice } from './prices.ts';

/** What a cell is: a price of usage of what it names. */
export interface Cell {
  /** Behind the slug, it names the cell's line items: `["m-large",*]`. */
  readonly name: string;
  readonly price: UsagePrice;
}

interface Pattern {
  /** Places of the named dimensions. */
  readonly named: readonly number[];
  readonly cells: ReadonlyMap<string, Cell>;
}

const isNamed = (value: string): boolean => value !== ANY_VALUE;

const cellName = (values: readonly string[]): string =>
  `[${values.map((value) => (isNamed(value) ? JSON.stringify(value) : ANY_VALUE)).join()}]`;

/** The slug of the price that an item's name belongs to: of a cell's, its matrix's. */
export function lineSlugOf(name: string): string {
  const end = name.indexOf('[');
  return end === -1 ? name : name.slice(0, end);
}

function cellPrice(matrix: MatrixPrice, { values, ...own }: MatrixCell): UsagePrice {
  const { model: _, dimensions, cells: _cells, match, ...shared } = matrix;
  const named = values.flatMap((value, i) => (isNamed(value) ? [[dimensions[i]!, value] as const] : []));
  return { ...shared, match: { ...match, ...Object.fromEntries(named) }, ...own } as UsagePrice;
}

/** As a number, greater for what is looked up first. */
function precedence(values: readonly string[]): number {
  const mask = values.reduce((sum, value) => sum * 2 + (isNamed(value) ? 1 : 0), 0);
  return values.filter(isNamed).length * 2 ** values.length + mask;
}

class MatrixCells {
  readonly all: readonly Cell[];
  readonly byName: ReadonlyMap<string, Cell>;
  private readonly patterns: readonly Pattern[];

  constructor(matrix: MatrixPrice) {
    const byPrecedence = new Map<number, MatrixCell[]>();
    for (const cell of matrix.cells) {
      const key = precedence(cell.values);
      const known = byPrecedence.get(key);
      if (known === undefined) byPrecedence.set(key, [cell]);
      else known.push(cell);
    }
    const all: Cell[] = [];
    this.patterns = [...byPrecedence.keys()]
      .sort((a, b) => b - a)
      .map((key) => {
        const cells = byPrecedence.get(key)!;
        const named = cells[0]!.values.flatMap((value, i) => (isNamed(value) ? [i] : []));
        const byValues = new Map<string, Cell>();
        for (const cell of cells) {
          const made = { name: cellName(cell.values), price: cellPrice(matrix, cell) };
          all.push(made);
          byValues.set(keyOf(named, cell.values), made);
        }
        return { named, cells: byValues };
      });
    this.all = all;
    this.byName = new Map(all.map((cell) => [cell.name, cell]));
  }

  /** `values` in the order of the matrix's dimensions. */
  find(values: readonly string[]): Cell | null {
    for (const { named, cells } of this.patterns) {
      const cell = cells.get(keyOf(named, values));
      if (cell !== undefined) return cell;
    }
    return null;
  }
}

const keyOf = (named: readonly number[], values: readonly string[]): string =>
  named.length === 1 ? values[named[0]!]! : JSON.stringify(named.map((i) => values[i]));

const made = new WeakMap<MatrixPrice, MatrixCells>();

function cellsOf(matrix: MatrixPrice): MatrixCells {
  const known = made.get(matrix) ?? new MatrixCells(matrix);
  made.set(matrix, known);
  return known;
}

export const isMatrix = (price: UsagePrice): price is MatrixPrice => price.model === 'matrix';

/** Those whose values tell the cells of a price apart; none for one that is no matrix. */
export const dimensionsOf = (price: UsagePrice): readonly string[] => (isMatrix(price) ? price.dimensions : NONE);
const NONE: readonly string[] = [];

/** The cell that takes usage of these values; null: none does. A price that is no matrix is its only cell. */
export const cellAt = (price: UsagePrice, values: readonly string[]): Cell | null =>
  isMatrix(price) ? cellsOf(price).find(values) : { name: '', price };

/** What an item is named of a price that takes usage of some group values. */
export const itemNameOf = (price: UsagePrice, groups: UsagePrice['match']): string =>
  price.slug +
  (cellAt(
    price,
    dimensionsOf(price).map((name) => groups[name] ?? ''),
  )?.name ?? '');

/** The cell of a name; null: there is none. */
export function cellNamed(price: UsagePrice, name: string): Cell | null {
  if (!isMatrix(price)) return name === '' ? { name, price } : null;
  return cellsOf(price).byName.get(name) ?? null;
}

/** What a price may take, each as what usage has to match. */
export const cellMatches = (price: UsagePrice): readonly UsagePrice['match'][] =>
  isMatrix(price) ? cellsOf(price).all.map((cell) => cell.price.match) : [price.match];
