// The kafkajs client of the log. kafkajs 2.2.4 makes a cluster (its connections, and brokers over them) for each
// producer, consumer and admin, by a function that the client holds. This client takes that one function over: the
// brokers are `LogBroker`s, and whoever needs what a cluster can do and kafkajs does not offer gets it. Nothing of
// kafkajs itself is changed, and every other client in the process is as it was.
//
// It rests on the insides of that version, each with a test here that fails without a broker when they change:
// - the client's function, and that producer, consumer and admin call it while they are made (log-kafka.test.ts);
// - `createBroker` of a cluster's pool, and what a broker has and does (log-broker.test.ts);
// - where a consumer would begin when its offset is not in the log (log-kafka.test.ts).
import kafkajs, { type Cluster, type Consumer, type ConsumerConfig, type KafkaConfig } from 'kafkajs';
import type { BrokerOptions } from 'kafkajs/src/broker/index.js';
import { EventLogError } from '../../event-log.ts';
import { LogBroker } from './log-broker.ts';
import { OTHER_VERSION } from './other-version.ts';

const CREATE_CLUSTER = 'private:Kafka:createCluster';
const EARLIEST = -2;

interface ClusterInsides extends Cluster {
  readonly brokerPool: { createBroker: (options: BrokerOptions) => LogBroker };
}
type CreateCluster = (options: object) => ClusterInsides;

/** Of a member of a consumer group. */
export interface GroupMembership {
  readonly topic: string;
  /** Told the generation of every join that the group's coordinator answers, before kafkajs goes on. */
  readonly joined: (generation: number) => void;
}

export class LogKafka extends kafkajs.Kafka {
  private readonly createCluster: CreateCluster;
  private joined: GroupMembership['joined'] | undefined;
  private made: ClusterInsides | null = null;

  constructor(config: KafkaConfig) {
    super(config);
    const own = this as unknown as Record<symbol, CreateCluster>;
    const name = Object.getOwnPropertySymbols(this).find(({ description }) => description === CREATE_CLUSTER);
    const createCluster = name === undefined ? undefined : own[name];
    if (typeof createCluster !== 'function') throw new Error(OTHER_VERSION);
    this.createCluster = createCluster;
    own[name!] = (options) => this.newCluster(options);
  }

  /** Connections of their own, to ask what no producer, consumer or admin does. */
  newCluster(options: object = { allowAutoTopicCreation: false }): ClusterInsides {
    const cluster = this.createCluster(options);
    if (typeof cluster.brokerPool?.createBroker !== 'function') throw new Error(OTHER_VERSION);
    const joined = this.joined;
    cluster.brokerPool.createBroker = (broker) => new LogBroker({ allowAutoTopicCreation: false, ...broker }, joined);
    this.made = cluster;
    return cluster;
  }

  /**
   * A consumer that crashes with `offset_out_of_range`, not retriable, where kafkajs would begin at another offset and
   * lose events in silence.
   */
  member(config: ConsumerConfig, { topic, joined }: GroupMembership): Consumer {
    this.joined = joined;
    const consumer = this.consumer(config);
    this.joined = undefined;
    const cluster = this.made!;
    cluster.defaultOffset = () => {
      throw new EventLogError('offset_out_of_range', `an offset of ${topic} that is to be read is not in the log`);
    };
    // A group without committed offsets looks up a default as well; the seek that precedes every fetch overrides it.
    const fetchTopicsOffset = cluster.fetchTopicsOffset.bind(cluster);
    cluster.fetchTopicsOffset = (topics) =>
      fetchTopicsOffset(
        topics.map(({ topic: each, partitions }) => ({ topic: each, partitions, fromTimestamp: EARLIEST })),
      );
    return consumer;
  }
}
