import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import kafkajs from 'kafkajs';
import kafkajsRequests from 'kafkajs/src/protocol/requests/index.js';
import './client.ts';
import { encodeProduceRequest, type ProduceRequest } from './produce-request.ts';

interface ProduceDefinition {
  readonly protocol: (version: { version: number }) => (options: unknown) => {
    readonly request: { encode(): Promise<{ readonly buffer: Buffer }> };
  };
}

const definition = kafkajsRequests.requests.Produce as ProduceDefinition;

/** The request as kafkajs writes it. */
async function encodedByKafkajs(
  { topic, partitions, acks, timeoutMs, now }: ProduceRequest,
  version: number,
): Promise<Buffer> {
  const topicData = partitions.map(({ partition, values }) => ({
    partition,
    messages: values.map((value) => ({ value, timestamp: now })),
  }));
  const { request } = definition.protocol({ version })({
    ...{ acks, timeout: timeoutMs, compression: kafkajs.CompressionTypes.LZ4 },
    topicData: [{ topic, partitions: topicData }],
  });
  return (await request.encode()).buffer;
}

const request: fc.Arbitrary<ProduceRequest> = fc.record({
  topic: fc.string({ unit: 'grapheme', maxLength: 30 }),
  partitions: fc.uniqueArray(
    fc.record({
      partition: fc.nat(1_000),
      values: fc.array(
        fc
          .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constantFrom(1, 5, 300, 20_000))
          .map(([bytes, times]) => Buffer.concat(Array(times).fill(Buffer.from(bytes)))),
        { minLength: 1, maxLength: 70 },
      ),
    }),
    { minLength: 1, maxLength: 4, selector: ({ partition }) => partition },
  ),
  acks: fc.constantFrom(-1, 1),
  timeoutMs: fc.nat(60_000),
  // kafkajs takes 0 for none.
  now: fc.integer({ min: 1, max: 8.64e15 }),
});

describe('a produce request', () => {
  it.each([3, 7])('is what kafkajs writes in version %d', async (version) => {
    await fc.assert(
      fc.asyncProperty(request, async (each) => {
        const expected = await encodedByKafkajs(each, version);
        expect(encodeProduceRequest(each).equals(expected)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
