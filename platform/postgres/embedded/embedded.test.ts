import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import pino from 'pino';
import { isRunning, waitUntilGone } from '../../process/process-probe.ts';
import { startEmbeddedPostgres } from './embedded.ts';

const logger = pino({ level: 'silent' });
const directories: string[] = [];

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-postgres-'));
  directories.push(directory);
  return directory;
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

describe('embedded Postgres', () => {
  it('keeps what was committed when the server is killed, and keeps its password secret', async () => {
    const directory = await newDirectory();
    const first = await startEmbeddedPostgres(directory, logger);
    await ask(first.url, 'CREATE TABLE kept (n integer); INSERT INTO kept VALUES (7)');
    process.kill(first.pid, 'SIGKILL');
    await expect(first.failed).rejects.toThrow('embedded Postgres ended');
    const second = await startEmbeddedPostgres(directory, logger);
    try {
      expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
      expect((await stat(join(directory, 'password'))).mode & 0o777).toBe(0o600);
      const wrong = new URL(second.url);
      wrong.password = 'wrong';
      await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    } finally {
      await second.stop();
    }
    expect(isRunning(second.pid, directory)).toBe(false);
  });

  it('stops a server left behind on the same directory', async () => {
    const directory = await newDirectory();
    const leftOver = await startEmbeddedPostgres(directory, logger);
    await ask(leftOver.url, 'CREATE TABLE kept (n integer); INSERT INTO kept VALUES (8)');
    const next = await startEmbeddedPostgres(directory, logger);
    try {
      expect(await waitUntilGone(leftOver.pid, directory, 5_000)).toBe(true);
      expect(next.pid).not.toBe(leftOver.pid);
      expect(await ask(next.url, 'SELECT n FROM kept')).toEqual([{ n: 8 }]);
    } finally {
      await next.stop();
    }
  });

  it('refuses a cluster of another major version in words', async () => {
    const directory = await newDirectory();
    const server = await startEmbeddedPostgres(directory, logger);
    await server.stop();
    const versionFile = join(directory, 'cluster', 'PG_VERSION');
    const version = await readFile(versionFile, 'utf8');
    await writeFile(versionFile, '9\n');
    await expect(startEmbeddedPostgres(directory, logger)).rejects.toThrow(
      /made by Postgres 9, and this installation brings/,
    );
    await writeFile(versionFile, version);
  });
});
