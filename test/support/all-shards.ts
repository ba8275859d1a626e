// Every shard of customers, as a rater holds it that was the first to.
import { SHARDS } from '../../domain/accounts/shard.ts';
import type { HeldShard } from '../../platform/billing-store/rater-shards.ts';

export const allShards: readonly HeldShard[] = Array.from({ length: SHARDS }, (_, shard) => ({ shard, epoch: 1 }));
