// Asks brokers for the id of a topic (KIP-516), the only thing that tells a topic from one deleted and made again under
// its name. kafkajs 2.2.4 reads metadata in a version without ids, so the request and its answer are written and read
// here.
import type { Cluster } from 'kafkajs';
import { EventLogError } from '../../event-log.ts';
import type { LogBroker } from './log-broker.ts';
import type { LogKafka } from './log-kafka.ts';

const METADATA_KEY = 3;
/** The first version that answers with topic ids; brokers since Kafka 2.8 know it. */
const METADATA_VERSION = 10;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const NO_ID = '0'.repeat(32);

/** Asks brokers for the id of a topic. */
export class TopicIdReader {
  private readonly topic: string;
  private readonly cluster: Cluster;
  private turn = 0;

  constructor(kafka: LogKafka, topic: string) {
    this.topic = topic;
    this.cluster = kafka.newCluster();
  }

  async connect(): Promise<void> {
    await this.cluster.connect();
    await this.cluster.addTargetTopic(this.topic);
  }

  async disconnect(): Promise<void> {
    await this.cluster.disconnect();
  }

  /** 32 hex digits. Null when the broker asked knows no such topic. */
  async read(): Promise<string | null> {
    const cluster = this.cluster;
    try {
      await cluster.refreshMetadataIfNecessary();
      const nodes = cluster.getNodeIds();
      // Another broker each time, so that one that is away does not stand for all.
      this.turn = (this.turn + 1) % Math.max(1, nodes.length);
      const broker = (await cluster.findBroker({ nodeId: String(nodes[this.turn]) })) as unknown as LogBroker;
      return await this.readFrom(broker);
    } catch (error) {
      if (error instanceof EventLogError) throw error;
      // The list of brokers may be stale: the next attempt starts from a fresh one.
      await cluster.refreshMetadata().catch(() => undefined);
      throw error;
    }
  }

  private async readFrom(broker: LogBroker): Promise<string | null> {
    if ((broker.versions?.[METADATA_KEY]?.maxVersion ?? 0) < METADATA_VERSION) {
      throw new EventLogError('topic_mismatch', 'the Kafka brokers are too old: topic ids need Kafka 2.8 or later');
    }
    const body = encodeTopicIdRequest(this.topic);
    const { errorCode, topicId } = await broker.connectionPool.send({
      request: {
        apiKey: METADATA_KEY,
        apiVersion: METADATA_VERSION,
        apiName: 'Metadata',
        encode: async () => ({ buf: body, buffer: body }),
      },
      response: { decode: async (payload) => decodeTopicId(payload), parse: async (answer) => answer },
    });
    if (errorCode === UNKNOWN_TOPIC_OR_PARTITION) return null;
    if (errorCode !== 0)
      throw new Error(`the broker answered the request for the topic's id with error code ${errorCode}`);
    if (topicId === NO_ID)
      throw new EventLogError(
        'topic_mismatch',
        `the topic ${this.topic} has no id: the cluster runs with a protocol older than Kafka 2.8`,
      );
    return topicId;
  }
}

/**
 * Metadata request, version 10. kafkajs writes the header without the tagged fields of version 2, so they begin the
 * body.
 */
export function encodeTopicIdRequest(topic: string): Buffer {
  const name = Buffer.from(topic);
  return Buffer.concat([
    Buffer.from([0]), // no tagged fields of the header
    Buffer.from([2]), // one topic: compact arrays carry length + 1
    Buffer.alloc(16), // by name, not by id
    unsignedVarint(name.length + 1),
    name,
    Buffer.from([0]), // no tagged fields of the topic
    Buffer.from([0, 0, 0]), // do not create it; no authorized operations of cluster and topic
    Buffer.from([0]), // no tagged fields
  ]);
}

/** The error code and id of the only topic of a metadata response, version 10. */
export function decodeTopicId(payload: Buffer): { errorCode: number; topicId: string } {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = payload.readUInt8(at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skipString = (): void => {
    const length = varint();
    if (length > 0) at += length - 1;
  };
  const skipTags = (): void => {
    for (let count = varint(); count > 0; count--) {
      varint();
      const length = varint();
      at += length;
    }
  };
  skipTags(); // of the header
  at += 4; // throttle time
  for (let brokers = varint() - 1; brokers > 0; brokers--) {
    at += 4; // node id
    skipString(); // host
    at += 4; // port
    skipString(); // rack
    skipTags();
  }
  skipString(); // cluster id
  at += 4; // controller id
  if (varint() !== 2) throw new Error('the broker did not answer for exactly the topic that it was asked for');
  const errorCode = payload.readInt16BE(at);
  at += 2;
  skipString(); // name
  return { errorCode, topicId: payload.toString('hex', at, at + 16) };
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
