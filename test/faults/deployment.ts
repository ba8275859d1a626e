// Tallyline as it runs on a cluster, on this machine and without Docker: Kafka brokers, Postgres, the ClickHouse engine
// behind HTTP, and any number of every stage, each a process of its own that can be killed, stopped and started again
// on the same ports and data. A process that ends by itself is started again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StageName } from '../../cli/stage/stage-table.ts';
import { compiledCommand } from '../support/processes/clickhouse.ts';
import { tallyline } from '../support/processes/up.ts';
import { type Launched, ManagedProcess } from './managed-process.ts';
import { freeBasePort, launchBroker, launchNode, launchPostgres } from './programs.ts';

export type Store = 'kafka' | 'postgres' | 'clickhouse';

export interface DeploymentOptions {
  readonly catalogYaml: string;
  /** Who has which plan: a file with the section `subscriptions`. */
  readonly subscriptionsYaml: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly brokers: 1 | 3;
  /** How many of each stage; named ingest-0, ingest-1 and so on. */
  readonly stages: Readonly<Partial<Record<StageName, number>>>;
  /** The compiled command that runs a stage; default: that of dist/. */
  readonly commandOf?: (stage: StageName) => readonly [string, string];
  /** Asked at every start of a stage, for what differs from start to start. */
  readonly environmentOf?: (stage: string) => Readonly<Record<string, string>>;
  /** Told when a process ended by itself, with the last reason in its log. */
  readonly onUnaskedEnd?: (line: string) => void;
  /** Where a store keeps its data, if not below the deployment's own directory. */
  readonly directories?: Partial<Record<Store, string>>;
}

const PASSWORD = 'test';
const START_ATTEMPTS_MAX = 2;

export class Deployment {
  /** Everything of it is below; `logs` holds what each process wrote. */
  readonly directory: string;
  readonly options: DeploymentOptions;
  readonly processes = new Map<string, ManagedProcess>();
  /** What a stage or a command is started with. */
  environment: Readonly<Record<string, string>> = {};
  apiKey = '';
  postgresUrl = '';

  private readonly unaskedEnds: string[] = [];

  private constructor(directory: string, options: DeploymentOptions) {
    this.directory = directory;
    this.options = options;
  }

  /** Resolves once every stage serves. Rejects, with nothing left running, where one of them can't. */
  static async start(options: DeploymentOptions): Promise<Deployment> {
    const directory = await mkdtemp(join(tmpdir(), 'tallyline-faults-'));
    mkdirSync(join(directory, 'logs'));
    const deployment = new Deployment(directory, options);
    process.once('exit', deployment.abandon);
    try {
      await deployment.startStores();
      await deployment.prepare();
      await deployment.startStages();
      return deployment;
    } catch (error) {
      await deployment.stop({ keep: true });
      throw new Error(`the deployment did not start; its logs: ${join(directory, 'logs')}`, { cause: error });
    }
  }

  process(name: string): ManagedProcess {
    const found = this.processes.get(name);
    if (found === undefined) throw new Error(`no process ${name}: ${[...this.processes.keys()].join(', ')}`);
    return found;
  }

  /** The processes of a stage that serve now, or all where none does. */
  urls(kind: StageName): string[] {
    const all = this.ofKind(kind);
    const serving = all.filter((each) => each.isServing);
    return (serving.length > 0 ? serving : all).map((each) => each.url);
  }

  ofKind(kind: StageName | 'kafka'): ManagedProcess[] {
    return [...this.processes.values()].filter((each) => each.name.replace(/-\d+$/, '') === kind);
  }

  /** Which processes ended by themselves, and how, in order. */
  ends(): readonly string[] {
    return this.unaskedEnds;
  }

  /** Runs a command of tallyline on the deployment's stores. */
  run(...args: string[]): ReturnType<typeof tallyline> {
    return tallyline(args, { ...this.environment, LOG_LEVEL: 'error' });
  }

  /** Adds a process of a stage, not started yet. */
  add(name: string): ManagedProcess {
    const kind = name.replace(/-\d+$/, '') as StageName;
    const { commandOf = compiledCommand, environmentOf } = this.options;
    return this.manage(name, () =>
      launchNode({
        command: [...commandOf(kind), kind],
        environment: { ...this.environment, PORT: '0', ...environmentOf?.(name) },
        logFile: this.logFile(name),
      }),
    );
  }

  /** Leaves nothing behind when this process ends in the middle. */
  private readonly abandon = (): void => {
    for (const each of this.processes.values()) each.abandon();
  };

  async stop({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    const all = [...this.processes.values()];
    const stores = all.filter(({ name }) => /^(kafka-|postgres$|clickhouse$)/.test(name));
    // Nothing is measured any more, and a drain that waits for a store would only take time.
    await Promise.all(all.filter((each) => !stores.includes(each)).map((each) => each.kill()));
    await Promise.all(stores.map((each) => (each.name === 'postgres' ? each.stop() : each.kill())));
    process.off('exit', this.abandon);
    if (!keep) await rm(this.directory, { recursive: true, force: true });
  }

  /** Its last fatal line, else its last line: a command that cannot begin says so in plain words. */
  private lastReason(name: string): string {
    if (!existsSync(this.logFile(name))) return 'no log';
    const lines = readFileSync(this.logFile(name), 'utf8').trimEnd().split('\n').slice(-20);
    const line = lines.findLast((each) => each.includes('"fatal"')) ?? lines.at(-1)!;
    return (/"message":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line).slice(0, 300);
  }

  private manage(name: string, launch: () => Launched): ManagedProcess {
    const managed = new ManagedProcess(name, launch, (how) => {
      this.unaskedEnds.push(`${name}: ${how}`);
      this.options.onUnaskedEnd?.(`${name} ended by itself (${how}): ${this.lastReason(name)}`);
    });
    this.processes.set(name, managed);
    return managed;
  }

  private logFile(name: string): string {
    return join(this.directory, 'logs', `${name}.log`);
  }

  private directoryOf(store: Store): string {
    return this.options.directories?.[store] ?? join(this.directory, store);
  }

  private async startStores(): Promise<void> {
    const { brokers } = this.options;
    const basePort = await freeBasePort();
    for (let index = 0; index < brokers; index++) {
      const name = `kafka-${index}`;
      const place = { index, brokers, directory: this.directoryOf('kafka'), basePort, logFile: this.logFile(name) };
      this.manage(name, () => launchBroker(place));
    }
    // Each takes a port of its own choice the first time, and the same one ever after.
    let postgresPort: number | undefined;
    const postgres = this.manage('postgres', () => launchPostgres(this.directoryOf('postgres'), postgresPort));
    let clickhousePort = '0';
    const clickhouse = this.manage('clickhouse', () =>
      launchNode({
        command: [
          ...compiledCommand(),
          'clickhouse',
          '--data-dir',
          this.directoryOf('clickhouse'),
          '--port',
          clickhousePort,
        ],
        environment: { CLICKHOUSE_PASSWORD: PASSWORD, LOG_LEVEL: 'warn' },
        logFile: this.logFile('clickhouse'),
      }),
    );
    await Promise.all([...this.processes.values()].map((each) => each.start(START_ATTEMPTS_MAX)));
    postgresPort = Number(new URL(postgres.url).port);
    clickhousePort = new URL(clickhouse.url).port;
    this.postgresUrl = postgres.url;
    const replicas = String(brokers);
    this.environment = {
      LOG_LEVEL: 'info',
      DATABASE_URL: postgres.url,
      CLICKHOUSE_URL: `http://default:${PASSWORD}@${new URL(clickhouse.url).host}/tallyline`,
      KAFKA_BROKERS: Array.from({ length: brokers }, (_, index) => `127.0.0.1:${basePort + index}`).join(','),
      TALLYLINE_DRAIN_GRACE: '0ms',
      TALLYLINE_ACCOUNTS_KEY: Buffer.alloc(32, 7).toString('base64'),
      TALLYLINE_REPLICATION: replicas,
      TALLYLINE_MIN_INSYNC_REPLICAS: brokers === 3 ? '2' : '1',
      ...this.options.settings,
    };
  }

  private async prepare(): Promise<void> {
    const run = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await this.run(...args);
      if (status !== 0) throw new Error(`tallyline ${args.join(' ')} exited ${status}: ${stderr}`);
      return stdout.trim();
    };
    await run('migrate');
    this.apiKey = await run('keys', 'create', '--tenant', 'default', '--operator');
    const catalogFile = join(this.directory, 'catalog.yaml');
    writeFileSync(catalogFile, this.options.catalogYaml);
    await run('catalog', 'apply', catalogFile, '--effective-at', '2026-01-01T00:00:00Z');
    const subscriptionsFile = join(this.directory, 'subscriptions.yaml');
    writeFileSync(subscriptionsFile, this.options.subscriptionsYaml);
    await run('import', 'subscriptions', subscriptionsFile, '--tenant', 'default');
  }

  private async startStages(): Promise<void> {
    for (const [kind, count] of Object.entries(this.options.stages)) {
      for (let index = 0; index < count; index++) this.add(`${kind}-${index}`);
    }
    const stages = [...this.processes.values()].filter(({ url }) => url === '');
    await Promise.all(stages.map((each) => each.start(START_ATTEMPTS_MAX)));
  }
}
