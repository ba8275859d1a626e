// The body of a produce request, written into one buffer. kafkajs builds it of encoders, one in the other, each with
// memory of its own that is set to zero first, and copied into the next; that was an eighth of a gateway's CPU time.
// The bytes are those that kafkajs would send: produce-request.test.ts holds them equal. Source: Apache Kafka protocol
// guide, "Produce" versions 3 to 8 and "Record Batch".
import crc32c from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import { compressFrameSync } from 'lz4-napi';
import { AvroWriter } from '../avro-cursor.ts';

/** Records for one partition: one batch of it. */
export interface PartitionRecords {
  readonly partition: number;
  readonly values: readonly Buffer[];
}

export interface ProduceRequest {
  readonly topic: string;
  /** Each partition once. */
  readonly partitions: readonly PartitionRecords[];
  readonly acks: number;
  readonly timeoutMs: number;
  /** Milliseconds since the epoch; the log sets its own. */
  readonly now: number;
}

const NULL_STRING = -1;
const MAGIC = 2;
const LZ4 = 3;
const NO_PRODUCER = -1n;
const NO_KEY = -1;
/** Of a record batch: to behind its length, and to behind its count of records. */
const LENGTH_END = 12;
const CRC_START = LENGTH_END + 5;
const CRC_END = CRC_START + 4;
const BATCH_HEAD_BYTES = 61;

/** Used again by every request: what is in it is compressed into memory of its own before the next begins. */
let records = Buffer.allocUnsafeSlow(64 * 1024);
/** A larger one is not kept. */
const RECORDS_BYTES_KEPT = 1024 * 1024;

/** What a record takes beside its value, at most: six numbers of up to five bytes, and its attributes. */
const RECORD_OVERHEAD_MAX = 31;

/** Of a number from 0 on, as Avro and Kafka write it: a zig-zag varint. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function compressedRecords(values: readonly Buffer[]): Buffer {
  let bytesMax = 0;
  for (const value of values) bytesMax += RECORD_OVERHEAD_MAX + value.length;
  let target = records;
  if (bytesMax > target.length) {
    target = Buffer.allocUnsafeSlow(bytesMax);
    if (bytesMax <= RECORDS_BYTES_KEPT) records = target;
  }
  const writer = new AvroWriter(target, 0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    writer.long(1 + 1 + varintBytes(i) + 1 + varintBytes(value.length) + value.length + 1);
    writer.long(0); // attributes
    writer.long(0); // time delta
    writer.long(i); // offset delta
    writer.long(NO_KEY);
    writer.long(value.length);
    writer.fixed(value);
    writer.long(0); // headers
  }
  return compressFrameSync(target.subarray(0, writer.position));
}

/** Each partition's records in one batch, compressed by LZ4. */
export function encodeProduceRequest({ topic, partitions, acks, timeoutMs, now }: ProduceRequest): Buffer {
  const name = Buffer.from(topic);
  const compressed = partitions.map(({ values }) => compressedRecords(values));
  const batchesBytes = compressed.reduce((bytes, each) => bytes + 4 + 4 + BATCH_HEAD_BYTES + each.length, 0);
  const bytes = Buffer.allocUnsafeSlow(2 + 2 + 4 + 4 + 2 + name.length + 4 + batchesBytes);
  let at = bytes.writeInt16BE(NULL_STRING, 0); // transactional id
  at = bytes.writeInt16BE(acks, at);
  at = bytes.writeInt32BE(timeoutMs, at);
  at = bytes.writeInt32BE(1, at); // topics
  at = bytes.writeInt16BE(name.length, at);
  at += name.copy(bytes, at);
  at = bytes.writeInt32BE(partitions.length, at);
  for (const [i, { partition, values }] of partitions.entries()) {
    at = bytes.writeInt32BE(partition, at);
    at = bytes.writeInt32BE(BATCH_HEAD_BYTES + compressed[i]!.length, at);
    at += writeBatch(bytes.subarray(at), compressed[i]!, values.length, now);
  }
  return bytes;
}

/** Returns its bytes. */
function writeBatch(batch: Buffer, compressed: Buffer, count: number, now: number): number {
  const batchBytes = BATCH_HEAD_BYTES + compressed.length;
  let at = batch.writeBigInt64BE(0n, 0); // base offset
  at = batch.writeInt32BE(batchBytes - LENGTH_END, at);
  at = batch.writeInt32BE(0, at); // leader epoch
  batch.writeInt8(MAGIC, at);
  at = batch.writeInt16BE(LZ4, CRC_END); // attributes
  at = batch.writeInt32BE(count - 1, at); // last offset delta
  at = batch.writeBigInt64BE(BigInt(now), at); // first and last time
  at = batch.writeBigInt64BE(BigInt(now), at);
  at = batch.writeBigInt64BE(NO_PRODUCER, at);
  at = batch.writeInt16BE(0, at); // producer epoch
  at = batch.writeInt32BE(0, at); // first sequence number
  at = batch.writeInt32BE(count, at);
  compressed.copy(batch, at);
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_END, batchBytes)), CRC_START);
  return batchBytes;
}
