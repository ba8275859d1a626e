// How many shards a rater is to hold of how many raters there are: as many as the others, rounded up. So nobody gives
// back what nobody takes, and one that comes or goes moves no more than its own share.
import { SHARDS } from '../../domain/accounts/shard.ts';
import type { HeldShard, ShardGroup, ShardState } from '../../platform/billing-store/rater-shards.ts';

export interface ShardMoves {
  readonly giveBack: readonly HeldShard[];
  readonly take: readonly HeldShard[];
}

export const shardsOf = (groups: readonly ShardGroup[]): HeldShard[] =>
  groups.flatMap(({ shards }) => shards).sort((a, b) => a.shard - b.shard);

/** One of both is empty. */
export function shardsToMove({ own, free, raters }: ShardState): ShardMoves {
  const held = shardsOf(own);
  const share = Math.ceil(SHARDS / raters);
  return { giveBack: held.slice(share), take: shardsOf(free).slice(0, Math.max(0, share - held.length)) };
}
