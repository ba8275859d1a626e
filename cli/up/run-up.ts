// `tallyline up`: every stage on one machine. This process supervises; the work is in its children, which are started
// in the order stores, aggregator, rater, edge, are started again when they end, and are drained in the reverse order
// of need: edge, aggregator, rater, ClickHouse, Postgres.
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import type { Logger } from 'pino';
import { listenFault } from '../../platform/admin-server.ts';
import { delay } from '../../platform/calls/retry.ts';
import { applyCatalogFile } from '../../platform/catalog-publishing/apply-catalog.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { startEmbeddedClickHouse } from '../../platform/clickhouse/embedded/embedded.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { startEmbeddedPostgres } from '../../platform/postgres/embedded/embedded.ts';
import { lockDirectory } from '../../platform/process/directory-lock.ts';
import { untilStopped } from '../../platform/process/lifecycle.ts';
import { createLogger } from '../../platform/process/logging.ts';
import { type Environment, parseSettings } from '../../platform/settings/config.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { accountsKeyVariable, ensureAccountsKeyFile } from '../accounts-key-file.ts';
import { readCatalogFile } from '../catalog-application.ts';
import { workerNames } from '../stage/stage-table.ts';
import { type KeptName, keptNames, removeStagesFile, type StagesFile, writeStagesFile } from '../stage/stages-file.ts';
import { openEventLog, openReachablePool } from '../stores.ts';
import { ensureApiKeyFile } from './api-key-file.ts';
import { Keeper, type Running } from './keeper.ts';
import { ownCommand, type StageChild, startStageChild } from './stage-child.ts';

export interface UpOptions {
  readonly dataDir: string;
  /** Null: the catalog stays as it is. */
  readonly catalogFile: string | null;
  /** Command-line options, by the variable they stand for. */
  readonly overrides: Environment;
}

/** How long the edge may take to read its catalog and find its stores before that is an error. */
const READY_TIMEOUT_MS = 60_000;

interface Stoppable {
  readonly name: string;
  readonly stop: () => Promise<void>;
}

interface CatalogText {
  readonly file: string;
  readonly text: string;
}

/** Reads and checks a catalog before anything is started for it. */
const loadCatalog = async (file: string): Promise<CatalogText> => ({ file, text: (await readCatalogFile(file)).text });

/** Resolves to the exit status, once it was told to stop and everything is drained. */
export async function runUp(options: UpOptions): Promise<0 | 1> {
  const dataDir = resolve(options.dataDir);
  const settings = parseSettings(process.env, options.overrides);
  const catalog = options.catalogFile === null ? null : await loadCatalog(options.catalogFile);
  const logger = createLogger('up', settings.logLevel);
  // From here on a signal is obeyed in order, also while things are still starting.
  const stopped = new AbortController();
  const stop = untilStopped().then((reason) => {
    logger.info({ reason }, 'draining');
    stopped.abort();
  });
  const unlock = lockDirectory(dataDir);
  const up = new Up(dataDir, settings, logger, stopped.signal, options.overrides);
  try {
    await assertPortFree(settings.http);
    const url = await up.start(catalog);
    if (url !== null) process.stdout.write(`ready ${url}\n`);
    await stop;
    return 0;
  } finally {
    await up.stop();
    unlock();
  }
}

class Up {
  private readonly dataDir: string;
  private readonly settings: Settings;
  private readonly logger: Logger;
  private readonly signal: AbortSignal;
  private readonly overrides: Environment;
  /** What runs, by its turn to be drained. */
  private readonly started = new Map<number, Stoppable>();
  private stages: StagesFile = { supervisor: { pid: process.pid } };

  constructor(dataDir: string, settings: Settings, logger: Logger, signal: AbortSignal, overrides: Environment) {
    this.dataDir = dataDir;
    this.settings = settings;
    this.logger = logger;
    this.signal = signal;
    this.overrides = overrides;
  }

  /** Resolves to the address once everything serves; to null when it was stopped before. */
  async start(catalog: CatalogText | null): Promise<string | null> {
    const [postgresUrl, clickhouse] = await allOrNone([this.startPostgres(), this.startClickHouse()]);
    if (this.signal.aborted) return null;
    const settings: Settings = { ...this.settings, postgresUrl, clickhouse };
    await this.prepareStores(settings, catalog);
    if (this.signal.aborted) return null;

    const environment = childEnvironment(settings, this.overrides);
    const worker = { ...environment, HOST: '127.0.0.1', PORT: '0' };
    // In parallel; each is drained in its own turn.
    const [edge] = await allOrNone([
      this.startEdge({ ...environment, ...accountsKeyVariable(this.dataDir, process.env) }),
      allOrNone(workerNames.map((name) => this.keep(name, () => startStageChild(name, worker)))),
    ]);
    await this.untilReady(edge.url);
    return this.signal.aborted ? null : edge.url;
  }

  async stop(): Promise<void> {
    for (const [, { name, stop }] of [...this.started].sort(([a], [b]) => a - b)) {
      try {
        await stop();
      } catch (error) {
        this.logger.error({ err: error }, `${name} could not be stopped`);
      }
    }
    removeStagesFile(this.dataDir);
    this.logger.info('drained');
  }

  private async startPostgres(): Promise<string> {
    if (this.settings.postgresUrl !== null) return this.settings.postgresUrl;
    let port: number | undefined;
    const start = async () => {
      const server = await startEmbeddedPostgres(
        join(this.dataDir, 'postgres'),
        this.logger,
        port === undefined ? {} : { port },
      );
      port = Number(new URL(server.url).port);
      return server;
    };
    return (await this.keep('postgres', start)).url;
  }

  private async startClickHouse(): Promise<NonNullable<Settings['clickhouse']>> {
    if (this.settings.clickhouse !== null) return this.settings.clickhouse;
    let address: { port: number; password: string } | null = null;
    const start = async () => {
      const options = { dataDir: join(this.dataDir, 'clickhouse'), command: ownCommand(), ...address };
      const server = await startEmbeddedClickHouse(options, this.logger);
      address = { port: Number(new URL(server.url).port), password: server.password };
      const { url, username, password, database } = server;
      const full = new URL(`/${database}`, url);
      Object.assign(full, { username, password });
      return { ...server, url: full.href, settings: { url, username, password, database } };
    };
    return (await this.keep('clickhouse', start)).settings;
  }

  /** The edge keeps its port over a restart, also where any free one was asked for. */
  private async startEdge(environment: NodeJS.ProcessEnv): Promise<StageChild> {
    let port: string | undefined;
    return this.keep('edge', async () => {
      const child = await startStageChild('edge', { ...environment, ...(port !== undefined && { PORT: port }) });
      port = new URL(child.url).port;
      return child;
    });
  }

  /** Starts something, keeps it running and writes down where it is. */
  private async keep<Process extends Running & { readonly url: string }>(
    name: KeptName,
    start: () => Promise<Process>,
  ): Promise<Process> {
    let first: Process | undefined;
    const keeper = await Keeper.start(name, start, this.logger, (process) => {
      first ??= process;
      this.stages = { ...this.stages, [name]: { pid: process.pid, url: process.url } };
      writeStagesFile(this.dataDir, this.stages);
    });
    this.started.set(keptNames.indexOf(name), { name, stop: () => keeper.stop() });
    return first!;
  }

  private async prepareStores(settings: Settings, catalog: CatalogText | null): Promise<void> {
    const pool = await openReachablePool(settings, this.logger, 'tallyline up');
    try {
      const clickhouse = createClickHouse(settings.clickhouse!, this.logger);
      try {
        await migrate(pool, clickhouse, this.logger);
        await ensureApiKeyFile(this.dataDir, pool);
        ensureAccountsKeyFile(this.dataDir, process.env);
        await this.openLog(settings, pool, catalog, clickhouse);
      } finally {
        await clickhouse.close();
      }
    } finally {
      await pool.end();
    }
  }

  private async openLog(
    settings: Settings,
    pool: pg.Pool,
    catalog: CatalogText | null,
    usage: Pick<ClickHouse, 'query'>,
  ): Promise<void> {
    const eventLog = await openEventLog(settings, pool, this.logger);
    try {
      if (catalog === null) return;
      const applied = await applyCatalogFile(pool, eventLog, catalog.text, catalog.file, { usage });
      this.logger.info({ version: applied.version, changes: applied.changes.length }, 'catalog applied');
    } finally {
      await eventLog.close();
    }
  }

  private async untilReady(url: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      let reason: string;
      try {
        const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
        if (response.ok) return;
        reason = await response.text();
      } catch (error) {
        reason = String(error);
      }
      if (this.signal.aborted) return;
      if (performance.now() > deadline) throw new Error(`not ready after ${READY_TIMEOUT_MS / 1000} s: ${reason}`);
      await delay(50, this.signal);
    }
  }
}

/** Waits for all even when one fails: what the others started is then known, and can be stopped. */
async function allOrNone<Results extends readonly unknown[]>(
  promises: {
    readonly [Index in keyof Results]: Promise<Results[Index]>;
  },
): Promise<Results> {
  for (const result of await Promise.allSettled(promises)) if (result.status === 'rejected') throw result.reason;
  return (await Promise.all(promises)) as unknown as Results;
}

function childEnvironment(settings: Settings, overrides: Environment): NodeJS.ProcessEnv {
  const { url, username, password, database } = settings.clickhouse!;
  const clickhouseUrl = new URL(`/${encodeURIComponent(database)}`, url);
  Object.assign(clickhouseUrl, { username: encodeURIComponent(username), password: encodeURIComponent(password) });
  const { DATABASE_URL_FILE: _, CLICKHOUSE_URL_FILE: __, ...inherited } = process.env;
  return {
    ...inherited,
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
    DATABASE_URL: settings.postgresUrl!,
    CLICKHOUSE_URL: clickhouseUrl.href,
  };
}

/** Asked before anything is started: a port in use is the newcomer's most likely fault. */
function assertPortFree({ host, port }: Settings['http']): Promise<void> {
  return new Promise((free, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(new Error(listenFault(error, host, port), { cause: error })));
    probe.listen(port, host, () => probe.close(() => free()));
  });
}
