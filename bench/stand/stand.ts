// The servers of a bench: started when first asked for, used by all runs of a command, stopped at its end. They are
// real and on this machine: Kafka by deploy/kafka, the embedded Postgres and the embedded ClickHouse engine, each a
// process of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import pino from 'pino';
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from '../../platform/clickhouse/embedded/embedded.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/postgres/embedded/embedded.ts';
import { compiledCommand } from '../../test/support/processes/clickhouse.ts';
import { startKafka, type TestKafka } from '../../test/support/processes/kafka-broker.ts';
import { catalogYaml } from '../workload/usage-stream.ts';
import { Installation } from './installation.ts';
import { ProcessTimes } from './process-times.ts';

export interface InstallationOptions {
  /** Where the event log is. */
  readonly log: 'kafka' | 'postgres';
  readonly settings?: Readonly<Record<string, string>>;
  readonly catalog?: string | null;
}

const silent = pino({ level: 'silent' });

/** Of the deployment the figures are for; an installation may set others. */
const settings = {
  LOG_LEVEL: 'warn',
  PORT: '0',
  TALLYLINE_DRAIN_GRACE: '0ms',
  TALLYLINE_PARTITIONS: '12',
  TALLYLINE_REPLICATION: '1',
  TALLYLINE_MIN_INSYNC_REPLICAS: '1',
};

function withPath(url: string, path: string): string {
  const address = new URL(url);
  address.pathname = path;
  return address.href;
}

export class Stand {
  readonly times = new ProcessTimes();
  /** Everything that the servers store is below. */
  readonly directory: string;
  private postgresServer: Promise<EmbeddedPostgres> | null = null;
  private clickhouseServer: Promise<EmbeddedClickHouse> | null = null;
  private kafkaServer: Promise<TestKafka> | null = null;
  private installations = 0;
  private readonly installed = new Set<Installation>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Stand> {
    return new Stand(await mkdtemp(join(tmpdir(), 'tallyline-bench-')));
  }

  private postgres(): Promise<EmbeddedPostgres> {
    this.postgresServer ??= startEmbeddedPostgres(join(this.directory, 'postgres'), silent).then((server) => {
      this.times.add(server.pid, 'postgres');
      return server;
    });
    return this.postgresServer;
  }

  private clickhouse(): Promise<EmbeddedClickHouse> {
    const options = { dataDir: join(this.directory, 'clickhouse'), command: compiledCommand() };
    this.clickhouseServer ??= startEmbeddedClickHouse(options, silent).then((server) => {
      this.times.add(server.pid, 'clickhouse');
      return server;
    });
    return this.clickhouseServer;
  }

  /** The broker, and where it keeps its partitions. */
  kafka(): Promise<TestKafka> {
    this.kafkaServer ??= startKafka({ withDocker: false });
    return this.kafkaServer;
  }

  /** Databases and a topic that nothing has used before. */
  async install({ log, settings: more = {}, catalog = catalogYaml }: InstallationOptions): Promise<Installation> {
    const name = `bench_${++this.installations}`;
    const [postgres, clickhouse, kafka] = await Promise.all([
      this.postgres(),
      this.clickhouse(),
      log === 'kafka' ? this.kafka() : null,
    ]);
    // A broker that an earlier bench has started, and this one does not use, is no part of it.
    const running = kafka ?? (await this.kafkaServer);
    if (kafka !== null) this.times.add(kafka.pid!, 'kafka');
    else if (running !== null) this.times.remove(running.pid!);
    const admin = new pg.Client({ connectionString: postgres.url });
    await admin.connect();
    try {
      await admin.query(`CREATE DATABASE ${name}`);
    } finally {
      await admin.end();
    }
    const clickhouseUrl = new URL(withPath(clickhouse.url, name));
    Object.assign(clickhouseUrl, { username: clickhouse.username, password: clickhouse.password });
    const installation = await Installation.open({
      name,
      times: this.times,
      catalog,
      environment: {
        ...settings,
        TALLYLINE_TOPIC: name,
        TALLYLINE_GROUP: name,
        DATABASE_URL: withPath(postgres.url, name),
        CLICKHOUSE_URL: clickhouseUrl.href,
        ...(kafka !== null && { KAFKA_BROKERS: kafka.brokers.join() }),
        ...more,
      },
    });
    this.installed.add(installation);
    return installation;
  }

  /** Installs, works, and takes away what was installed. */
  async withInstallation<Result>(
    options: InstallationOptions,
    work: (installation: Installation) => Promise<Result>,
  ): Promise<Result> {
    const installation = await this.install(options);
    try {
      return await work(installation);
    } finally {
      this.installed.delete(installation);
      await installation.close();
    }
  }

  /** Also in the middle of a run: its stages are ended first, as nothing else would end them. */
  async close(): Promise<void> {
    for (const installation of this.installed) await installation.killStages();
    const stopped = await Promise.allSettled([
      this.kafkaServer?.then((server) => server.stop()),
      this.clickhouseServer?.then((server) => server.stop()),
      this.postgresServer?.then((server) => server.stop()),
    ]);
    await rm(this.directory, { recursive: true, force: true });
    for (const one of stopped) if (one.status === 'rejected') throw one.reason;
  }
}
