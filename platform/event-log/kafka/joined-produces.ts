// Produces for one broker that come at the same moment go to it in one request. A gateway writes to every partition every few
// milliseconds; a request for each of them was most of what a small batch cost, here and at the broker.
//
// Only what goes over the wire is joined: each append stays a send of kafkajs' producer with attempts of its own. One send for several
// partitions would not do: when the leader of one that failed moves to a broker that has answered for another, kafkajs 2.2.4
// resolves the send without having written it.
import type { PartitionRecords, ProduceRequest } from './produce-request.ts';

/** A produce response as kafkajs decodes it. */
export interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

export interface Produce extends PartitionRecords {
  readonly topic: string;
  readonly acks: number;
  readonly timeoutMs: number;
}

interface Waiting extends Produce {
  readonly resolve: (answer: ProduceAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Far below what a broker takes (socket.request.max.bytes, 100 MB). */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

const bytesOf = ({ values }: PartitionRecords): number => values.reduce((bytes, value) => bytes + value.length, 0);

/** A request may name a partition once: the broker would keep one of two. */
function mayJoin(request: readonly Waiting[], next: Produce): boolean {
  const { topic, acks, timeoutMs } = request[0]!;
  return (
    next.topic === topic &&
    next.acks === acks &&
    next.timeoutMs === timeoutMs &&
    request.every(({ partition }) => partition !== next.partition) &&
    request.reduce((bytes, each) => bytes + bytesOf(each), bytesOf(next)) <= REQUEST_BYTES_MAX
  );
}

/** What the answer says of one partition. */
function answerFor({ topic, partition }: Produce, { topics }: ProduceAnswer): ProduceAnswer | null {
  const partitions = topics.find(({ topicName }) => topicName === topic)?.partitions ?? [];
  const [found] = partitions.filter((each) => each.partition === partition);
  return found === undefined ? null : { topics: [{ topicName: topic, partitions: [found] }] };
}

export class JoinedProduces {
  private readonly send: (request: ProduceRequest) => Promise<ProduceAnswer>;
  private requests: Waiting[][] = [];

  constructor(send: (request: ProduceRequest) => Promise<ProduceAnswer>) {
    this.send = send;
  }

  /** Resolves to what the broker answered for this partition, which may be an error; rejects as the request does. */
  add(produce: Produce): Promise<ProduceAnswer> {
    return new Promise((resolve, reject) => {
      if (this.requests.length === 0) setImmediate(() => this.sendAll());
      const waiting = { ...produce, resolve, reject };
      const request = this.requests.find((each) => mayJoin(each, produce));
      if (request === undefined) this.requests.push([waiting]);
      else request.push(waiting);
    });
  }

  private sendAll(): void {
    const { requests } = this;
    this.requests = [];
    for (const request of requests) void this.sendOne(request);
  }

  private async sendOne(request: readonly Waiting[]): Promise<void> {
    try {
      const { topic, acks, timeoutMs } = request[0]!;
      const answer = await this.send({ topic, acks, timeoutMs, partitions: request, now: Date.now() });
      for (const each of request) {
        const own = answerFor(each, answer);
        if (own === null) each.reject(new Error(`the broker did not answer for ${each.topic}/${each.partition}`));
        else each.resolve(own);
      }
    } catch (error) {
      for (const { reject } of request) reject(error);
    }
  }
}
