// A ClickHouse of its own for a test file: a container where a Docker engine answers, else the in-process engine behind
// its HTTP endpoint, in a child process and a temporary directory.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { startEmbeddedClickHouse } from '../../../platform/clickhouse/embedded/embedded.ts';
import { projectFile } from '../../../platform/process/project-root.ts';
import { dockerAnswers } from './docker.ts';

export interface TestClickHouse {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Exists, and is empty. */
  readonly database: string;
  /** Of the process that serves; null in a container. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

/** The compiled command, which a child process can run without a loader. */
export function compiledCommand(): [string, string] {
  const main = projectFile('dist/cli/main.js');
  if (!existsSync(main)) throw new Error(`${main} is missing: run \`npm run build\` first (\`npm test\` does)`);
  return [process.execPath, main];
}

/** `withDocker` false: never a container, whose process and files are out of reach. */
export async function startTestClickHouse({ withDocker = true } = {}): Promise<TestClickHouse> {
  if (withDocker && (await dockerAnswers())) {
    const { ClickHouseContainer } = await import('@testcontainers/clickhouse');
    const container = await new ClickHouseContainer('clickhouse/clickhouse-server:26.3')
      .withDatabase('tallyline')
      .start();
    return {
      url: container.getHttpUrl(),
      username: container.getUsername(),
      password: container.getPassword(),
      database: container.getDatabase(),
      pid: null,
      stop: async () => void (await container.stop()),
    };
  }
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-clickhouse-'));
  const logger = pino({ level: 'silent' });
  const server = await startEmbeddedClickHouse({ dataDir: directory, command: compiledCommand() }, logger);
  const { createClickHouse } = await import('../../../platform/clickhouse/client.ts');
  const client = createClickHouse(server, logger);
  await client.createDatabase();
  await client.close();
  return {
    url: server.url,
    username: server.username,
    password: server.password,
    database: server.database,
    pid: server.pid,
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
