// Which shard a customer is in. Work on customers is shared out by it, and it stands in rows: the same for ever.
import { hash } from 'node:crypto';
import { keyText } from '../composite-key.ts';

export const SHARDS = 64;

/** From 0 to 63, and evenly over any set of names. */
export const shardOf = (tenant: string, customer: string): number =>
  hash('sha256', keyText(tenant, customer), 'buffer').readUInt8(0) % SHARDS;
