// The load generator of the gateway: connections that each send one request after the other, as fast as they are
// answered or at a fixed rate. At a fixed rate a latency begins when the request was due, not when it was sent, so that
// a gateway that stalls is not spared the requests that would have come meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../statistics.ts';
import { HttpConnection } from '../workload/http-connection.ts';
import { RequestBody, type WayToSend } from '../workload/request-body.ts';
import { UsageStream, type Workload } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface HttpLoadInput {
  readonly url: string;
  readonly apiKey: string;
  readonly workload: Workload;
  readonly connections: number;
  readonly eventsPerRequest: number;
  /** `json` where it is left out. */
  readonly way?: WayToSend;
  readonly requests: number;
  /** Requests that are sent before anything is measured. */
  readonly warmUpRequests: number;
  /** Over all connections; 0: as fast as they are answered. */
  readonly requestsPerSecond: number;
}

export interface HttpLoadOutput {
  readonly events: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Requests that were answered 503 and sent again. */
  readonly refused: number;
}

const REFUSED_PAUSE_MS = 20;
/** Different events that are made; after that they come again with new ids. */
const DIFFERENT_EVENTS_MAX = 200_000;
const DIFFERENT_BODIES_MAX = 20_000;

await runAsProgram<HttpLoadInput, HttpLoadOutput>(async (input) => {
  const { eventsPerRequest, apiKey } = input;
  const host = new URL(input.url).host;
  const now = Date.now();
  const stream = new UsageStream(input.workload);
  const makeRequest = (): { body: RequestBody; head: Buffer } => {
    const body = new RequestBody(stream, eventsPerRequest, now, input.way);
    const head = Buffer.from(
      `POST /v1/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${apiKey}\r\n` +
        `Content-Type: ${body.contentType}\r\nContent-Length: ${body.bytes.length}\r\n\r\n`,
    );
    return { body, head };
  };
  const bodiesMax = Math.min(DIFFERENT_BODIES_MAX, DIFFERENT_EVENTS_MAX / eventsPerRequest);
  const bodiesOfEach = Math.ceil(Math.min(bodiesMax, input.requests) / input.connections);
  const senders = await Promise.all(
    Array.from({ length: input.connections }, async () => {
      const connection = await HttpConnection.open(input.url);
      return { connection, requests: Array.from({ length: bodiesOfEach }, makeRequest) };
    }),
  );
  let nextEvent = 0;
  let refused = 0;

  async function send(requests: number, requestsPerSecond: number): Promise<number[]> {
    const latencies: number[] = [];
    const startedAt = performance.now();
    let sent = 0;
    await Promise.all(
      senders.map(async ({ connection, requests: prepared }) => {
        for (let next = 0; sent < requests; next++) {
          const { body, head } = prepared[next % prepared.length]!;
          const due = requestsPerSecond === 0 ? performance.now() : startedAt + (sent / requestsPerSecond) * 1_000;
          sent++;
          body.number(nextEvent);
          nextEvent += eventsPerRequest;
          const early = due - performance.now();
          if (early > 0) await delay(early);
          for (;;) {
            const { status, body: answer } = await connection.send(head, body.bytes);
            if (status === 200) break;
            if (status !== 503) throw new Error(`the gateway answered ${status}: ${answer.toString().slice(0, 500)}`);
            refused++;
            await delay(REFUSED_PAUSE_MS);
          }
          latencies.push(performance.now() - due);
        }
      }),
    );
    return latencies;
  }

  await send(input.warmUpRequests, 0);
  return {
    async work() {
      const latencies = await send(input.requests, input.requestsPerSecond);
      return {
        events: input.requests * eventsPerRequest,
        requests: input.requests,
        p50Ms: percentile(latencies, 0.5),
        p99Ms: percentile(latencies, 0.99),
        maxMs: percentile(latencies, 1),
        refused,
      };
    },
    close() {
      for (const { connection } of senders) connection.close();
    },
  };
});
