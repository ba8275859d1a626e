// Poison in the log of a real `tallyline up`: records that nobody can read and events that no gateway would take, put
// straight into the log between good ones. Nothing stops; everything is kept, counted and said; and what can be mended
// is fed back and counted once.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { pino } from 'pino';
import { dedupKeyOf, partitionOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import { type ClickHouseDatabase, createClickHouse } from '../../platform/clickhouse/client.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { connectEventLog } from '../../platform/event-log/open.ts';
import { encodeEventBatch } from '../../platform/event-log/record-codec.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { type RunningUp, startUp, tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';
import { rejectedEvents } from './http-events.cases.ts';
import { malformedRecords } from './records.cases.ts';

const TIMEOUT_MS = 240_000;
const logger = pino({ level: 'silent' });
const environment = {
  TALLYLINE_CHUNK_SLOT: '1s',
  TALLYLINE_TICK_INTERVAL: '200ms',
  TALLYLINE_FLUSH_INTERVAL: '200ms',
  LOG_LEVEL: 'info',
};
/** The meter of a type that is wrong: it wants a number where its events carry a text, and so can't read them. */
const before = `currency: USD
meters:
  - { slug: calls, eventType: call, aggregation: count }
  - { slug: jobs, eventType: job, aggregation: sum, value: data.kind, required: true }
`;
const mended = `currency: USD
meters:
  - { slug: calls, eventType: call, aggregation: count }
  - { slug: job-count, eventType: job, aggregation: count }
`;

let dataDir: string;
let up: RunningUp;
let pool: pg.Pool;
let clickhouse: ClickHouseDatabase;
let eventLog: EventLog;
let startedAt: number;

beforeAll(async () => {
  startedAt = Date.now();
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-poison-'));
  await writeFile(join(dataDir, 'before.yaml'), before);
  await writeFile(join(dataDir, 'mended.yaml'), mended);
  up = await startUp(dataDir, ['--catalog', join(dataDir, 'before.yaml')], environment);
  const { postgres, clickhouse: store } = up.stages();
  pool = createPool(postgres!.url, logger);
  clickhouse = createClickHouse(parseSettings({ CLICKHOUSE_URL: store!.url }).clickhouse!, logger);
  eventLog = await connectEventLog(parseSettings({ DATABASE_URL: postgres!.url }), pool, logger);
}, TIMEOUT_MS);

afterAll(async () => {
  await eventLog?.close();
  await clickhouse?.close();
  await pool?.end();
  await up?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, TIMEOUT_MS);

function event(id: string, more: Partial<UsageEvent> = {}): UsageEvent {
  const now = Date.now();
  const made = { tenant: 'default', source: '', type: 'call', subject: 'cus_1', data: '{}', eventTime: now, ...more };
  return {
    ...{ id, timeGiven: true, receivedAt: now, dedupKey: dedupKeyOf(made.tenant, made.source, id) },
    payloadHash: payloadHashOf(made.type, made.subject, made.eventTime, made.data),
    ...made,
  };
}

const append = (each: UsageEvent): Promise<void> =>
  eventLog.append(partitionOf(each.dedupKey, eventLog.partitions), [encodeEventBatch([each])]);

const get = async (path: string): Promise<Record<string, unknown>> => {
  const response = await fetch(`${up.url}${path}`, { headers: { authorization: `Bearer ${up.apiKey}` } });
  return (await response.json()) as Record<string, unknown>;
};
const untilState = (id: string, state: string): Promise<void> =>
  until(async () => (await get(`/v1/events/${id}`)).state === state, `${id} is ${state}`, 60_000, 50);

/** Of a meter, all of it, whether its window is closed or not. */
async function usageOf(meter: string): Promise<string> {
  const day = 86_400_000;
  const from = new Date(Math.floor(startedAt / day) * day - day).toISOString();
  const to = new Date(Math.floor(Date.now() / day) * day + 3 * day).toISOString();
  const { data } = (await get(`/v1/meters/${meter}/usage?from=${from}&to=${to}&window=total`)) as {
    data: { value: string }[];
  };
  return data[0]?.value ?? '0';
}

const rejects = (): Promise<{ code: string; id: string; bytes: string; partition: number; offset: string }[]> =>
  clickhouse.query(
    `SELECT code, id, hex(bytes) AS bytes, partition, toString(offset) AS offset FROM event_rejects FINAL
      WHERE reason = 'poison' ORDER BY partition, offset, index`,
    {},
  );

async function sealedAs(outcome: string): Promise<number> {
  const metrics = await (await fetch(`${up.stages().aggregator!.url}/metrics`)).text();
  return Number(
    new RegExp(`^tallyline_events_total{stage="aggregator",outcome="${outcome}"} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0,
  );
}

const command = async (...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await tallyline([...args, '--data-dir', dataDir], environment);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
  return stdout;
};

describe('bad events at the gateway', () => {
  it(
    'are rejected one by one, and the good one among them is counted',
    async () => {
      // Those that say the same whatever the catalog and the day.
      const cases = rejectedEvents.filter(([, , code]) => code === 'invalid_field' || code === 'unknown_field');
      const texts = cases.map(([, members]) => {
        const all = Object.entries({ id: '"odd"', type: '"call"', subject: '"cus_1"', ...members }).filter(
          ([, text]) => text,
        );
        return `{${all.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
      });
      const response = await fetch(`${up.url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
        body: `[${texts.join(',')},{"id":"good","type":"call","subject":"cus_1"}]`,
      });
      const answer = (await response.json()) as { accepted: number; rejected: { code: string; field: string }[] };
      expect([response.status, answer.accepted]).toEqual([207, 1]);
      expect(answer.rejected.map(({ code, field }) => [code, field])).toEqual(
        cases.map(([, , code, field]) => [code, field]),
      );
      await untilState('good', 'accepted');
      expect(await usageOf('calls')).toBe('1');
    },
    TIMEOUT_MS,
  );
});

const DAY_MS = 86_400_000;
/** What mends an event that is too far ahead is time. */
const AHEAD_MS = 5_000;
/** Poison of each kind, beside good events in its batch. Made when they are sent, by the log's clock. */
let jobs: UsageEvent[] = [];
const newJobs = (): UsageEvent[] =>
  ['small', 'large', 'small'].map((kind, index) =>
    event(`job-${index}`, {
      ...{ type: 'job', data: `{"kind":"${kind}"}`, eventTime: Date.now() + DAY_MS + AHEAD_MS },
    }),
  );
const unmendable = [
  event('broken-data', { type: 'job', data: '{"kind":1},"subject":"cus_2"' }),
  event('bad-subject', { subject: 'cus\u0000' }),
  event('bad-tenant', { tenant: 'default\u0000' }),
];
const POISON_EVENTS = 3 + unmendable.length;

describe('poison in the log', () => {
  it(
    'stops no partition, and is kept with its bytes',
    async () => {
      for (let partition = 0; partition < eventLog.partitions; partition++) {
        await eventLog.append(
          partition,
          malformedRecords.map(([, bytes]) => bytes),
        );
      }
      jobs = newJobs();
      for (const each of [...jobs, ...unmendable]) {
        const home = partitionOf(each.dedupKey, eventLog.partitions);
        // Beside it, and in its own partition.
        const beside = Array.from({ length: 200 }, (_, index) => event(`beside-${each.id}-${index}`))
          .filter(({ dedupKey }) => partitionOf(dedupKey, eventLog.partitions) === home)
          .slice(0, 2);
        await eventLog.append(home, [encodeEventBatch([beside[0]!, each, beside[1]!])]);
      }
      // Through the gateway, behind all of it.
      for (let index = 0; index < 40; index++) {
        const response = await fetch(`${up.url}/v1/events`, {
          method: 'POST',
          headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ id: `after-${index}`, type: 'call', subject: 'cus_1' }),
        });
        expect(response.status).toBe(200);
      }
      for (let index = 0; index < 40; index++) await untilState(`after-${index}`, 'accepted');
      expect(await usageOf('calls')).toBe(String(1 + 40 + 2 * POISON_EVENTS));

      const found = await rejects();
      const kept = found.filter(({ code }) => code === 'malformed_record').map(({ bytes }) => bytes);
      const expected = Array.from({ length: eventLog.partitions }, () =>
        malformedRecords.map(([, bytes]) => bytes.toString('hex').toUpperCase()),
      ).flat();
      expect(kept.sort()).toEqual(expected.sort());
      const codeOf = Object.fromEntries(found.filter(({ id }) => id !== '').map(({ id, code }) => [id, code]));
      expect(codeOf).toEqual({
        ...Object.fromEntries(jobs.map(({ id }) => [id, 'time_in_future'])),
        'broken-data': 'malformed_data',
        'bad-subject': 'invalid_name',
        'bad-tenant': 'invalid_name',
      });
    },
    TIMEOUT_MS,
  );

  it(
    'is not what a single meter can’t read: that counts for the others, and the meter’s loss is said',
    async () => {
      await append(event('job-now', { type: 'job', data: '{"kind":"small"}' }));
      await untilState('job-now', 'accepted');
      const { countedIn, unread } = await get('/v1/events/job-now');
      expect({ countedIn, unread }).toEqual({
        countedIn: [],
        unread: [{ meter: 'jobs', code: 'invalid_value', reason: expect.stringContaining('data.kind must be') }],
      });
      const metric = async (): Promise<string> => (await fetch(`${up.stages().aggregator!.url}/metrics`)).text();
      const line = 'tallyline_meter_unread_events_total{meter="jobs"} 1\n';
      await until(async () => (await metric()).includes(line), 'the meter’s loss is a figure', 60_000, 100);
    },
    TIMEOUT_MS,
  );

  it(
    'is counted by the metric once it is sealed, and named in the log, a few lines a chunk',
    async () => {
      const poison = eventLog.partitions * malformedRecords.length + POISON_EVENTS;
      await until(async () => (await sealedAs('poison')) === poison, `the metric says ${poison}`, 60_000, 100);
      const lines = up
        .log()
        .split('\n')
        .filter((line) => line.includes('event_rejects'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines[0]).toMatchObject({
        partition: expect.any(Number),
        offset: expect.any(Number),
        code: 'malformed_record',
      });
      expect(lines[0]!.reason).toEqual(expect.stringMatching(/marker/));
      expect(new Set(lines.map(({ partition }) => partition)).size).toBe(eventLog.partitions);
      expect(lines.length).toBeLessThan(poison);
      expect(up.log()).toMatch(/"more":\d+/);
      expect((await get('/v1/events/job-0')).state).toBe('rejected');
    },
    TIMEOUT_MS,
  );
});

describe('tallyline replay', () => {
  it(
    'feeds back what is mended, which is then counted once, however often it is run',
    async () => {
      await command('catalog', 'apply', join(dataDir, 'mended.yaml'));
      const latest = Math.max(...jobs.map(({ eventTime }) => eventTime));
      await until(async () => Date.now() + DAY_MS > latest, 'they are a day ahead and no more', 60_000, 100);
      expect(await command('replay', '--code', 'time_in_future')).toMatch(
        /^replayed 3 events and 0 unreadable records/,
      );
      for (const { id } of jobs) await untilState(id, 'accepted');
      expect(await usageOf('job-count')).toBe('3');
      // They are there by now, so there is nothing to feed back.
      expect(await command('replay', '--code', 'time_in_future')).toMatch(/^replayed 0 events and 0/);
    },
    TIMEOUT_MS,
  );

  it(
    'fed twice all the same, they are duplicates',
    async () => {
      for (const each of jobs) await append(each);
      await until(async () => (await sealedAs('duplicate')) === jobs.length, 'they are duplicates', 60_000, 100);
      expect(await usageOf('job-count')).toBe('3');
    },
    TIMEOUT_MS,
  );

  it(
    'of everything ends in order: what can’t be mended is poison again, and what has a bad name is left alone',
    async () => {
      const rejected = (await rejects()).length;
      const distinct = new Set(malformedRecords.map(([, bytes]) => bytes.toString('hex'))).size;
      const records = eventLog.partitions * distinct;
      // The one event is that whose data is no JSON, whatever the catalog says.
      expect(await command('replay')).toBe(
        `replayed 1 events and ${records} unreadable records; their outcome follows in the usual way\n`,
      );
      await until(async () => (await rejects()).length >= rejected + records, 'they are rejected again', 60_000, 100);
      await append(event('end'));
      await untilState('end', 'accepted');
      expect(await usageOf('calls')).toBe(String(1 + 40 + 2 * POISON_EVENTS + 1));
      // Nobody else was given the event that would have broken out of its data, or the one without a tenant.
      expect((await clickhouse.query(`SELECT 1 FROM usage_events FINAL WHERE subject = 'cus_2'`, {})).length).toBe(0);
      expect((await get('/v1/events/bad-tenant')).state).toBe('unknown');
    },
    TIMEOUT_MS,
  );

  it(
    'leaves books that agree',
    async () => {
      expect(await command('verify')).toMatch(/I1: \d+ compared, 0 discrepancies/);
    },
    TIMEOUT_MS,
  );
});
