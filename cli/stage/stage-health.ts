// What a process says of its stores at /readyz and /metrics. A store without which a stage can do nothing for anybody
// takes it out of rotation while it does not answer; any other is named and no more, as a replica that does most of its
// work is worth having.

import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type StoreProbe, StoreWatch, storeNames } from '../../platform/calls/store-watch.ts';
import type { DamagedParts } from '../../platform/clickhouse/damaged-parts.ts';
import { deadlined } from '../../platform/postgres/pool.ts';
import type { Stage } from '../../platform/process/stage.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { type LogStores, openClickHouse, openPool, type PostgresStore, type Stores } from '../stores.ts';
import { neededBy, type ProcessName } from './stage-table.ts';

/** On connections of their own, so that a question waits for none of the process's own work. */
export function watchStores(
  settings: Settings,
  stores: PostgresStore | LogStores | Stores,
  registry: Registry,
  logger: Logger,
): StoreWatch {
  const pool = openPool(settings, logger, 'tallyline watch', { connectionsMax: 1 });
  const probes: StoreProbe[] = [
    { store: 'Postgres', ask: (timeoutMs) => pool.query(deadlined(timeoutMs, 'SELECT 1')), close: () => pool.end() },
  ];
  if ('eventLog' in stores) {
    probes.push({ store: 'the event log', ask: () => stores.eventLog.bounds(), close: async () => {} });
  }
  if ('clickhouse' in stores) {
    const clickhouse = openClickHouse(settings, logger, { connectionsMax: 1 });
    probes.push({
      store: 'ClickHouse',
      ask: (timeoutMs) => clickhouse.query('SELECT 1', {}, { timeoutMs }),
      close: () => clickhouse.close(),
    });
  }
  return new StoreWatch(probes, registry, logger);
}

/** As a stage, so that its faults stand beside those of the stage itself. */
export function storesStage(name: ProcessName, watch: StoreWatch, damaged: DamagedParts): Stage {
  const needed = neededBy(name);
  const faults = (isNeeded: boolean): string | null => {
    const found = storeNames.flatMap((store) =>
      needed.includes(store) === isNeeded ? (watch.fault(store) ?? []) : [],
    );
    return found.length === 0 ? null : found.join('; ');
  };
  return {
    name: 'stores',
    notReady: () => faults(true),
    degraded: () => [faults(false), damaged.fault()].filter((fault) => fault !== null).join('; ') || null,
    failed: new Promise<never>(() => {}),
    stop: () => watch.stop(),
  };
}
