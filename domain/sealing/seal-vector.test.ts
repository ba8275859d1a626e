import { describe, expect, it } from '@jest/globals';
import {
  covers,
  isSameVector,
  nextChunkOf,
  partitionCounts,
  recountedAs,
  recountsOf,
  type SealVector,
  sealVectorOf,
} from './seal-vector.ts';

const vector: SealVector = { 1: { 0: 17, 1: [16, 3] }, 2: { 0: 1 } };

describe('seal vectors', () => {
  const table: [SealVector, SealVector, boolean][] = [
    [vector, {}, true],
    [vector, vector, true],
    [vector, { 1: { 1: 16 } }, true],
    [vector, { 1: { 1: 17 } }, false],
    [vector, { 1: { 1: [16, 3] } }, true],
    [vector, { 1: { 1: [16, 4] } }, false],
    [vector, { 1: { 0: [17, 1] } }, false],
    [vector, { 1: { 1: [15, 2] } }, true],
    [vector, { 3: { 0: 1 } }, false],
    [vector, { 3: { 0: 0 } }, true],
    [{}, vector, false],
  ];
  it.each(table)('%j covers %j: %s', (a, b, expected) => expect(covers(a, b)).toBe(expected));

  it('takes a partition that is absent for one that has no seal', () => {
    expect(isSameVector({ 1: { 0: 0 } }, {})).toBe(true);
    expect(isSameVector({ 1: { 0: 2 } }, { 1: { 0: [2, 0] } })).toBe(true);
    expect(isSameVector({ 1: { 0: 2 } }, { 1: { 0: [2, 1] } })).toBe(false);
    expect(recountsOf(vector, 1, 0)).toBe(0);
    expect(nextChunkOf(vector, 1, 5)).toBe(0);
  });

  it('takes the recounts of one and the chunks of another', () => {
    expect(recountedAs({ 1: { 0: 3, 1: [2, 9] } }, vector)).toEqual({ 1: { 0: 3, 1: [2, 3] } });
  });

  it('reads back from its counts and from JSON', () => {
    expect(sealVectorOf(partitionCounts(vector))).toEqual(vector);
    expect(JSON.parse(JSON.stringify(vector))).toEqual(vector);
  });
});
