// Follows the published catalog: reads it about once a second and compiles it when its version changed. The last
// version read stays good while Postgres is away, as the aggregator decides by the log and not by what the gateway last
// saw.
import type { Logger } from 'pino';
import { type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { compileMeterChecks, type MeterChecks } from './core/meter-checks.ts';

const INTERVAL_MS = 1_000;

export interface CatalogFollower {
  /** The checks of the last version read; null before the first read. */
  checks(): MeterChecks | null;
  stop(): Promise<void>;
}

/**
 * `readCatalog` resolves to null where no catalog was ever published: then no event has a meter, and all are accepted.
 */
export function followCatalog(
  readCatalog: () => Promise<CatalogVersion | null>,
  logger: Logger,
  intervalMs = INTERVAL_MS,
): CatalogFollower {
  let checks: MeterChecks | null = null;
  let version: number | null = null;
  let failing = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function read(): Promise<void> {
    try {
      const published = await readCatalog();
      const found = published?.version ?? 0;
      if (found !== version) {
        checks = compileMeterChecks(published?.catalog ?? emptyCatalog);
        version = found;
        logger.info({ catalogVersion: version }, 'catalog in force at the gateway');
      } else if (failing) {
        logger.info({ catalogVersion: version }, 'the catalog can be read again');
      }
      failing = false;
    } catch (error) {
      // Said once an outage; the next read is a second away.
      if (!failing)
        logger.warn({ err: error, catalogVersion: version }, 'the catalog cannot be read; the last version stays');
      failing = true;
    }
    if (!stopped) timer = setTimeout(follow, intervalMs);
  }

  let reading = Promise.resolve();
  function follow(): void {
    reading = read();
  }
  follow();

  return {
    checks: () => checks,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return reading;
    },
  };
}
