// Produces for one broker that come at the same moment go to it in one request. A gateway writes to every partition
// every few milliseconds; a request for each of them was most of what a small batch cost, here and at the broker. This
// is not platform/calls/joined-calls.ts: requests do not wait for each other, so that a slow one holds no other back.
//
// Only what goes over the wire is joined: each append stays a send of kafkajs' producer with attempts of its own. One
// send for several partitions would not do: when the leader of one that failed moves to a broker that has answered for
// another, kafkajs 2.2.4 resolves the send without having written it.

import type { PartitionRecords, ProduceRequest } from './produce-request.ts';
/** A produce response as kafkajs decodes it. */
export interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

/** Records of one partition, and how they are to be produced. */
export interface Produce extends PartitionRecords, Pick<ProduceRequest, 'topic' | 'acks' | 'timeoutMs'> {}

interface Waiting extends Produce {
  readonly resolve: (answer: ProduceAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Far below what a broker takes (socket.request.max.bytes, 100 MB). */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

/** A request that is being put together: all for one topic, with the same acknowledgements and timeout. */
interface JoinedRequest {
  readonly head: Produce;
  /** By partition: the broker would keep one of two batches of the same. */
  readonly produces: Map<number, Waiting>;
  bytes: number;
}

const bytesOf = ({ values }: PartitionRecords): number => values.reduce((bytes, value) => bytes + value.length, 0);

const mayJoin = ({ head, produces, bytes }: JoinedRequest, next: Produce, nextBytes: number): boolean =>
  next.topic === head.topic &&
  next.acks === head.acks &&
  next.timeoutMs === head.timeoutMs &&
  !produces.has(next.partition) &&
  bytes + nextBytes <= REQUEST_BYTES_MAX;

/** What the answer says of one partition. */
function answerFor({ topic, partition }: Produce, { topics }: ProduceAnswer): ProduceAnswer | null {
  const ofTopic = topics.find(({ topicName }) => topicName === topic);
  const found = ofTopic?.partitions.find((each) => each.partition === partition);
  return found === undefined ? null : { topics: [{ topicName: topic, partitions: [found] }] };
}

export class JoinedProduces {
  private readonly send: (request: ProduceRequest) => Promise<ProduceAnswer>;
  private requests: JoinedRequest[] = [];

  constructor(send: (request: ProduceRequest) => Promise<ProduceAnswer>) {
    this.send = send;
  }

  /** Resolves to what the broker answered for this partition, which may be an error; rejects as the request does. */
  add(produce: Produce): Promise<ProduceAnswer> {
    return new Promise((resolve, reject) => {
      if (this.requests.length === 0) setImmediate(() => this.sendAll());
      const bytes = bytesOf(produce);
      let request = this.requests.find((each) => mayJoin(each, produce, bytes));
      if (request === undefined) {
        request = { head: produce, produces: new Map(), bytes: 0 };
        this.requests.push(request);
      }
      request.produces.set(produce.partition, { ...produce, resolve, reject });
      request.bytes += bytes;
    });
  }

  private sendAll(): void {
    const { requests } = this;
    this.requests = [];
    for (const request of requests) void this.sendOne(request);
  }

  private async sendOne({ head, produces }: JoinedRequest): Promise<void> {
    const { topic, acks, timeoutMs } = head;
    const partitions = [...produces.values()];
    try {
      const answer = await this.send({ topic, acks, timeoutMs, partitions, now: Date.now() });
      for (const each of partitions) {
        const own = answerFor(each, answer);
        if (own === null) each.reject(new Error(`the broker did not answer for ${each.topic}/${each.partition}`));
        else each.resolve(own);
      }
    } catch (error) {
      for (const { reject } of partitions) reject(error);
    }
  }
}
