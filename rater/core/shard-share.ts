// How many shards a rater is to hold of how many raters there are: as many as the others, rounded up. So nobody gives
// back what nobody takes, and one that comes or goes moves no more than its own share.
import { type HeldShard, SHARDS } from '../../domain/accounts/shard.ts';

interface Standing {
  readonly own: readonly HeldShard[];
  /** Nobody's. */
  readonly free: readonly HeldShard[];
  readonly raters: number;
}

interface ShardMoves {
  readonly giveBack: readonly HeldShard[];
  readonly take: readonly HeldShard[];
}

/** One of both is empty. */
export function shardsToMove({ own, free, raters }: Standing): ShardMoves {
  const share = Math.ceil(SHARDS / raters);
  return { giveBack: own.slice(share), take: free.slice(0, Math.max(0, share - own.length)) };
}
