// Every shard of customers, as a rater holds it that was the first to.

import type { HeldShard } from '../../domain/accounts/shard.ts';
import { SHARDS } from '../../domain/accounts/shard.ts';

export const allShards: readonly HeldShard[] = Array.from({ length: SHARDS }, (_, shard) => ({ shard, epoch: 1 }));
