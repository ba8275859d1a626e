// Every SQL statement of the runbooks and of docs/operate/operations.md runs on the schemas as they are: what is typed
// at three in the morning must not be a table or a column that was renamed.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import type { ClickHouseDatabase } from '../../platform/clickhouse/client.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';

interface Statement {
  readonly page: string;
  readonly sql: string;
  readonly store: 'postgres' | 'clickhouse';
}

/** Statements stand in indented blocks and end with a semicolon; the capitals G, P, C and E stand for numbers. */
function statementsOf(page: string): Statement[] {
  const blocks = readFileSync(projectFile(page), 'utf8').match(/(?:^ {4,}\S.*\n(?:\n(?= {4,}\S))?)+/gm) ?? [];
  return blocks
    .flatMap((block) => block.match(/^ *(?:SELECT|UPDATE)\b[^;]*;/gm) ?? [])
    .map((text) =>
      text
        .trim()
        .slice(0, -1)
        .replace(/\b[GPCE]\b/g, '1'),
    )
    .map((sql) => ({ page, sql, store: /\b(?:FROM|UPDATE) tallyline\./.test(sql) ? 'postgres' : 'clickhouse' }));
}

const pages = [
  'docs/operate/operations.md',
  ...readdirSync(projectFile('docs/operate/runbooks')).map((name) => `docs/operate/runbooks/${name}`),
];
const statements = pages.flatMap(statementsOf);

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouseDatabase;

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
}, 300_000);

afterAll(() => stores?.stop());

describe('SQL of the runbooks', () => {
  it('was found', () => {
    expect(statements.filter(({ store }) => store === 'postgres').length).toBeGreaterThan(10);
    expect(statements.filter(({ store }) => store === 'clickhouse').length).toBeGreaterThan(5);
  });

  it.each(statements.filter(({ store }) => store === 'postgres'))('$page: $sql', async ({ sql }) => {
    await expect(pool.query(sql)).resolves.toBeDefined();
  });

  // EXPLAIN resolves every name; tables of the server's own (system.query_log) may not be there yet on a new one.
  it.each(statements.filter(({ sql, store }) => store === 'clickhouse' && !sql.includes('system.query_log')))(
    '$page: $sql',
    async ({ sql }) => {
      await expect(clickhouse.query(`EXPLAIN ${sql.replace(/ FORMAT \w+$/, '')}`)).resolves.toBeDefined();
    },
  );
});
