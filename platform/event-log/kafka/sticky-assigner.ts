// Shares the partitions of the topic among a group's members: evenly, and so that a member keeps what it has. A member
// that gets a partition rebuilds its state, which is dear, hence none is moved without need. Each member says in its
// join request what it holds; the leader of the group decides.
import kafkajs, { type PartitionAssigner } from 'kafkajs';

const { AssignerProtocol } = kafkajs;
const version = 1;

export interface Claimant {
  readonly member: string;
  /** The partitions it holds now. */
  readonly holds: readonly number[];
}

/** Every partition to exactly one member; the numbers of two members differ by at most one. */
export function assignPartitions(claimants: readonly Claimant[], partitions: number): Map<string, number[]> {
  const least = Math.floor(partitions / claimants.length);
  let largerLeft = partitions % claimants.length;
  const free = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  const shares = new Map<string, number[]>();
  // Those who hold most come first, so that the larger shares go where they move nothing.
  const byHoldings = [...claimants].sort((a, b) => b.holds.length - a.holds.length || (a.member < b.member ? -1 : 1));
  for (const { member, holds } of byHoldings) {
    const claims = [...new Set(holds)].filter((partition) => free.has(partition)).sort((a, b) => a - b);
    const larger = claims.length > least && largerLeft > 0;
    if (larger) largerLeft -= 1;
    const share = claims.slice(0, larger ? least + 1 : least);
    for (const partition of share) free.delete(partition);
    shares.set(member, share);
  }
  for (const partition of free) {
    const smallest = [...shares.values()].reduce((a, b) => (b.length < a.length ? b : a));
    smallest.push(partition);
  }
  return shares;
}

/** @param held the partitions that this member holds, asked whenever it joins */
export function stickyAssigner(topic: string, partitions: number, held: () => readonly number[]): PartitionAssigner {
  return () => ({
    name: 'TallylineSticky',
    version,
    protocol: ({ topics }) => ({
      name: 'TallylineSticky',
      metadata: AssignerProtocol.MemberMetadata.encode({
        version,
        topics,
        userData: Buffer.from(JSON.stringify(held())),
      }),
    }),
    assign: async ({ members }) => {
      const claimants = members.map(({ memberId, memberMetadata }) => ({
        member: memberId,
        holds: decodeHeld(memberMetadata),
      }));
      return [...assignPartitions(claimants, partitions)].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version,
          assignment: { [topic]: share },
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}

/** A member whose claim cannot be read holds nothing: a wrong claim would only cost a move. */
function decodeHeld(metadata: Buffer): number[] {
  try {
    const parsed: unknown = JSON.parse(AssignerProtocol.MemberMetadata.decode(metadata)?.userData.toString() ?? '[]');
    return Array.isArray(parsed) ? parsed.filter((each): each is number => Number.isInteger(each)) : [];
  } catch {
    return [];
  }
}
