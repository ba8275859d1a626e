import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { freeze } from '../../test/support/processes/frozen-process.ts';
import { startTestPostgres, type TestPostgres } from '../../test/support/processes/postgres.ts';
import { createPool, inTransaction } from './pool.ts';
import { isTransientPostgresError } from './transient.ts';

let server: TestPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  server = await startTestPostgres();
  pool = createPool(server.url, pino({ level: 'silent' }));
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await server?.stop();
});

describe('a transaction', () => {
  it('fails, and nothing else does, when its connection breaks between two statements', async () => {
    const broken = inTransaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const ended = new Promise<void>((resolve) => client.once('end', resolve));
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await ended;
      await client.query('SELECT 1');
    });
    const error: unknown = await broken.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    expect(isTransientPostgresError(error)).toBe(true);
    const { rows } = await inTransaction(pool, (client) => client.query('SELECT 1 AS one'));
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('is given up when its server hangs, and its connection with it', async () => {
    // In a container the process can't be stopped from here.
    if (server.pid === null) return;
    const impatient = createPool(server.url, pino({ level: 'silent' }), { statementTimeoutMs: 100, connectionsMax: 1 });
    let thaw = (): void => {};
    const pids: number[] = [];
    const hanging = inTransaction(impatient, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      pids.push(rows[0]!.pid);
      thaw = freeze(rows[0]!.pid);
      await client.query('SELECT 1');
    });
    const error: unknown = await hanging.catch((reason: unknown) => reason);
    expect(isTransientPostgresError(error)).toBe(true);
    const { rows } = await inTransaction(impatient, (client) =>
      client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'),
    );
    expect(rows[0]!.pid).not.toBe(pids[0]);
    thaw();
    await impatient.end();
  });
});
