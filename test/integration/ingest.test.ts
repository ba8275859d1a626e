// The gateway on real stores: keys, catalog and event log in Postgres, requests over a socket.

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { DecidedList } from '../../aggregator/core/decided-list.ts';
import { DedupIndex } from '../../aggregator/core/dedup-index.ts';
import { PartitionState, totalOutcomes } from '../../aggregator/core/partition-state.ts';
import { RollUpTable } from '../../aggregator/core/roll-up.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { startIngest } from '../../ingest/main.ts';
import { createApiKey, revokeApiKey } from '../../platform/access/api-key-store.ts';
import { newApiKey } from '../../platform/access/key-form.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { openPostgresEventLog } from '../../platform/event-log/postgres/postgres-event-log.ts';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import {
  acceptedSpanMs,
  newGeneration,
  openGeneration,
  type TopicGeneration,
} from '../../platform/event-log/topic-generation.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import type { Stage } from '../../platform/process/stage.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { startTestPostgres, type TestPostgres } from '../support/processes/postgres.ts';
import { until } from '../support/until.ts';

const logger = pino({ level: 'silent' });
const registry = new AvroRegistry();
const HORIZON_MS = 35 * 86_400_000;
const settings = {
  ingest: {
    lingerMs: 2,
    batchEventsMax: 500,
    batchBytesMax: 500_000,
    queueEventsMax: 50_000,
    queueBytesMax: 50_000_000,
    bodyBytesMax: 10_000_000,
    appendTimeoutMs: 10_000,
    requestsPerSecondMax: 0,
  },
  log: { topic: 'usage' },
  aggregator: { chunkOffsets: 1_024, chunkSlotMs: 30_000, horizonMs: HORIZON_MS },
} as Settings;

let postgres: TestPostgres;
let pool: pg.Pool;
let eventLog: EventLog;
let generation: TopicGeneration;
let app: FastifyInstance;
let stage: Stage;
let url: string;
/** The keyring's clock, so that a cached key need not be waited out. */
let skewMs = 0;
/** Where the gateway's clock stands still. */
let gatewayNow: number | null = null;

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = createPool(postgres.url, logger);
  await migrate(pool, null, logger);
  eventLog = await openPostgresEventLog(
    pool,
    { topic: 'usage', partitions: 4, replicationFactor: 1, minInsyncReplicas: 1, retentionMs: 86_400_000 },
    logger,
  );
  app = createHttpApp(logger);
  const keyring = createKeyring(pool, () => Date.now() + skewMs);
  const context = { settings, logger, registry: new Registry(), clock: () => gatewayNow ?? Date.now() };
  generation = await openGeneration(pool, newGeneration(settings, eventLog));
  stage = await startIngest(context, { app, pool, eventLog, generation, keyring });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
  await until(() => stage.notReady() === null, 'the gateway is ready');
}, 300_000);

afterAll(async () => {
  await app?.close();
  await stage?.stop();
  await eventLog?.close();
  await pool?.end();
  await postgres?.stop();
});

async function post(key: string, events: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const usage = (id: string) => ({ id, type: 'llm.completion', subject: 'cus_1', data: { tokens: 12 } });

/** "tenant/id" of every event in the log, as another process would read it. */
async function loggedEvents(): Promise<string[]> {
  const { rows } = await pool.query<{ value: Buffer }>('SELECT value FROM tallyline.log_records');
  return rows.flatMap(({ value }) => {
    const entry = decodeRecord(registry, value);
    return entry.kind === 'event-batch' ? entry.events.map(({ tenant, id }) => `${tenant}/${id}`) : [];
  });
}

/** What the aggregator decides of the events of a tenant that the log has. */
async function outcomesOf(tenant: string): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ offset: string; append_time: Date; value: Buffer }>(
    'SELECT "offset", append_time, value FROM tallyline.log_records ORDER BY append_time',
  );
  const from = { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET };
  const decisions = { events: new DecidedList(), rollUps: new RollUpTable() };
  const rules = { ...generation, chunkOffsets: 1_000_000, slotMs: 100 * HORIZON_MS };
  const state = new PartitionState(rules, from, new TenantMeters(new Map()), new DedupIndex(), decisions);
  rows.forEach(({ append_time, value }, offset) => {
    const entry = decodeRecord(registry, value);
    if (entry.kind !== 'event-batch') return;
    const events = entry.events.filter((event) => event.tenant === tenant);
    state.apply({ kind: 'event-batch', offset, appendTime: append_time.getTime(), events });
  });
  return totalOutcomes(state.chunk);
}

/** 500 events with a time 1 to 50 ms inside what the gateway accepts, whose clock stands still until they are sent. */
function barelyInTime(name: string): unknown[] {
  gatewayNow = Date.now();
  const oldest = gatewayNow - HORIZON_MS;
  const timeOf = (i: number): string => new Date(oldest + 1 + (i % 50)).toISOString();
  return Array.from({ length: 500 }, (_, i) => ({ ...usage(`${name}-${i}`), time: timeOf(i) }));
}

describe('the gateway on Postgres', () => {
  it('has every acknowledged event in the log at the moment it answers', async () => {
    const { key } = await createApiKey(pool, { tenant: 'acme', actor: 'cli:test' }, 'test');
    const ids = Array.from({ length: 1_000 }, (_, index) => `evt-${index}`);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, request) => post(key, ids.slice(request * 100, request * 100 + 100).map(usage))),
    );
    for (const answer of answers) expect(answer).toEqual({ status: 200, body: { accepted: 100, rejected: [] } });
    expect((await loggedEvents()).sort()).toEqual(ids.map((id) => `acme/${id}`).sort());
  });

  it('takes the tenant from the key alone', async () => {
    const { key } = await createApiKey(pool, { tenant: 'globex', actor: 'cli:test' }, 'test');
    expect((await post(key, usage('evt-1'))).status).toBe(200);
    expect(await loggedEvents()).toContain('globex/evt-1');
  });

  it('takes of a key that is limited to a customer the events of that customer alone', async () => {
    const author = { tenant: 'limited', actor: 'cli:test' };
    const { key } = await createApiKey(pool, author, 'of cus_1', { scopes: ['ingest'], customer: 'cus_1' });
    const other = { ...usage('theirs'), subject: 'cus_2' };
    const answer = await post(key, [other, usage('own'), { ...other, id: 'theirs-2', data: { text: 'ü' } }]);
    expect(answer).toMatchObject({ status: 207, body: { accepted: 1 } });
    const rejected = answer.body.rejected as { id: string; code: string; field: string }[];
    expect(rejected.map(({ id, code, field }) => [id, code, field])).toEqual([
      ['theirs', 'subject_not_allowed', 'subject'],
      ['theirs-2', 'subject_not_allowed', 'subject'],
    ]);
    expect((await loggedEvents()).filter((event) => event.startsWith('limited/'))).toEqual(['limited/own']);
  });

  it('refuses keys that are not stored, and a revoked one ten seconds later at the latest', async () => {
    expect(await post(newApiKey(), usage('x'))).toMatchObject({ status: 401, body: { code: 'unknown_key' } });
    const { id, key } = await createApiKey(pool, { tenant: 'acme', actor: 'cli:test' }, 'to be revoked');
    expect((await post(key, usage('before'))).status).toBe(200);
    await revokeApiKey(pool, 'cli:test', id);
    skewMs = 10_000;
    expect(await post(key, usage('after'))).toMatchObject({ status: 403, body: { code: 'revoked_key' } });
    expect(await loggedEvents()).not.toContain('acme/after');
  });

  it('answers 503 and is not ready while the log does not take appends, and goes on afterwards', async () => {
    const { key } = await createApiKey(pool, { tenant: 'acme', actor: 'cli:test' }, 'test');
    expect((await post(key, usage('known'))).status).toBe(200);
    await pool.query('ALTER TABLE tallyline.log_records RENAME TO log_records_away');
    const during: string[] = [];
    try {
      await until(async () => {
        const id = `away-${during.length}`;
        during.push(id);
        expect(await post(key, usage(id))).toMatchObject({ status: 503, body: { code: 'log_unavailable' } });
        return stage.notReady() !== null;
      }, 'the gateway says that it is not ready');
    } finally {
      await pool.query('ALTER TABLE tallyline.log_records_away RENAME TO log_records');
    }
    await until(async () => (await post(key, usage('back'))).status === 200, 'the gateway takes events again');
    expect(stage.notReady()).toBeNull();
    const logged = await loggedEvents();
    expect(logged).toContain('acme/back');
    for (const id of during) expect(logged).not.toContain(`acme/${id}`);
  });
});

describe('events at the edge of what is accepted', () => {
  afterEach(() => {
    gatewayNow = null;
  });

  it('are all counted', async () => {
    const { key } = await createApiKey(pool, { tenant: 'edge', actor: 'cli:test' }, 'test');
    expect(await post(key, barelyInTime('e'))).toEqual({ status: 200, body: { accepted: 500, rejected: [] } });
    expect(await outcomesOf('edge')).toMatchObject({ accepted: 500, too_late: 0 });
  });

  it('are all counted when Postgres pauses for five seconds before the append', async () => {
    const { key } = await createApiKey(pool, { tenant: 'paused', actor: 'cli:test' }, 'test');
    const client = await pool.connect();
    let answer: ReturnType<typeof post>;
    try {
      await client.query('BEGIN; LOCK TABLE tallyline.log_records IN ACCESS EXCLUSIVE MODE');
      const lockedAt = Date.now();
      answer = post(key, barelyInTime('p'));
      await until(() => Date.now() - lockedAt >= 5_000, 'five seconds have passed', 10_000, 50);
    } finally {
      await client.query('COMMIT');
      client.release();
    }
    expect(await answer).toEqual({ status: 200, body: { accepted: 500, rejected: [] } });
    expect(await outcomesOf('paused')).toMatchObject({ accepted: 500, too_late: 0 });
  });

  it('are refused an hour earlier where the log was made with the same horizon', () => {
    expect(acceptedSpanMs(settings, { horizonMs: HORIZON_MS })).toBe(HORIZON_MS - 3_600_000);
    expect(acceptedSpanMs(settings, generation)).toBe(HORIZON_MS);
    // A horizon of less than two hours is halved.
    expect(acceptedSpanMs(settings, { horizonMs: 900_000 })).toBe(450_000);
  });
});
