// Writes of the management API, by the clock: new customers, each with a subscription after it. A latency begins when
// the write was due, not when it was sent.
import { setTimeout as delay } from 'node:timers/promises';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { percentile } from '../statistics.ts';
import { HttpConnection } from '../workload/http-connection.ts';

export interface AccountWrites {
  readonly url: string;
  readonly apiKey: string;
  readonly writes: number;
  readonly writesPerSecond: number;
  /** Of the ids of what is made. */
  readonly prefix: string;
}

export interface WriteLatencies {
  readonly customerP50Ms: number;
  readonly customerP99Ms: number;
  readonly subscriptionP50Ms: number;
  readonly subscriptionP99Ms: number;
}

const HOUR_MS = 3_600_000;
/** Enough that none waits for another of them. */
const CONNECTIONS = 16;

/** As a row of `tallyline import customers` or the body of a PUT, but for the id. */
export const customerBody = (n: number) => ({
  name: `Customer number ${n} Ltd`,
  email: `billing.${n}@example.com`,
  billingAddress: { line1: `${n} High Street`, city: 'Leeds', postalCode: 'LS1 1AA', country: 'GB' },
  metadata: { crm: `crm-${n}`, segment: n % 3 === 0 ? 'large' : 'small' },
});

/** Of the plan of the benches' catalog, from the hour on that was full last. */
export const subscriptionBody = (customer: string) => ({
  ...{ customer, plan: 'standard' },
  startsAt: formatRfc3339(Math.floor(Date.now() / HOUR_MS) * HOUR_MS),
});

export async function writeAccounts({
  url,
  apiKey,
  writes,
  writesPerSecond,
  prefix,
}: AccountWrites): Promise<WriteLatencies> {
  const { host } = new URL(url);
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => HttpConnection.open(url)));
  const latencies = { customer: [] as number[], subscription: [] as number[] };
  const put = async (connection: HttpConnection, path: string, body: unknown, due: number): Promise<number> => {
    const early = due - performance.now();
    if (early > 0) await delay(early);
    const bytes = Buffer.from(JSON.stringify(body));
    const { status, body: answer } = await connection.send(
      `PUT ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${apiKey}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      bytes,
    );
    if (status !== 201) throw new Error(`${path} was answered ${status}: ${answer.toString().slice(0, 500)}`);
    return performance.now() - due;
  };
  const startedAt = performance.now();
  let sent = 0;
  const nextDue = (): number => startedAt + (sent++ / writesPerSecond) * 1_000;
  try {
    await Promise.all(
      connections.map(async (connection) => {
        while (sent < writes) {
          const due = nextDue();
          const n = sent;
          const id = `${prefix}_${n}`;
          latencies.customer.push(await put(connection, `/v1/customers/${id}`, customerBody(n), due));
          const path = `/v1/subscriptions/sub_${id}`;
          latencies.subscription.push(await put(connection, path, subscriptionBody(id), nextDue()));
        }
      }),
    );
  } finally {
    for (const connection of connections) connection.close();
  }
  return {
    customerP50Ms: percentile(latencies.customer, 0.5),
    customerP99Ms: percentile(latencies.customer, 0.99),
    subscriptionP50Ms: percentile(latencies.subscription, 0.5),
    subscriptionP99Ms: percentile(latencies.subscription, 0.99),
  };
}
