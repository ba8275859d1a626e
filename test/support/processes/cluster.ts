// A deployment of separate processes without Docker: a Kafka broker, Postgres, the ClickHouse engine behind HTTP, and
// every stage a process of its own, two aggregators among them. Each process can be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compiledCommand } from './clickhouse.ts';
import { startKafka, type TestKafka } from './kafka-broker.ts';
import { startTestPostgres, type TestPostgres } from './postgres.ts';
import { tallyline } from './up.ts';

const clusterStages = ['ingest', 'aggregator-0', 'aggregator-1', 'rater', 'query'] as const;
export type ClusterStage = (typeof clusterStages)[number];

/** One stage, or another command that says where it serves. */
export class StageProcess {
  readonly name: string;
  private readonly args: readonly string[];
  private readonly environment: NodeJS.ProcessEnv;
  private child: ChildProcess | null = null;
  url = '';
  log = '';

  private readonly nodeArguments: readonly string[];

  constructor(
    name: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    nodeArguments: readonly string[] = [],
  ) {
    this.name = name;
    this.args = args;
    this.environment = environment;
    this.nodeArguments = nodeArguments;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  async start(): Promise<void> {
    const [file, main] = compiledCommand();
    const child = spawn(file, [...this.nodeArguments, main, ...this.args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    this.child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const address = /^ready (\S+)$/.exec(line)?.[1];
      if (address === undefined) continue;
      this.url = address;
      child.stdout.resume();
      return;
    }
    throw new Error(`${this.name} ended before it was ready:\n${this.log}`);
  }

  /** SIGKILL, SIGTERM, SIGSTOP or SIGCONT; waits for the end where the signal ends it. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await exited;
  }
}

export interface Cluster {
  readonly apiKey: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly kafka: TestKafka;
  readonly postgresUrl: string;
  url(stage: ClusterStage): string;
  log(stage: ClusterStage): string;
  start(stage: ClusterStage | 'clickhouse'): Promise<void>;
  signal(stage: ClusterStage | 'clickhouse', signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(catalogYaml: string, settings: Readonly<Record<string, string>>): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-cluster-'));
  const running: { postgres?: TestPostgres; kafka?: TestKafka } = {};
  const processes = new Map<string, StageProcess>();
  const stop = async (): Promise<void> => {
    for (const name of [...clusterStages, 'clickhouse']) {
      await processes.get(name)?.signal('SIGCONT');
      await processes.get(name)?.signal('SIGTERM');
    }
    await Promise.all([running.postgres?.stop(), running.kafka?.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    [running.postgres, running.kafka] = await Promise.all([startTestPostgres(), startKafka()]);
    const password = 'test';
    const clickhouseAt = async (port: string): Promise<StageProcess> => {
      const server = new StageProcess(
        'clickhouse',
        ['clickhouse', '--data-dir', join(directory, 'clickhouse'), '--port', port],
        {
          CLICKHOUSE_PASSWORD: password,
          LOG_LEVEL: 'warn',
        },
      );
      await server.start();
      return server;
    };
    // A port of its own choice the first time, the same one ever after.
    const first = await clickhouseAt('0');
    const address = new URL(first.url);
    await first.signal('SIGTERM');
    processes.set('clickhouse', await clickhouseAt(address.port));

    const environment = {
      LOG_LEVEL: 'info',
      DATABASE_URL: running.postgres.url,
      CLICKHOUSE_URL: `http://default:${password}@${address.host}/tallyline`,
      KAFKA_BROKERS: running.kafka.brokers.join(','),
      TALLYLINE_DRAIN_GRACE: '0ms',
      TALLYLINE_REPLICATION: '1',
      TALLYLINE_MIN_INSYNC_REPLICAS: '1',
      PORT: '0',
      ...settings,
    };
    const run = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await tallyline(args, environment);
      if (status !== 0) throw new Error(`tallyline ${args.join(' ')} exited ${status}: ${stderr}`);
      return stdout.trim();
    };
    await run('migrate');
    const apiKey = await run('keys', 'create', '--tenant', 'default', '--operator');
    const catalogFile = join(directory, 'catalog.yaml');
    await writeFile(catalogFile, catalogYaml);
    await run('catalog', 'apply', catalogFile);
    for (const name of clusterStages) {
      const server = new StageProcess(name, [name.replace(/-\d$/, '')], environment);
      processes.set(name, server);
      await server.start();
    }
    return {
      apiKey,
      environment,
      kafka: running.kafka,
      postgresUrl: running.postgres.url,
      url: (stage) => processes.get(stage)!.url,
      log: (stage) => processes.get(stage)!.log,
      start: (stage) => processes.get(stage)!.start(),
      signal: (stage, signal) => processes.get(stage)!.signal(signal),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
