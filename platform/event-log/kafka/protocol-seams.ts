// What the adapter needs of the Kafka protocol that kafkajs 2.2.4 does not offer, reached through the cluster object that
// kafkajs hands to every partition assigner, or through its class of brokers. Everything here depends on the insides of that version; event-log.contract.ts
// fails when they change.
//
// - The id of a topic (KIP-516), the only thing that tells a topic from one deleted and made again under its name.
// - No automatic offset reset: kafkajs answers OFFSET_OUT_OF_RANGE by starting elsewhere, which loses events in silence.
// - The generation of the group at each join, which tells whether a partition may have been another's in between.
// - Produce requests of one buffer, joined by broker; when, where to and how often they are sent is left to kafkajs.
import type { Broker, Cluster, Consumer, Kafka, PartitionAssigner } from 'kafkajs';
import KafkajsBroker from 'kafkajs/src/broker/index.js';
import kafkajsRequests from 'kafkajs/src/protocol/requests/index.js';
import { EventLogError } from '../event-log.ts';
import { JoinedProduces, type ProduceAnswer } from './joined-produces.ts';
import { encodeProduceRequest, type ProduceRequest } from './produce-request.ts';

const PRODUCE_KEY = 0;
const METADATA_KEY = 3;
/** The first version that answers with topic ids; brokers since Kafka 2.8 know it. */
const METADATA_VERSION = 10;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const EARLIEST = -2;
const OTHER_VERSION = 'this version of kafkajs is not the one this adapter is made for (2.2.4)';
const NO_ID = '0'.repeat(32);

interface ProtocolRequest<Answer> {
  readonly request: {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    encode(): Promise<{ buf: Buffer; buffer: Buffer }>;
  };
  readonly response: { decode(payload: Buffer): Promise<Answer>; parse(answer: Answer): Promise<Answer> };
}

type ProduceOptions = Parameters<Broker['produce']>[0];

interface BrokerInsides extends Broker {
  readonly lookupRequest: (apiKey: number, definition: unknown) => (options: unknown) => ProtocolRequest<unknown>;
  readonly versions: Readonly<Record<number, { maxVersion: number }>> | null;
  readonly connectionPool: { send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer> };
  joinGroup?: (request: unknown) => Promise<{ generationId: number; memberId: string }>;
}

/** Of all producers of this process. Each of their sends must be for one partition, compressed by LZ4. */
export function joinProduces(): void {
  const { prototype } = KafkajsBroker;
  if (typeof prototype.produce !== 'function') throw new Error(OTHER_VERSION);
  prototype.produce = produceJoined;
}

const joinedProduces = new WeakMap<BrokerInsides, JoinedProduces>();

/** What the response says of the partition, or its error. */
async function produceJoined(this: BrokerInsides, options: ProduceOptions): Promise<unknown> {
  const [{ topic, partitions } = { topic: '', partitions: [] }] = options.topicData;
  const [{ partition, messages } = { partition: -1, messages: [] }] = partitions;
  if (options.topicData.length !== 1 || partitions.length !== 1) throw new Error('a send is for one partition');
  let joined = joinedProduces.get(this);
  if (joined === undefined) {
    joined = new JoinedProduces((request) => produce(this, request));
    joinedProduces.set(this, joined);
  }
  const values = messages.map(({ value }) => value as Buffer);
  const answer = await joined.add({ topic, partition, values, acks: options.acks!, timeoutMs: options.timeout! });
  return produceProtocol(this, options).response.parse(answer);
}

const produceProtocol = (broker: BrokerInsides, options: Partial<ProduceOptions>): ProtocolRequest<ProduceAnswer> =>
  broker.lookupRequest(PRODUCE_KEY, kafkajsRequests.requests.Produce)(options) as ProtocolRequest<ProduceAnswer>;

async function produce(broker: BrokerInsides, request: ProduceRequest): Promise<ProduceAnswer> {
  const { acks, timeoutMs } = request;
  const protocol = produceProtocol(broker, { acks, timeout: timeoutMs, topicData: [] });
  const body = encodeProduceRequest(request);
  try {
    return await broker.connectionPool.send({
      request: { ...protocol.request, encode: async () => ({ buf: body, buffer: body }) },
      // The error of one partition is no error of the others.
      response: { decode: protocol.response.decode, parse: async (answer) => answer },
    });
  } catch (error) {
    // As kafkajs does after each of its requests.
    if (error instanceof Error && error.name === 'KafkaJSConnectionClosedError') await broker.disconnect();
    throw error;
  }
}

/** `assigner`, and `use` called with the cluster of the consumer that gets it. */
export function withCluster(assigner: PartitionAssigner, use: (cluster: Cluster) => void): PartitionAssigner {
  return (config) => {
    use(config.cluster);
    return assigner(config);
  };
}

/** Makes a consumer crash with `offset_out_of_range`, not retriable, where kafkajs would begin at another offset. */
export function forbidOffsetReset(cluster: Cluster, topic: string): void {
  cluster.defaultOffset = () => {
    throw new EventLogError('offset_out_of_range', `an offset of ${topic} that is to be read is not in the log`);
  };
  // A group without committed offsets looks up a default as well; the seek that precedes every fetch overrides it.
  const fetchTopicsOffset = cluster.fetchTopicsOffset.bind(cluster);
  cluster.fetchTopicsOffset = (topics) =>
    fetchTopicsOffset(
      topics.map(({ topic: each, partitions }) => ({ topic: each, partitions, fromTimestamp: EARLIEST })),
    );
}

/** Calls `joined` with the generation of every join that the group's coordinator answers, before kafkajs goes on. */
export function observeGenerations(cluster: Cluster, joined: (generation: number) => void): void {
  const observed = new WeakSet<Broker>();
  const findGroupCoordinator = cluster.findGroupCoordinator.bind(cluster);
  cluster.findGroupCoordinator = async (group) => {
    const broker: BrokerInsides = (await findGroupCoordinator(group)) as BrokerInsides;
    const joinGroup = broker.joinGroup?.bind(broker);
    if (joinGroup === undefined) throw new Error(OTHER_VERSION);
    if (!observed.has(broker)) {
      observed.add(broker);
      broker.joinGroup = async (request) => {
        const answer = await joinGroup(request);
        joined(answer.generationId);
        return answer;
      };
    }
    return broker;
  };
}

/** Asks brokers for the id of a topic. */
export class TopicIdReader {
  readonly #topic: string;
  readonly #consumer: Consumer;
  #cluster: Cluster | null = null;
  #turn = 0;

  constructor(kafka: Kafka, topic: string) {
    this.#topic = topic;
    // Never joins its group: it is here for its connections.
    this.#consumer = kafka.consumer({
      groupId: 'tallyline-topic-id',
      allowAutoTopicCreation: false,
      partitionAssigners: [
        ({ cluster }) => {
          this.#cluster = cluster;
          return {
            name: 'none',
            version: 0,
            assign: async () => [],
            protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
          };
        },
      ],
    });
  }

  async connect(): Promise<void> {
    await this.#consumer.connect();
    await this.#cluster?.addTargetTopic(this.#topic);
  }

  async disconnect(): Promise<void> {
    await this.#consumer.disconnect();
  }

  /** 32 hex digits. Null when the broker asked knows no such topic. */
  async read(): Promise<string | null> {
    const cluster = this.#cluster;
    if (cluster === null) throw new Error(OTHER_VERSION);
    try {
      await cluster.refreshMetadataIfNecessary();
      const nodes = cluster.getNodeIds();
      // Another broker each time, so that one that is away does not stand for all.
      this.#turn = (this.#turn + 1) % Math.max(1, nodes.length);
      const broker = (await cluster.findBroker({ nodeId: String(nodes[this.#turn]) })) as BrokerInsides;
      return await this.#readFrom(broker);
    } catch (error) {
      if (error instanceof EventLogError) throw error;
      // The list of brokers may be stale: the next attempt starts from a fresh one.
      await cluster.refreshMetadata().catch(() => undefined);
      throw error;
    }
  }

  async #readFrom(broker: BrokerInsides): Promise<string | null> {
    if ((broker.versions?.[METADATA_KEY]?.maxVersion ?? 0) < METADATA_VERSION) {
      throw new EventLogError('topic_mismatch', 'the Kafka brokers are too old: topic ids need Kafka 2.8 or later');
    }
    const body = encodeTopicIdRequest(this.#topic);
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
        `the topic ${this.#topic} has no id: the cluster runs with a protocol older than Kafka 2.8`,
      );
    return topicId;
  }
}

/** Metadata request, version 10. kafkajs writes the header without the tagged fields of version 2, so they begin the body. */
function encodeTopicIdRequest(topic: string): Buffer {
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
function decodeTopicId(payload: Buffer): { errorCode: number; topicId: string } {
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
