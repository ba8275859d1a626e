// A usage event as it stands in the log, and the two hashes that name it.
import { hash } from 'node:crypto';
import { xxh3 } from '@node-rs/xxhash';

export interface UsageEvent {
  readonly tenant: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** Milliseconds since the epoch: the client's time, or the gateway's where the client gave none. */
  readonly eventTime: number;
  /** True when the client gave the time; an event without one is hashed without it. */
  readonly timeGiven: boolean;
  /** Milliseconds since the epoch, by the gateway's clock. */
  readonly receivedAt: number;
  /** JSON text of an object; "{}" where the client sent no data. */
  readonly data: string;
  /** 16 bytes: `dedupKeyOf`. */
  readonly dedupKey: Buffer;
  /** Unsigned 64 bits: `payloadHashOf`. */
  readonly payloadHash: bigint;
}

/**
 * The 128-bit key two copies of an event share: SHA-256 over length-prefixed tenant, source and id, cut to 16 bytes.
 * Cryptographic because ids may be hostile, length-prefixed because joined strings collide ("a-b"+"c" = "a"+"b-c").
 */
export function dedupKeyOf(tenant: string, source: string, id: string): Buffer {
  // By way of a string of bytes: a digest made as a Buffer costs four times as much.
  const digest = hash('sha256', `${tenant.length}:${tenant}${source.length}:${source}${id}`, 'binary');
  return Buffer.from(digest.slice(0, 16), 'latin1');
}

/** The partition of an event: the first four bytes of its dedup key, so that every copy of it meets in one. */
export const partitionOf = (dedupKey: Buffer, partitions: number): number => dedupKey.readUInt32BE(0) % partitions;

/**
 * The 64-bit hash of what the event says: type, subject, the client's time (null where it gave none) and the data in
 * canonical form (keys sorted), so that a retry that writes its keys in another order is still a duplicate.
 */
export function payloadHashOf(type: string, subject: string, clientTime: number | null, canonicalData: string): bigint {
  return xxh3.xxh64(`${type.length}:${type}${subject.length}:${subject}${clientTime ?? ''}:${canonicalData}`);
}
