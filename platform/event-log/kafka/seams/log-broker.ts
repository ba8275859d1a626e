// A broker as kafkajs knows it, with two differences. Produce requests are of one buffer and joined: when, where to and
// how often they are sent is left to kafkajs. And whoever asked for it is told the generation of the group at each
// join, which says whether a partition may have been another's in between.
import type { Broker } from 'kafkajs';
import KafkajsBroker, { type BrokerOptions, type ProtocolRequest } from 'kafkajs/src/broker/index.js';
import kafkajsRequests from 'kafkajs/src/protocol/requests/index.js';
import { JoinedProduces, type ProduceAnswer } from '../joined-produces.ts';
import { encodeProduceRequest, type ProduceRequest } from '../produce-request.ts';

const PRODUCE_KEY = 0;

type ProduceOptions = Parameters<Broker['produce']>[0];

export class LogBroker extends KafkajsBroker {
  private readonly produces = new JoinedProduces((request) => this.send(request));
  private readonly joined: ((generation: number) => void) | undefined;

  constructor(options: BrokerOptions, joined?: (generation: number) => void) {
    super(options);
    this.joined = joined;
  }

  /**
   * Each send is for one partition, compressed by LZ4. Resolves to what the response says of that partition, or its
   * error.
   */
  override async produce(options: ProduceOptions): Promise<unknown> {
    const [{ topic, partitions } = { topic: '', partitions: [] }] = options.topicData;
    const [{ partition, messages } = { partition: -1, messages: [] }] = partitions;
    if (options.topicData.length !== 1 || partitions.length !== 1) throw new Error('a send is for one partition');
    const values = messages.map(({ value }) => value as Buffer);
    const answer = await this.produces.add({
      topic,
      partition,
      values,
      acks: options.acks!,
      timeoutMs: options.timeout!,
    });
    return this.protocol(options).response.parse(answer);
  }

  override async joinGroup(request: unknown): ReturnType<InstanceType<typeof KafkajsBroker>['joinGroup']> {
    const answer = await super.joinGroup(request);
    this.joined?.(answer.generationId);
    return answer;
  }

  private protocol(options: Partial<ProduceOptions>): ProtocolRequest<ProduceAnswer> {
    return this.lookupRequest(PRODUCE_KEY, kafkajsRequests.requests.Produce)(options) as ProtocolRequest<ProduceAnswer>;
  }

  private async send(request: ProduceRequest): Promise<ProduceAnswer> {
    const { acks, timeoutMs } = request;
    const protocol = this.protocol({ acks, timeout: timeoutMs, topicData: [] });
    const body = encodeProduceRequest(request);
    try {
      return await this.connectionPool.send({
        request: { ...protocol.request, encode: async () => ({ buf: body, buffer: body }) },
        // The error of one partition is no error of the others.
        response: { decode: protocol.response.decode, parse: async (answer) => answer },
      });
    } catch (error) {
      // As kafkajs does after each of its requests.
      if (error instanceof Error && error.name === 'KafkaJSConnectionClosedError') await this.disconnect();
      throw error;
    }
  }
}
