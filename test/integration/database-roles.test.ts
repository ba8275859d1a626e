// Each stage as a user of Postgres that has its role alone: it starts and does its work, and may do nothing else. What
// is refused is asked of Postgres itself, table by table.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import pino from 'pino';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { isFenced } from '../../platform/postgres/tenant-fence.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const STAGES = ['ingest', 'aggregator', 'rater', 'query', 'manage'] as const;
type StageRole = (typeof STAGES)[number];
const roleOf = (stage: StageRole): string => `tallyline_${stage}`;

const logger = pino({ level: 'silent' });
let processes: StageProcesses;
let owner: pg.Pool;
const userUrl = (user: string): string => {
  const url = new URL(processes.postgres.url);
  Object.assign(url, { username: user, password: 'of-a-test' });
  return url.href;
};

beforeAll(async () => {
  processes = await startStores({ TALLYLINE_ACCOUNTS_KEY: Buffer.alloc(32, 1).toString('base64') });
  owner = createPool(processes.postgres.url, logger);
  await processes.tallyline('migrate');
  for (const stage of STAGES) {
    await owner.query(`CREATE ROLE ${stage}_user LOGIN PASSWORD 'of-a-test' IN ROLE ${roleOf(stage)}`);
  }
}, 300_000);
afterAll(async () => {
  await owner?.end();
  await processes?.stop();
});

describe('stages as users that have their role alone', () => {
  it('start, once one that writes the log has made it', async () => {
    await expect(processes.startAs('query', userUrl('query_user'))).rejects.toThrow('permission denied');
    for (const stage of STAGES) await processes.startAs(stage, userUrl(`${stage}_user`));
    await processes.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
    for (const { name, url } of processes.running) {
      await until(async () => (await fetch(`${url}/readyz`)).status === 200, `${name} is ready`);
    }
  }, 300_000);

  it('do their work: events come to be line items, and accounts are kept', async () => {
    const key = await processes.tallyline('keys', 'create', '--tenant', 'acme', '--scope', 'admin', '--operator');
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const send = (stage: StageRole, path: string, method = 'GET', body?: unknown) =>
      fetch(`${processes.urlOf(stage)}${path}`, {
        ...{ method, headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    const event = { type: 'llm.completion', subject: 'cus_1', data: { model: 'm-large', input_tokens: 1_000_000 } };
    const time = new Date(Date.now() - 3 * 86_400_000).toISOString();
    const sent = [
      { ...event, id: '1', time },
      { ...event, id: '2', time: '2020-01-01T00:00:00Z' },
    ];
    expect((await send('ingest', '/v1/events', 'POST', sent)).status).toBe(207);
    await until(
      async () => {
        const answer = await send('query', '/v1/line-items?subject=cus_1');
        expect(answer.status).toBe(200);
        return ((await answer.json()) as { data: { meter: string | null }[] }).data.some(({ meter }) => meter !== null);
      },
      'the event is rated',
      60_000,
    );
    await until(
      async () => {
        const answer = (await (await send('query', '/v1/refusals')).json()) as { data: unknown[] };
        return answer.data.length === 1;
      },
      'the refusal is written',
      30_000,
    );
    for (const path of ['/v1/status', '/v1/meters', '/v1/subjects', '/v1/events/1']) {
      expect([path, (await send('query', path)).status]).toEqual([path, 200]);
    }
    expect((await send('manage', '/v1/customers/cus_1', 'PUT', { name: 'Anna' })).status).toBe(201);
    expect((await send('manage', '/v1/customers/cus_1', 'PUT', { name: 'Anna' })).status).toBe(200);
    const plan = { plan: 'team', startsAt: new Date().toISOString() };
    const preview = { id: 'sub_1', customer: 'cus_1', ...plan };
    expect((await send('manage', '/v1/subscriptions/preview', 'POST', preview)).status).toBe(200);
    const assigned = await send('manage', '/v1/subjects/ws_1', 'PUT', { customer: 'cus_1' });
    expect(assigned.status).toBe(201);
    for (const act of ['archive', 'erase']) {
      const answer = await fetch(`${processes.urlOf('manage')}/v1/customers/cus_1/${act}`, {
        ...{ method: 'POST', headers: { ...headers, 'idempotency-key': act }, body: '{}' },
      });
      expect([act, answer.status]).toEqual([act, 200]);
    }
    expect((await send('manage', '/v1/audit')).status).toBe(200);
    const { catalog } = (await (await send('manage', '/v1/catalog')).json()) as { catalog: object };
    const put = await send('manage', '/v1/catalog', 'PUT', catalog);
    expect([put.status, await put.json()]).toMatchObject([201, { version: 2, changes: [] }]);
    const published = 'SELECT published_at IS NOT NULL AS published FROM tallyline.tenant_catalog_versions';
    expect((await owner.query(published)).rows).toEqual([{ published: true }]);
  }, 300_000);

  it('are refused nothing that they ask for, and write down which keys were used', async () => {
    for (const { name, log } of processes.running) {
      // But for what was logged before there was a log to read.
      expect([name, log().includes('permission denied')]).toEqual([name, false]);
    }
    expect(await processes.drain()).toEqual([0, 0, 0, 0, 0]);
    const { rows } = await owner.query('SELECT last_used_at FROM tallyline.api_keys');
    expect(rows[0].last_used_at).not.toBe(null);
  }, 300_000);

  it('leave nothing that verify would find', async () => {
    expect(await processes.tallyline('verify', '--no-log')).toMatch(/^I2: \d+ compared, 0 discrepancies$/m);
  }, 300_000);
});

/** Tables that a role may change, by what it may do. Everything that does not stand here is refused. */
const WRITES: Readonly<Record<StageRole, Readonly<Record<string, readonly string[]>>>> = {
  ingest: {
    refusals: ['INSERT', 'UPDATE', 'DELETE'],
    ...{ topic_generations: ['INSERT'], partition_progress: ['INSERT'], avro_schemas: ['INSERT'] },
    ...{ log_topics: ['INSERT', 'UPDATE'], log_partitions: ['INSERT'], log_records: ['INSERT', 'DELETE'] },
  },
  aggregator: {
    ...{ topic_generations: ['INSERT'], partition_progress: ['INSERT', 'UPDATE'], avro_schemas: ['INSERT'] },
    ...{ log_topics: ['INSERT', 'UPDATE'], log_partitions: ['INSERT'], log_records: ['INSERT', 'DELETE'] },
    ...{ log_groups: ['INSERT', 'UPDATE'], log_members: ['INSERT', 'UPDATE', 'DELETE'] },
    ...{
      chunk_seals: ['INSERT', 'DELETE'],
      chunk_seals_reopened: ['INSERT'],
      published_watermark: ['INSERT', 'UPDATE'],
    },
    ...{ chunk_corrections: ['INSERT'], recount_seals: ['INSERT'], recount_runs: ['INSERT'] },
    due_chunks: ['INSERT', 'DELETE'],
  },
  rater: {
    ...{ line_items: ['INSERT'], ledger_entries: ['INSERT'], billing_periods: ['INSERT', 'UPDATE'] },
    ratings: ['INSERT'],
    ...{ rater_shards: ['UPDATE'], raters: ['INSERT', 'UPDATE', 'DELETE'] },
    ...{ chunk_repairs: ['INSERT'], due_customers: ['INSERT', 'UPDATE', 'DELETE'] },
    due_chunks: ['INSERT'],
  },
  query: {},
  manage: {
    ...{ account_changes: ['INSERT'], customers: ['INSERT', 'UPDATE'], customer_keys: ['INSERT', 'UPDATE', 'DELETE'] },
    ...{ customer_words: ['INSERT', 'DELETE'], assigned_subjects: ['INSERT', 'UPDATE'] },
    ...{ subscriptions: ['INSERT', 'UPDATE'], subscription_records: ['INSERT'], due_customers: ['INSERT', 'UPDATE'] },
    ...{ plan_holders: ['INSERT'], recounts: ['INSERT'], recount_partitions: ['INSERT'] },
    ...{ tenant_catalog_versions: ['INSERT'], avro_schemas: ['INSERT'], log_records: ['INSERT'] },
    ...{ subject_assignments: ['INSERT', 'UPDATE'], idempotent_answers: ['INSERT', 'UPDATE', 'DELETE'] },
  },
};

describe.each(STAGES)('the role of %s', (stage) => {
  it('may write what its work needs and nothing else', async () => {
    const { rows } = await owner.query<{ table: string; may: string[] }>(
      `SELECT relname AS table, ARRAY(
         SELECT privilege FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
         WHERE has_table_privilege($1, oid, privilege)) AS may
       FROM pg_class WHERE relnamespace = 'tallyline'::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY relname`,
      [roleOf(stage)],
    );
    expect(rows.length).toBeGreaterThan(25);
    const found = Object.fromEntries(rows.filter(({ may }) => may.length > 0).map(({ table, may }) => [table, may]));
    expect(found).toEqual(WRITES[stage]);
  });

  it('may write no more columns of a table than these', async () => {
    const { rows } = await owner.query<{ column: string }>(
      `SELECT DISTINCT format('%s.%s', table_name, column_name) AS column FROM information_schema.column_privileges
       WHERE grantee = $1 AND privilege_type = 'UPDATE' AND table_schema = 'tallyline'
         AND NOT has_table_privilege($1, to_regclass(format('tallyline.%I', table_name)), 'UPDATE') ORDER BY 1`,
      [roleOf(stage)],
    );
    const ofPartitions = ['log_partitions.end_offset', 'log_partitions.start_offset'];
    const ofRecounts = ['from_chunk', 'next_chunk', 'to_chunk'].map((name) => `recount_partitions.${name}`);
    ofRecounts.push('recount_runs.chunks');
    const ofRepairs = ['chunk_repairs.decided_at', 'chunk_repairs.detail', 'chunk_repairs.outcome'];
    const ofCatalogs = ['catalog_versions.published_at', 'tenant_catalog_versions.published_at'];
    const ofStage: Readonly<Partial<Record<StageRole, readonly string[]>>> = {
      ingest: ofPartitions,
      aggregator: [...ofRepairs, ...ofPartitions, ...ofRecounts],
      manage: [ofCatalogs[0]!, ofPartitions[0]!, ofCatalogs[1]!],
    };
    expect(rows.map(({ column }) => column)).toEqual(ofStage[stage] ?? []);
  });

  it('is told nothing of accounts unless it keeps them, and of keys nothing but what it needs', async () => {
    const select = async (table: string): Promise<boolean> =>
      (await owner.query("SELECT has_table_privilege($1, $2, 'SELECT') AS may", [roleOf(stage), `tallyline.${table}`]))
        .rows[0].may;
    const isFront = ['ingest', 'query', 'manage'].includes(stage);
    expect(await select('api_keys')).toBe(isFront);
    for (const table of ['customers', 'customer_keys', 'account_changes'])
      expect(await select(table)).toBe(stage === 'manage');
    // By what who is billed: reads tell what nothing prices.
    for (const table of ['subscriptions', 'subscription_records'])
      expect(await select(table)).toBe(['rater', 'query', 'manage'].includes(stage));
    expect(await select('ledger_entries')).toBe(stage === 'rater');
  });

  it('can not log in, make roles or go round row-level security', async () => {
    const { rows } = await owner.query(
      'SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = $1',
      [roleOf(stage)],
    );
    expect(Object.values(rows[0])).toEqual([false, false, false, false, false]);
  });

  it('is refused by Postgres when it tries', async () => {
    const client = new pg.Client(userUrl(`${stage}_user`));
    await client.connect();
    try {
      for (const statement of [
        'UPDATE tallyline.line_items SET amount = 0',
        'DELETE FROM tallyline.ledger_entries',
        'TRUNCATE tallyline.account_changes',
        "UPDATE tallyline.api_keys SET scopes = '{admin}'",
        'UPDATE tallyline.api_keys SET last_used_at = now()',
        "UPDATE tallyline.catalog_versions SET catalog = '{}'",
        "UPDATE tallyline.tenant_catalog_versions SET catalog = '{}'",
        'DELETE FROM tallyline.tenant_catalog_versions',
        "INSERT INTO tallyline.catalog_versions VALUES (9, now(), '{}', '', '')",
        'ALTER TABLE tallyline.line_items DISABLE TRIGGER ALL',
        'DROP POLICY own_tenant ON tallyline.customers',
        'CREATE TABLE tallyline.mine ()',
      ]) {
        await expect(client.query(statement)).rejects.toThrow(/permission denied|must be owner/);
      }
    } finally {
      await client.end();
    }
  });
});

/** Work in a transaction that names a tenant; null: that names none. */
async function asUser<Result>(user: string, tenant: string | null, work: (client: pg.Client) => Promise<Result>) {
  const client = new pg.Client(userUrl(user));
  await client.connect();
  try {
    await client.query('BEGIN');
    if (tenant !== null) await client.query("SELECT set_config('tallyline.tenant', $1, true)", [tenant]);
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('the fence around catalogs', () => {
  it('lets a transaction that names a tenant make no version of another', async () => {
    const insert = (client: pg.Client) =>
      client.query(
        `INSERT INTO tallyline.tenant_catalog_versions
           (version, tenant, effective_at, closed_up_to, applies_to, catalog, source, digest)
         VALUES (99, 'umbrella', now(), now(), 'running', '{}', '', '')`,
      );
    await expect(asUser('manage_user', 'acme', insert)).rejects.toThrow('row-level security');
    expect(await asUser('manage_user', 'umbrella', insert)).toMatchObject({ rowCount: 1 });
  });
});

describe('the fence of the role of reads', () => {
  const money = ['line_items', 'billing_periods'] as const;
  const asReader = <Result>(tenant: string | null, work: (client: pg.Client) => Promise<Result>) =>
    asUser('query_user', tenant, work);
  const countOf = async (client: pg.Client | pg.Pool, table: string) =>
    Number((await client.query(`SELECT count(*) FROM tallyline.${table}`)).rows[0].count);

  it('shows the money of the tenant that is named, and without a name nothing', async () => {
    for (const table of money) {
      const all = await countOf(owner, table);
      expect(all).toBeGreaterThan(0);
      expect(await asReader('acme', (client) => countOf(client, table))).toBe(all);
      for (const tenant of ['umbrella', '', null]) {
        expect(await asReader(tenant, (client) => countOf(client, table))).toBe(0);
      }
    }
  });

  it('is checked once for a statement, and changes no plan', async () => {
    const plan = await asReader('acme', async (client) => {
      const { rows } = await client.query(
        `EXPLAIN SELECT * FROM tallyline.line_items WHERE tenant = 'acme' AND window_start >= '2026-11-05Z'
         ORDER BY window_start, sequence LIMIT 100`,
      );
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
    expect(plan).toContain('One-Time Filter');
    expect(plan).not.toMatch(/\n\s+Filter: .*current_setting/);
  });

  it('lets nobody rate who would not see all money', async () => {
    await owner.query("CREATE ROLE both_user LOGIN PASSWORD 'of-a-test' IN ROLE tallyline_query, tallyline_rater");
    await expect(processes.startAs('rater', userUrl('both_user'))).rejects.toThrow('the role tallyline_query');
    const readers = createPool(userUrl('query_user'), logger);
    const raters = createPool(userUrl('rater_user'), logger);
    try {
      expect([await isFenced(owner), await isFenced(readers), await isFenced(raters)]).toEqual([false, true, false]);
    } finally {
      await Promise.all([readers.end(), raters.end()]);
    }
  });
});

describe('migrate', () => {
  it('takes rights away that are not in the file, and gives back those that are', async () => {
    await owner.query('GRANT DELETE ON tallyline.line_items TO tallyline_query');
    await owner.query('REVOKE SELECT ON tallyline.line_items FROM tallyline_query');
    await migrate(owner, null, logger);
    const { rows } = await owner.query(
      `SELECT has_table_privilege('tallyline_query', 'tallyline.line_items', 'DELETE') AS deletes,
         has_table_privilege('tallyline_query', 'tallyline.line_items', 'SELECT') AS selects`,
    );
    expect(rows).toEqual([{ deletes: false, selects: true }]);
  });

  it('does without roles where its user may make none', async () => {
    const name = 'plain_owner';
    await owner.query(`CREATE ROLE ${name} LOGIN PASSWORD 'of-a-test'`);
    await owner.query(`CREATE DATABASE ${name} OWNER ${name}`);
    const url = new URL(userUrl(name));
    url.pathname = `/${name}`;
    for (const stage of STAGES) await owner.query(`ALTER ROLE ${roleOf(stage)} RENAME TO ${stage}_away`);
    const plain = createPool(url.href, logger);
    try {
      expect(await migrate(plain, null, logger)).toContain('postgres/0010_access.sql');
      expect(await migrate(plain, null, logger)).toEqual([]);
      // Once somebody has made them, it gives them their rights.
      for (const stage of STAGES) await owner.query(`ALTER ROLE ${stage}_away RENAME TO ${roleOf(stage)}`);
      await migrate(plain, null, logger);
      const { rows } = await plain.query(
        "SELECT has_table_privilege('tallyline_rater', 'tallyline.line_items', 'INSERT') AS may",
      );
      expect(rows).toEqual([{ may: true }]);
    } finally {
      await plain.end();
    }
  }, 60_000);
});
