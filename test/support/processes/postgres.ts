// A Postgres server of its own for a test file: a container where a Docker engine answers, else the embedded server in
// a temporary directory. Both are real servers.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { startEmbeddedPostgres } from '../../../platform/postgres/embedded/embedded.ts';
import { dockerAnswers } from './docker.ts';

export interface TestPostgres {
  /** postgresql://…, a superuser's, an empty database. */
  readonly url: string;
  /** Of the server, whose connections are its children; null in a container. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

/** `withDocker` false: never a container, whose process is out of reach. */
export async function startTestPostgres({ withDocker = true } = {}): Promise<TestPostgres> {
  if (withDocker && (await dockerAnswers())) {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
    const container = await new PostgreSqlContainer('postgres:18-alpine').start();
    return { url: container.getConnectionUri(), pid: null, stop: async () => void (await container.stop()) };
  }
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-postgres-'));
  const server = await startEmbeddedPostgres(directory, pino({ level: 'silent' }));
  return {
    url: server.url,
    pid: server.pid,
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
