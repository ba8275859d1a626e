import { describe, expect, it } from '@jest/globals';
import { JoinedProduces, type Produce, type ProduceAnswer } from './joined-produces.ts';
import type { ProduceRequest } from './produce-request.ts';

const produceOf = (partition: number, more: Partial<Produce> = {}): Produce => ({
  ...{ topic: 'usage', partition, values: [Buffer.from([partition])], acks: -1, timeoutMs: 1_000 },
  ...more,
});

const answerOf = ({ topic, partitions }: ProduceRequest, errorCodes: Record<number, number> = {}): ProduceAnswer => ({
  topics: [
    {
      topicName: topic,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode: errorCodes[partition] ?? 0 })),
    },
  ],
});

const ownAnswer = (partition: number, errorCode: number): ProduceAnswer => ({
  topics: [{ topicName: 'usage', partitions: [{ partition, errorCode }] }],
});

/** The partitions of each request, in the order in which they were sent. */
function requestsOf(answer: (request: ProduceRequest) => Promise<ProduceAnswer>) {
  const sent: number[][] = [];
  const joined = new JoinedProduces((request) => {
    sent.push(request.partitions.map(({ partition }) => partition));
    return answer(request);
  });
  return { sent, joined };
}

describe('joined produces', () => {
  it('send what comes at one moment together, and give each its own answer', async () => {
    const { sent, joined } = requestsOf(async (request) => answerOf(request, { 2: 6 }));
    const answers = await Promise.all([1, 2, 3].map((partition) => joined.add(produceOf(partition))));
    expect(answers).toEqual([ownAnswer(1, 0), ownAnswer(2, 6), ownAnswer(3, 0)]);
    await joined.add(produceOf(4));
    expect(sent).toEqual([[1, 2, 3], [4]]);
  });

  it('name a partition once in a request, and join only what asks for the same', async () => {
    const { sent, joined } = requestsOf(async (request) => answerOf(request));
    await Promise.all([
      joined.add(produceOf(1)),
      joined.add(produceOf(1)),
      joined.add(produceOf(2)),
      joined.add(produceOf(2, { timeoutMs: 500 })),
      joined.add(produceOf(3, { values: [Buffer.alloc(8 * 1024 * 1024)] })),
    ]);
    expect(sent).toEqual([[1, 2], [1], [2], [3]]);
  });

  it('reject all of a request that fails, and what the broker did not answer for', async () => {
    const failing = requestsOf(() => Promise.reject(new Error('closed')));
    const failed = await Promise.allSettled([1, 2].map((partition) => failing.joined.add(produceOf(partition))));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const silent = requestsOf(async (request) => answerOf({ ...request, partitions: request.partitions.slice(0, 1) }));
    const [answered, unanswered] = await Promise.allSettled(
      [1, 2].map((partition) => silent.joined.add(produceOf(partition))),
    );
    expect(answered?.status).toBe('fulfilled');
    expect(unanswered).toMatchObject({ reason: { message: 'the broker did not answer for usage/2' } });
  });
});
