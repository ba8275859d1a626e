// How many units are free where a plan's allowance is prorated with its fee (T8): a unit is free while the free units
// so far are below the term's allowance, and below the sum of allowance x share of the terms so far. So who holds a
// plan for a day has a day's part of its allowance, and who changes plans to and fro has no allowance twice.
import { type Quantity, quantityToDecimal } from '../number/quantity.ts';
import { amountBetween } from './exact-share.ts';

/** A term's part of the period, in units of time, and what was used in it. */
export interface AllowanceTerm {
  readonly quantity: Quantity;
  /** Of a whole period. */
  readonly allowance: Quantity;
  readonly from: number;
  readonly to: number;
}

/** How many units of each term are free at most; `whole` is the period's length in the units of `from` and `to`. */
export function freeRooms(terms: readonly AllowanceTerm[], whole: number): Quantity[] {
  let granted = 0n;
  let used = 0n;
  return terms.map(({ quantity, allowance, from, to }) => {
    granted += amountBetween(quantityToDecimal(allowance), BigInt(from), BigInt(to), BigInt(whole)).coefficient;
    const left = (granted < allowance ? granted : allowance) - used;
    const room = left > 0n ? left : 0n;
    used += freeOf(quantity, room);
    return room;
  });
}

function freeOf(quantity: Quantity, room: Quantity): Quantity {
  if (quantity <= 0n) return 0n;
  return quantity < room ? quantity : room;
}

/** The free units of each term. */
export const freeUnits = (terms: readonly AllowanceTerm[], whole: number): Quantity[] =>
  freeRooms(terms, whole).map((room, i) => freeOf(terms[i]!.quantity, room));
