import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignPartitions } from './sticky-assigner.ts';

const claimants = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 })
  .chain((members) =>
    fc.tuple(
      ...members.map((member) =>
        fc.record({ member: fc.constant(member), holds: fc.array(fc.integer({ min: 0, max: 20 })) }),
      ),
    ),
  );

describe('assignPartitions', () => {
  it('gives every partition to one member, evenly, whatever is claimed', () => {
    fc.assert(
      fc.property(claimants, fc.integer({ min: 0, max: 16 }), (members, partitions) => {
        const shares = [...assignPartitions(members, partitions).values()];
        expect(shares).toHaveLength(members.length);
        expect(shares.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: partitions }, (_, i) => i));
        const sizes = shares.map((share) => share.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('moves nothing when the members stay, and no more than it must when one joins or leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 16 }), (count, partitions) => {
        const fresh = Array.from({ length: count }, (_, i) => ({ member: `m${i}`, holds: [] as number[] }));
        const before = assignPartitions(fresh, partitions);
        const holding = [...before].map(([member, holds]) => ({ member, holds }));
        expect(assignPartitions(holding, partitions)).toEqual(before);

        const joined = assignPartitions([...holding, { member: 'a new one', holds: [] }], partitions);
        const moved = [...before].flatMap(([member, holds]) =>
          holds.filter((each) => !joined.get(member)!.includes(each)),
        );
        expect(moved.sort()).toEqual([...joined.get('a new one')!].sort());

        if (count > 1) {
          const left = assignPartitions(holding.slice(1), partitions);
          for (const { member, holds } of holding.slice(1))
            expect(left.get(member)).toEqual(expect.arrayContaining(holds));
        }
      }),
    );
  });
});
