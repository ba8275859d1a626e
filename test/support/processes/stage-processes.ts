// Stages as processes of their own, as compose and the chart run them: addresses in files, no Kafka, everything quick.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { until } from '../until.ts';
import { compiledCommand, startTestClickHouse, type TestClickHouse } from './clickhouse.ts';
import { startTestPostgres, type TestPostgres } from './postgres.ts';

interface RunningStage {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
  /** What it logged so far. */
  log(): string;
  /** Resolves to the exit status. */
  readonly ended: Promise<number | null>;
}

export interface StageProcesses {
  readonly postgres: TestPostgres;
  readonly clickhouse: TestClickHouse;
  readonly running: readonly RunningStage[];
  /** Runs a command to its end and resolves to what it printed. */
  tallyline(...args: string[]): Promise<string>;
  /** Runs a command and kills it at the first line of its output that fits; resolves to what it had printed. */
  killAt(line: RegExp, ...args: string[]): Promise<string>;
  /** Resolves once the stage says where it serves; rejects with what it wrote when it ends before that. */
  start(name: string): Promise<RunningStage>;
  /** The same, once it is ready for requests too: it serves before it has read the catalog. */
  startReady(name: string): Promise<RunningStage>;
  /** The same, as another user of Postgres. */
  startAs(name: string, postgresUrl: string): Promise<RunningStage>;
  /** The same, on a port that may be taken. */
  startOn(name: string, port: string): Promise<RunningStage>;
  /** SIGTERM to every process of a stage, or of all; resolves to their exit statuses. */
  drain(name?: string): Promise<(number | null)[]>;
  /** Where the first process of a stage serves. */
  urlOf(name: string): string;
  stop(): Promise<void>;
}

/** `settings`: of every stage and command, beside the addresses of the stores. `withDocker`: as of the stores. */
export async function startStores(
  settings: Readonly<Record<string, string>> = {},
  { withDocker = true } = {},
): Promise<StageProcesses> {
  const [node, main] = compiledCommand();
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-stages-'));
  const [postgres, clickhouse] = await Promise.all([
    startTestPostgres({ withDocker }),
    startTestClickHouse({ withDocker }),
  ]);
  const address = new URL(clickhouse.url);
  Object.assign(address, {
    username: clickhouse.username,
    password: clickhouse.password,
    pathname: clickhouse.database,
  });
  // With the newline that an editor leaves.
  await writeFile(join(directory, 'database-url'), `${postgres.url}\n`);
  await writeFile(join(directory, 'clickhouse-url'), `${address.href}\n`);
  const env = {
    PATH: process.env.PATH,
    PORT: '0',
    DATABASE_URL_FILE: join(directory, 'database-url'),
    CLICKHOUSE_URL_FILE: join(directory, 'clickhouse-url'),
    TALLYLINE_ACCOUNTS_KEY: Buffer.alloc(32, 1).toString('base64'),
    TALLYLINE_DRAIN_GRACE: '0ms',
    TALLYLINE_PARTITIONS: '2',
    TALLYLINE_CHUNK_SLOT: '500ms',
    TALLYLINE_FLUSH_INTERVAL: '100ms',
    TALLYLINE_TICK_INTERVAL: '100ms',
    TALLYLINE_RATER_INTERVAL: '200ms',
    ...settings,
  };
  let running: RunningStage[] = [];
  const startOn = async (name: string, port: string, more: NodeJS.ProcessEnv = {}): Promise<RunningStage> => {
    const child = spawn(node, [main, name], {
      env: { ...env, PORT: port, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready ')) resolve(line.slice('ready '.length));
      });
      child.once('exit', (status) => reject(new Error(`${name} ended with ${status}:\n${errors}`)));
    });
    const stage = { name, url, child, ended, log: () => errors };
    running.push(stage);
    return stage;
  };
  return {
    postgres,
    clickhouse,
    get running() {
      return running;
    },
    async tallyline(...args) {
      const { stdout } = await promisify(execFile)(node, [main, ...args], { env });
      return stdout.trim();
    },
    start: (name) => startOn(name, env.PORT),
    startReady: async (name) => {
      const stage = await startOn(name, env.PORT);
      await until(async () => (await fetch(`${stage.url}/readyz`)).ok, `${name} is ready`, 30_000);
      return stage;
    },
    startAs: async (name, postgresUrl) => {
      const file = join(directory, `database-url-${name}`);
      await writeFile(file, postgresUrl);
      return startOn(name, env.PORT, { DATABASE_URL_FILE: file });
    },
    startOn: (name, port) => startOn(name, port),
    async killAt(line, ...args) {
      const child = spawn(node, [main, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      let printed = '';
      for await (const each of createInterface({ input: child.stdout })) {
        printed += `${each}\n`;
        if (line.test(each)) child.kill('SIGKILL');
      }
      await ended;
      return printed;
    },
    async drain(name) {
      const drained = running.filter((stage) => name === undefined || stage.name === name);
      running = running.filter((stage) => !drained.includes(stage));
      for (const { child } of drained) child.kill('SIGTERM');
      return Promise.all(drained.map(({ ended }) => ended));
    },
    urlOf: (name) => running.find((stage) => stage.name === name)!.url,
    async stop() {
      for (const { child } of running) child.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
      await Promise.all([postgres.stop(), clickhouse.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
