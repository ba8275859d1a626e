// Tallyline installed for one run: databases and a topic of its own on the stand's servers, the benches' catalog
// applied, an API key, and stages as processes of their own. Nothing of an earlier run is in it.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import pino from 'pino';
import { STAGE_NODE_FLAGS } from '../../cli/stage/stage-node-flags.ts';
import type { StageName } from '../../cli/stage/stage-table.ts';
import { openEventLog } from '../../cli/stores.ts';
import { createApiKey } from '../../platform/access/api-key-store.ts';
import { applyCatalogFile } from '../../platform/catalog-publishing/apply-catalog.ts';
import { type ClickHouseDatabase, createClickHouse } from '../../platform/clickhouse/client.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { StageProcess } from '../../test/support/processes/cluster.ts';
import { until } from '../../test/support/until.ts';
import { TENANT } from '../workload/usage-stream.ts';
import type { ProcessTimes } from './process-times.ts';
import { profileArguments } from './profiles.ts';

export interface InstallationParts {
  readonly name: string;
  /** Of servers; the databases and the topic are the installation's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly times: ProcessTimes;
  /** Its text; null: none is applied, so a bench can say what stands in the log. */
  readonly catalog: string | null;
}

const READY_TIMEOUT_MS = 30_000;
const COUNTED_TIMEOUT_MS = 600_000;
const logger = pino({ level: process.env.BENCH_LOG_LEVEL ?? 'silent' }, pino.destination(2));

export class Installation {
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: Settings;
  readonly pool: pg.Pool;
  readonly clickhouse: ClickHouseDatabase;
  readonly eventLog: EventLog;
  readonly apiKey: string;
  private readonly times: ProcessTimes;
  private readonly stages: StageProcess[] = [];

  private constructor(
    parts: InstallationParts,
    opened: Pick<Installation, 'settings' | 'pool' | 'clickhouse' | 'eventLog' | 'apiKey'>,
  ) {
    this.environment = parts.environment;
    this.times = parts.times;
    this.settings = opened.settings;
    this.pool = opened.pool;
    this.clickhouse = opened.clickhouse;
    this.eventLog = opened.eventLog;
    this.apiKey = opened.apiKey;
  }

  static async open(parts: InstallationParts): Promise<Installation> {
    const settings = parseSettings(parts.environment);
    // Loading a history by SQL takes longer than a stage would wait for a statement.
    const pool = createPool(settings.postgresUrl!, logger, { statementTimeoutMs: 0, applicationName: 'bench' });
    const clickhouse = createClickHouse({ ...settings.clickhouse!, requestTimeoutMs: 1_800_000 }, logger);
    await migrate(pool, clickhouse, logger);
    const eventLog = await openEventLog(settings, pool, logger);
    if (parts.catalog !== null) await applyCatalogFile(pool, eventLog, parts.catalog, 'bench');
    const { key } = await createApiKey(pool, { tenant: TENANT, actor: 'cli:bench' }, 'bench');
    return new Installation(parts, { settings, pool, clickhouse, eventLog, apiKey: key });
  }

  /** Starts a stage and waits until it is ready; its CPU time counts for `role`. Returns its address. */
  async startStage(name: StageName, role: string = name): Promise<string> {
    const stage = await this.beginStage(name, role);
    await until(
      async () => (await fetch(`${stage.url}/readyz`)).ok,
      `${role} is ready; its log:\n${stage.log.slice(-4_000)}`,
      READY_TIMEOUT_MS,
      20,
    );
    return stage.url;
  }

  /** Starts a stage that need not be ready: a rater with much to do is so after its first step. */
  async beginStage(name: StageName, role: string = name): Promise<StageProcess> {
    const stage = new StageProcess(role, [name], this.environment, [...STAGE_NODE_FLAGS, ...profileArguments(role)]);
    this.stages.push(stage);
    await stage.start();
    this.times.add(stage.pid, role);
    return stage;
  }

  async stopStages(): Promise<void> {
    for (const stage of this.stages.splice(0)) {
      this.times.remove(stage.pid);
      await stage.signal('SIGTERM');
    }
  }

  async killStages(): Promise<void> {
    await Promise.all(this.stages.map((stage) => stage.signal('SIGKILL')));
  }

  /** Events that are in rows which can be queried. */
  async countedEvents(): Promise<number> {
    const [row] = await this.clickhouse.query<{ events: string }>(
      'SELECT toString(sum(accepted)) AS events FROM manifests FINAL',
    );
    return Number(row!.events);
  }

  /** Resolves once so many events are queryable. */
  async untilCounted(events: number): Promise<void> {
    const deadline = performance.now() + COUNTED_TIMEOUT_MS;
    for (;;) {
      const counted = await this.countedEvents();
      if (counted === events) return;
      if (counted > events) throw new Error(`${counted} events are counted, ${events} were sent`);
      if (performance.now() > deadline) {
        const logs = this.stages.map(({ name, log }) => `${name}:\n${log.slice(-2_000)}`).join('\n');
        throw new Error(
          `only ${counted} of ${events} events are counted after ${COUNTED_TIMEOUT_MS / 1_000} s\n${logs}`,
        );
      }
      await delay(50);
    }
  }

  async close(): Promise<void> {
    await this.stopStages();
    await this.eventLog.close();
    await this.clickhouse.command(`DROP DATABASE IF EXISTS ${this.clickhouse.database} SYNC`);
    await this.clickhouse.close();
    await this.pool.end();
  }
}
