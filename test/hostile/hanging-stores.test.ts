// A store that hangs: its process is there, takes connections, and answers nothing. Every request has its answer within
// its budget, /readyz says so within 15 s, and when the store goes on nothing is lost.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type StageName, stageNames } from '../../cli/stage/stage-table.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { isWhole } from '../support/day-sample.ts';
import { freeze } from '../support/processes/frozen-process.ts';
import { kafkaUnavailable, startKafka, type TestKafka } from '../support/processes/kafka-broker.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

/** The read timeout, or the append timeout and the look-up of a key before it; and a second for this machine. */
const ANSWER_MS_MAX = 14_000;
const READY_MS_MAX = 15_000;

interface Answer {
  readonly status: number;
  readonly ms: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API says.
  readonly body: any;
  readonly retryAfter: string | null;
}

class Line {
  readonly stores: StageProcesses;
  key = '';
  private operatorKey = '';
  readonly acknowledged: string[] = [];
  private sent = 0;

  constructor(stores: StageProcesses) {
    this.stores = stores;
  }

  async start(): Promise<void> {
    const { stores } = this;
    await stores.tallyline('migrate');
    this.key = await stores.tallyline('keys', 'create', '--tenant', 'acme');
    this.operatorKey = await stores.tallyline('keys', 'create', '--tenant', 'operator', '--operator');
    await stores.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
    await Promise.all(stageNames.map((stage) => stores.start(stage)));
    await this.untilReady();
    // Made once: from here on it is there already, and the same again is answered 200.
    expect((await this.putCustomer()).status).toBe(201);
  }

  async ask(stage: StageName, path: string, init: RequestInit = {}, key = this.key): Promise<Answer> {
    const startedAt = performance.now();
    const response = await fetch(this.stores.urlOf(stage) + path, {
      ...init,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    });
    return {
      status: response.status,
      body: await response.json(),
      retryAfter: response.headers.get('retry-after'),
      ms: performance.now() - startedAt,
    };
  }

  async send(): Promise<Answer> {
    const id = `evt_${this.sent++}`;
    const event = { id, type: 'image.generation', subject: 'cus_1', data: { size: 'big', images: 1 } };
    const answer = await this.ask('ingest', '/v1/events', { method: 'POST', body: JSON.stringify(event) });
    if (answer.status === 200) this.acknowledged.push(id);
    return answer;
  }

  putCustomer(): Promise<Answer> {
    return this.ask('manage', '/v1/customers/cus_1', { method: 'PUT', body: JSON.stringify({ name: 'Anna' }) });
  }

  /** Each kind of request once, at the same time. */
  async askAll(): Promise<Readonly<Record<string, Answer>>> {
    const from = new Date(Date.now() - (Date.now() % 3_600_000)).toISOString();
    const all = {
      send: this.send(),
      usage: this.ask('query', `/v1/meters/images/usage?from=${from}`),
      event: this.ask('query', '/v1/events/evt_0'),
      items: this.ask('query', '/v1/line-items'),
      status: this.ask('query', '/v1/status'),
      // With the ends of the log, which a tenant does not see.
      offsets: this.ask('query', '/v1/status', {}, this.operatorKey),
      meters: this.ask('query', '/v1/meters'),
      customers: this.ask('manage', '/v1/customers'),
      customer: this.putCustomer(),
    };
    const answers = await Promise.all(Object.values(all));
    return Object.fromEntries(Object.keys(all).map((name, i) => [name, answers[i]!]));
  }

  async untilReady(): Promise<void> {
    for (const stage of stageNames) {
      const isReady = async (): Promise<boolean> => (await this.ask(stage, '/readyz')).status === 200;
      await until(isReady, `${stage} is ready`, 30_000, 100);
    }
  }

  /** Every event that was acknowledged is counted. */
  async untilCounted(): Promise<void> {
    const isCounted = async (): Promise<boolean> => {
      for (const id of this.acknowledged) {
        if ((await this.ask('query', `/v1/events/${id}`)).body.state !== 'accepted') return false;
      }
      return true;
    };
    await until(isCounted, 'what was acknowledged is counted', 40_000, 200);
  }
}

/**
 * Stops the store, asks everything, and lets it go on. `answering` are the requests that do without it, `unready` the
 * stages that can't; all others say what is wrong and go on.
 */
async function whileFrozen(
  line: Line,
  pid: number,
  { answering, unready, store }: { answering: readonly string[]; unready: readonly StageName[]; store: RegExp },
): Promise<void> {
  expect((await line.send()).status).toBe(200);
  await line.untilCounted();
  const thaw = freeze(pid);
  try {
    const frozenAt = performance.now();
    const answers = line.askAll();
    const told = Promise.all(
      unready.map(async (stage) => {
        const isTold = async (): Promise<boolean> => {
          const { status, body } = await line.ask(stage, '/readyz');
          return status === 503 && store.test(JSON.stringify(body.reasons));
        };
        await until(isTold, `${stage} is not ready`, READY_MS_MAX, 100);
      }),
    );
    for (const [name, { status, body, ms, retryAfter }] of Object.entries(await answers)) {
      expect({ name, ms: ms < ANSWER_MS_MAX ? 'in time' : ms }).toEqual({ name, ms: 'in time' });
      expect([name, status]).toEqual([name, answering.includes(name) ? 200 : 503]);
      if (status === 200) continue;
      expect([name, body.code]).toEqual([name, expect.stringMatching(/^(store|log)_unavailable$/)]);
      expect(Number(retryAfter)).toBeGreaterThan(0);
    }
    await told;
    expect(performance.now() - frozenAt).toBeLessThan(READY_MS_MAX + 1_000);
    for (const stage of stageNames.filter((each) => !unready.includes(each))) {
      expect([stage, (await line.ask(stage, '/readyz')).status]).toEqual([stage, 200]);
    }
  } finally {
    thaw();
  }
  await line.untilReady();
  expect((await line.send()).status).toBe(200);
  await line.untilCounted();
  const after = await line.askAll();
  expect(Object.values(after).map(({ status }) => status)).toEqual(Object.values(after).map(() => 200));
}

describe('a store that hangs', () => {
  let line: Line;
  beforeAll(async () => {
    line = new Line(
      await startStores({ TALLYLINE_READ_TIMEOUT: '9s', TALLYLINE_APPEND_TIMEOUT: '9s' }, { withDocker: false }),
    );
    await line.start();
  }, 300_000);
  afterAll(() => line?.stores.stop());

  it('ClickHouse: what does without it goes on, the rest says when to come back', async () => {
    await whileFrozen(line, line.stores.clickhouse.pid!, {
      answering: ['send', 'items', 'meters', 'customers', 'customer'],
      unready: ['query', 'aggregator', 'rater'],
      store: /ClickHouse does not answer/,
    });
  }, 300_000);

  it('Postgres, which holds the log as well: everything says when to come back', async () => {
    await whileFrozen(line, line.stores.postgres.pid!, {
      answering: [],
      unready: stageNames,
      store: /Postgres does not answer|the event log does not answer/,
    });
  }, 300_000);
});

const noKafka = isWhole ? await kafkaUnavailable() : 'a broker takes its time to start: npm run test:hostile has it';
if (noKafka !== null) process.stderr.write(`hanging-stores.test.ts: Kafka is left out: ${noKafka}\n`);

(noKafka === null ? describe : describe.skip)('a Kafka that hangs', () => {
  let kafka: TestKafka;
  let line: Line;
  beforeAll(async () => {
    kafka = await startKafka({ withDocker: false });
    line = new Line(
      await startStores(
        {
          ...{ KAFKA_BROKERS: kafka.brokers.join(','), TALLYLINE_REPLICATION: '1', TALLYLINE_MIN_INSYNC_REPLICAS: '1' },
          ...{ TALLYLINE_READ_TIMEOUT: '9s', TALLYLINE_APPEND_TIMEOUT: '9s' },
        },
        { withDocker: false },
      ),
    );
    await line.start();
  }, 300_000);
  afterAll(async () => {
    await line?.stores.stop();
    await kafka?.stop();
  });

  it('reads of what was counted go on, the rest says when to come back', async () => {
    await whileFrozen(line, kafka.pid!, {
      answering: ['usage', 'event', 'items', 'status', 'meters', 'customers', 'customer'],
      unready: ['ingest', 'aggregator'],
      store: /the event log does not answer|append to the event log has been under way/,
    });
  }, 300_000);
});
