// Which shard a customer is in. Work on customers is shared out by it, and it stands in rows: the same for ever.
import { hash } from 'node:crypto';
import { keyText } from '../composite-key.ts';

export const SHARDS = 64;

/** A shard as its owner knows it: by the epoch of its owning. */
export interface HeldShard {
  readonly shard: number;
  readonly epoch: number;
}

/** From 0 to 63, and evenly over any set of names. */
export const shardOf = (tenant: string, customer: string): number =>
  hash('sha256', keyText(tenant, customer), 'buffer').readUInt8(0) % SHARDS;
