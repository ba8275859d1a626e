// What the log rests on of kafkajs' clients, without a broker: fails when another version of kafkajs has other insides.
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import kafkajs, { type Cluster } from 'kafkajs';
import OffsetManager from 'kafkajs/src/consumer/offsetManager/index.js';
import { LogBroker } from './log-broker.ts';
import { LogKafka } from './log-kafka.ts';

/** Keeps the clusters that it makes. */
class WatchedKafka extends LogKafka {
  readonly clusters: ReturnType<LogKafka['newCluster']>[] = [];
  override newCluster(options?: object) {
    const cluster = super.newCluster(options);
    this.clusters.push(cluster);
    return cluster;
  }
}

const config = { brokers: ['127.0.0.1:1'], logLevel: kafkajs.logLevel.NOTHING };
const logger = { namespace: () => logger, debug() {}, info() {}, warn() {}, error() {} };
const brokerOf = (cluster: ReturnType<LogKafka['newCluster']>) =>
  cluster.brokerPool.createBroker({ connectionPool: { connectionTimeout: 1, on() {} }, logger, nodeId: 1 });

describe('a client of the log', () => {
  it('is made for this version of kafkajs', () => {
    expect((createRequire(import.meta.url)('kafkajs/package.json') as { version: string }).version).toBe('2.2.4');
  });

  it('has brokers of ours for whatever it makes', () => {
    const kafka = new WatchedKafka(config);
    kafka.producer({ createPartitioner: () => () => 0 });
    kafka.admin();
    kafka.member({ groupId: 'g' }, { topic: 'events', joined: () => {} });
    kafka.newCluster();
    expect(kafka.clusters).toHaveLength(4);
    for (const cluster of kafka.clusters) expect(brokerOf(cluster)).toBeInstanceOf(LogBroker);
  });

  it('leaves every other client as it was', () => {
    new LogKafka(config).admin();
    const plain = new kafkajs.Kafka(config);
    const name = Object.getOwnPropertySymbols(plain).find(({ description }) => description?.endsWith('createCluster'))!;
    const create = (plain as unknown as Record<symbol, (options: object) => unknown>)[name]!;
    expect(brokerOf(create({}) as ReturnType<LogKafka['newCluster']>)).not.toBeInstanceOf(LogBroker);
  });
});

describe('a member of a group', () => {
  function clusterOfMember(): Cluster {
    const kafka = new WatchedKafka(config);
    kafka.member({ groupId: 'g' }, { topic: 'events', joined: () => {} });
    return kafka.clusters[0]!;
  }

  it('does not begin elsewhere when its offset is not in the log', async () => {
    // What kafkajs does at OFFSET_OUT_OF_RANGE.
    const offsets = new OffsetManager({
      cluster: clusterOfMember(),
      coordinator: {},
      topicConfigurations: { events: { fromBeginning: false } },
      memberAssignment: { events: [0] },
      groupId: 'g',
      generationId: 1,
      memberId: 'm',
    });
    await expect(offsets.setDefaultOffset({ topic: 'events', partition: 0 })).rejects.toMatchObject({
      code: 'offset_out_of_range',
      retriable: false,
    });
  });

  it('does not fall over where a group has no offsets yet', async () => {
    const cluster = clusterOfMember();
    // It gets as far as the brokers, which are not there.
    await expect(
      cluster.fetchTopicsOffset([{ topic: 'events', partitions: [{ partition: 0 }], fromBeginning: true }] as never),
    ).rejects.not.toMatchObject({ code: 'offset_out_of_range' });
  });
});
