// What the log rests on of kafkajs' brokers, without one: fails when another version of kafkajs has other insides.
import { describe, expect, it } from '@jest/globals';
import type { Broker } from 'kafkajs';
import KafkajsBroker from 'kafkajs/src/broker/index.js';
import { LogBroker } from './log-broker.ts';

type Produce = Parameters<Broker['produce']>[0];

const send = (partition: number, value: string): Produce => ({
  acks: -1,
  timeout: 1_000,
  compression: 4,
  topicData: [
    { topic: 'events', partitions: [{ partition, messages: [{ value: Buffer.from(value) } as never] } as never] },
  ],
});

/** As the brokers of Kafka answer: of every partition of the request, its base offset. */
function answerOf(body: Buffer): Buffer {
  const name = body.subarray(14, 14 + body.readInt16BE(12));
  let at = 14 + name.length;
  const count = body.readInt32BE(at);
  at += 4;
  const partitions: Buffer[] = [];
  for (let each = 0; each < count; each++) {
    const partition = Buffer.alloc(4 + 2 + 8 + 8 + 8);
    partition.writeInt32BE(body.readInt32BE(at), 0);
    partition.writeBigInt64BE(7n, 6);
    partition.writeBigInt64BE(-1n, 14);
    partitions.push(partition);
    at += 8 + body.readInt32BE(at + 4);
  }
  const head = Buffer.alloc(4 + 2);
  head.writeInt32BE(1, 0);
  head.writeInt16BE(name.length, 4);
  const countBytes = Buffer.alloc(4);
  countBytes.writeInt32BE(count, 0);
  return Buffer.concat([head, name, countBytes, ...partitions, Buffer.alloc(4)]);
}

function setUp(joined?: (generation: number) => void) {
  const sent: { apiKey: number; apiName: string; body: Buffer }[] = [];
  const logger = { namespace: () => logger, debug() {}, info() {}, warn() {}, error() {} };
  const connectionPool = {
    host: 'broker',
    port: 9092,
    connectionTimeout: 1_000,
    isConnected: () => true,
    on() {},
    async send({ request, response }: Parameters<LogBroker['connectionPool']['send']>[0]) {
      const { buffer } = await request.encode();
      sent.push({ apiKey: request.apiKey, apiName: request.apiName, body: buffer });
      if (request.apiKey === 0) return response.parse(await response.decode(answerOf(buffer)));
      return { generationId: 12, memberId: 'm', errorCode: 0 };
    },
  };
  const broker = new LogBroker({ connectionPool, logger, nodeId: 1, versions: null }, joined);
  // As kafkajs does once it has asked the broker what it knows: produce in version 5.
  Object.assign(broker, {
    lookupRequest: (_: number, definition: { protocol(of: { version: number }): (options: unknown) => unknown }) =>
      definition.protocol({ version: 5 }),
  });
  return { broker, sent };
}

describe('a broker of the log', () => {
  it('is one of kafkajs, with the methods that are taken over', () => {
    expect(setUp().broker).toBeInstanceOf(KafkajsBroker);
    const { prototype } = KafkajsBroker as { prototype: Record<string, unknown> };
    expect([typeof prototype.produce, typeof prototype.joinGroup, typeof prototype.disconnect]).toEqual(
      Array(3).fill('function'),
    );
  });

  it('sends produces of one moment in one request, and answers each with its own partition', async () => {
    const { broker, sent } = setUp();
    const answers = await Promise.all([broker.produce(send(0, 'a')), broker.produce(send(3, 'b'))]);
    expect(sent.map(({ apiKey, apiName }) => [apiKey, apiName])).toEqual([[0, 'Produce']]);
    expect(answers).toEqual(
      [0, 3].map((partition) =>
        expect.objectContaining({
          topics: [{ topicName: 'events', partitions: [expect.objectContaining({ partition, errorCode: 0 })] }],
        }),
      ),
    );
  });

  it('refuses a send for several partitions, of which kafkajs could lose one in silence', async () => {
    const { broker } = setUp();
    const [{ topic, partitions }] = send(0, 'a').topicData as [Produce['topicData'][0]];
    const two = { ...send(0, 'a'), topicData: [{ topic, partitions: [...partitions, ...partitions] }] };
    await expect(broker.produce(two)).rejects.toThrow('one partition');
  });

  it('tells the generation of a join before the answer goes on', async () => {
    const told: number[] = [];
    const { broker } = setUp((generation) => told.push(generation));
    Object.assign(broker, { lookupRequest: () => () => ({ request: { apiKey: 11, encode: async () => ({}) } }) });
    const { generationId } = await broker.joinGroup({ groupId: 'g', groupProtocols: [] });
    expect([told, generationId]).toEqual([[12], 12]);
  });
});
