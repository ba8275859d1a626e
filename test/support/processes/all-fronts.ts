// Every front on one app, as `up` serves them, on stores of its own: what a key may do is asked of all of them alike.
// The clock stands. The log is one in memory, so that what is sent changes nothing that is read.
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { startManage } from '../../../accounts/main.ts';
import { NEWEST_RULE_SET } from '../../../domain/metering/rule-set.ts';
import { startIngest } from '../../../ingest/main.ts';
import { createKeyring, type KeyringCache } from '../../../platform/access/keyring.ts';
import type { ClickHouseDatabase } from '../../../platform/clickhouse/client.ts';
import type { EventLog } from '../../../platform/event-log/event-log.ts';
import { createHttpApp } from '../../../platform/http/app.ts';
import type { StageContext } from '../../../platform/process/stage.ts';
import { parseSettings } from '../../../platform/settings/config.ts';
import { startQuery } from '../../../query/main.ts';
import { ScriptedEventLog } from '../scripted-event-log.ts';
import { until } from '../until.ts';
import { insertCatalog, insertGeneration } from '../usage-rows.ts';
import { ACCOUNTS_KEY } from './accounts-api.ts';
import { startMigratedStores } from './migrated-stores.ts';
import { catalog, NOW, PARTITIONS } from './read-api.ts';

export interface AllFronts {
  readonly app: FastifyInstance;
  readonly pool: pg.Pool;
  readonly clickhouse: ClickHouseDatabase;
  readonly log: ScriptedEventLog;
  readonly keyring: KeyringCache;
  stop(): Promise<void>;
}

export async function startAllFronts(): Promise<AllFronts> {
  const stores = await startMigratedStores();
  const { pool, clickhouse } = stores;
  await insertGeneration(pool, 'scripted', PARTITIONS);
  await insertCatalog(pool, 1, catalog);
  const log = new ScriptedEventLog(PARTITIONS);
  const eventLog = Object.assign(log, { bounds: async () => [] }) as unknown as EventLog;
  const logger = pino({ level: 'silent' });
  const app = createHttpApp(logger);
  const clock = (): number => NOW;
  const keyring = createKeyring(pool, clock);
  const contextOf = (): StageContext => ({
    settings: parseSettings({ TALLYLINE_ACCOUNTS_KEY: ACCOUNTS_KEY }),
    ...{ logger, registry: new Registry(), clock },
  });
  const generation = { horizonMs: 36 * 86_400_000 };
  const readRuleSet = async () => NEWEST_RULE_SET;
  const ingest = await startIngest(contextOf(), { app, pool, eventLog, generation, keyring, readRuleSet });
  const query = await startQuery(contextOf(), {
    ...{ app, pool, clickhouse, eventLog, keyring },
    ...{ stores: { fault: () => null }, isFenced: false },
  });
  const manage = await startManage(contextOf(), { app, pool, clickhouse, log: async () => eventLog, keyring });
  await app.ready();
  await until(() => ingest.notReady() === null, 'the gateway is ready');
  return {
    ...{ app, pool, clickhouse, log, keyring },
    stop: async () => {
      await app.close();
      for (const stage of [ingest, query, manage]) await stage.stop();
      await stores.stop();
    },
  };
}
