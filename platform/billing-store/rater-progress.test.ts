// How far all shards are: the least of each thing, and not the progress of any one of them.
import { expect, it } from '@jest/globals';
import { leastProgress, type RaterProgress } from './rater-progress.ts';

const of = (first: number, second: number, watermark: number | null, catalogVersion: number): RaterProgress => ({
  ...{ sealVector: { 1: { 0: first, 1: second } }, watermark, closedUpTo: watermark, catalogVersion },
});

it('is the least of each partition, watermark, closing and version', () => {
  expect(leastProgress([of(5, 2, 700, 3)])).toEqual(of(5, 2, 700, 3));
  expect(leastProgress([of(5, 2, 700, 3), of(4, 9, 800, 2), of(6, 3, 900, 4)])).toEqual(of(4, 2, 700, 2));
  const recounted = { ...of(9, 9, 900, 9), sealVector: { 1: { 0: [9, 4] as const, 1: [9, 7] as const } } };
  expect(leastProgress([recounted, { ...recounted, sealVector: { 1: { 0: [8, 6], 1: 9 } } }]).sealVector).toEqual({
    1: { 0: [8, 4], 1: 9 },
  });
});

it('is nothing where one was never rated', () => {
  const never: RaterProgress = { sealVector: {}, watermark: null, closedUpTo: null, catalogVersion: 0 };
  expect(leastProgress([of(5, 2, 700, 3), never])).toMatchObject({
    watermark: null,
    closedUpTo: null,
    catalogVersion: 0,
  });
  expect(leastProgress([never, of(5, 2, 700, 3)]).sealVector).toEqual({ 1: { 0: 0, 1: 0 } });
});
