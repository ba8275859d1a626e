// A whole small installation in this process, without its gateway: events go straight into the log, a real aggregator
// counts and seals them in chunks of a second, and a rating loop prices them. For tests of what is stored in the end.
import pino from 'pino';
import { Registry } from 'prom-client';
import { startAggregator } from '../../../aggregator/main.ts';
import { openStores, type Stores } from '../../../cli/stores.ts';
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../../../domain/metering/rule-set.ts';
import { dedupKeyOf, partitionOf, payloadHashOf, type UsageEvent } from '../../../domain/usage-event.ts';
import { readClosingUpTo } from '../../../platform/billing-store/rater-progress.ts';
import { applyCatalog } from '../../../platform/catalog-publishing/apply-catalog.ts';
import { createClickHouse } from '../../../platform/clickhouse/client.ts';
import { encodeEventBatch } from '../../../platform/event-log/record-codec.ts';
import { migrate } from '../../../platform/migrations/migrate.ts';
import { createPool } from '../../../platform/postgres/pool.ts';
import type { Stage } from '../../../platform/process/stage.ts';
import { parseSettings } from '../../../platform/settings/config.ts';
import type { Settings } from '../../../platform/settings/settings.ts';
import { createRaterMetrics } from '../../../rater/metrics.ts';
import { RatingLoop } from '../../../rater/rating/rating-loop.ts';
import { storedRating } from '../../../rater/store/stored-rating.ts';
import { until } from '../until.ts';
import { startTestClickHouse } from './clickhouse.ts';
import { startTestPostgres } from './postgres.ts';

const logger = pino({ level: 'silent' });

export interface EventToSend {
  readonly tenant?: string;
  readonly id: string;
  readonly type?: string;
  readonly subject?: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly data?: Readonly<Record<string, unknown>>;
}

function usageEvent({
  tenant = 'acme',
  id,
  type = 'call',
  subject = 'cus_1',
  time,
  data = {},
}: EventToSend): UsageEvent {
  const text = JSON.stringify(data);
  return {
    ...{ tenant, source: '', id, type, subject, eventTime: time, timeGiven: true, receivedAt: Date.now(), data: text },
    dedupKey: dedupKeyOf(tenant, '', id),
    payloadHash: payloadHashOf(type, subject, time, text),
  };
}

export class Installation {
  readonly settings: Settings;
  readonly stores: Stores;
  private readonly release: () => Promise<void>;
  private aggregator: Stage | null = null;
  private decided = 0;

  private constructor(settings: Settings, stores: Stores, release: () => Promise<void>) {
    this.settings = settings;
    this.stores = stores;
    this.release = release;
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<Installation> {
    const [postgres, server] = await Promise.all([startTestPostgres(), startTestClickHouse()]);
    const url = new URL(server.url);
    url.username = server.username;
    url.password = server.password;
    url.pathname = `/${server.database}`;
    const settings = parseSettings({
      DATABASE_URL: postgres.url,
      CLICKHOUSE_URL: url.href,
      TALLYLINE_PARTITIONS: '2',
      TALLYLINE_CHUNK_SLOT: '1s',
      TALLYLINE_CHUNK_OFFSETS: '8',
      TALLYLINE_TICK_INTERVAL: '200ms',
      TALLYLINE_FLUSH_INTERVAL: '50ms',
      TALLYLINE_ALLOWED_LATENESS: '1m',
      ...environment,
    });
    const pool = createPool(postgres.url, logger);
    const clickhouse = createClickHouse(settings.clickhouse!, logger);
    await migrate(pool, clickhouse, logger);
    await clickhouse.close();
    await pool.end();
    const stores = await openStores(settings, logger, 'test');
    return new Installation(settings, stores, async () => {
      await stores.close();
      await Promise.all([postgres.stop(), server.stop()]);
    });
  }

  async startAggregator(): Promise<void> {
    this.aggregator = await this.startOwner(NEWEST_RULE_SET);
  }

  /** A further aggregator, which its caller stops. */
  startOwner(newestRuleSet: number): Promise<Stage> {
    const { settings } = this;
    const registry = new Registry();
    return startAggregator({ settings, logger, registry, clock: Date.now }, { ...this.stores, newestRuleSet });
  }

  async stopAggregator(): Promise<void> {
    await this.aggregator?.stop();
    this.aggregator = null;
  }

  /** Effective since ever where nothing was rated yet, and else from now on. `tenant` null: the default. */
  async apply(catalog: Catalog, tenant: string | null = null): Promise<void> {
    const { pool, eventLog, clickhouse: usage } = this.stores;
    const effectiveAt = (await readClosingUpTo(pool)) === null ? { effectiveAt: 0 } : {};
    const whose = tenant === null ? {} : { author: { tenant, actor: 'cli:test' } };
    await applyCatalog(pool, eventLog, catalog, JSON.stringify(catalog), { ...effectiveAt, ...whose, usage });
  }

  /** Appends the events in the order given, a few in a record. */
  async send(events: readonly EventToSend[], recordEventsMax = 5): Promise<void> {
    const { eventLog } = this.stores;
    const byPartition = new Map<number, UsageEvent[]>();
    for (const event of events.map(usageEvent)) {
      const partition = partitionOf(event.dedupKey, eventLog.partitions);
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), event]);
    }
    for (const [partition, all] of byPartition) {
      const records: Buffer[] = [];
      for (let i = 0; i < all.length; i += recordEventsMax) {
        records.push(encodeEventBatch(all.slice(i, i + recordEventsMax)));
      }
      await eventLog.append(partition, records);
    }
    this.decided += events.length;
  }

  /** Appends bytes that are no record. */
  async sendRaw(partition: number, bytes: Buffer): Promise<void> {
    await this.stores.eventLog.append(partition, [bytes]);
    this.decided += 1;
  }

  /** Resolves once every event that was sent is in a sealed chunk. */
  async untilSealed(timeoutMs = 180_000): Promise<void> {
    const sealed = async (): Promise<number> => {
      const { rows } = await this.stores.pool.query<{ decided: number }>(
        'SELECT coalesce(sum(accepted + duplicate + conflict + too_late + poison), 0)::int AS decided FROM tallyline.chunk_seals',
      );
      return rows[0]!.decided;
    };
    await until(async () => (await sealed()) === this.decided, 'everything sent is sealed', timeoutMs, 50);
  }

  /** Rates until nothing is due. */
  async rate(): Promise<void> {
    const loop = new RatingLoop({
      store: storedRating(this.stores.pool, this.stores.clickhouse),
      metrics: createRaterMetrics(new Registry()),
      logger,
      clock: Date.now,
      allowedLatenessMs: this.settings.allowedLatenessMs,
    });
    await until(async () => (await loop.step()) === 'idle', 'everything due is rated', 180_000);
  }

  async stop(): Promise<void> {
    await this.stopAggregator();
    await this.release();
  }
}
