// Follows the published catalog and the rule set in force: reads them about once a second and compiles checks of them
// when either changed. What was read last stays good while Postgres is away, as the aggregator decides by the log and
// not by what the gateway last saw. A later rule set reads whatever an earlier one does.
import type { Logger } from 'pino';
import { type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET, ruleSet } from '../domain/metering/rule-set.ts';
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
  readRuleSet: () => Promise<number>,
  logger: Logger,
  intervalMs = INTERVAL_MS,
): CatalogFollower {
  let checks: MeterChecks | null = null;
  let version: number | null = null;
  let rules: number | null = null;
  let failing = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function read(): Promise<void> {
    try {
      const [published, inForce] = await Promise.all([readCatalog(), readRuleSet()]);
      const found = published?.version ?? 0;
      // Where a later release put a set in force, this gateway checks by the newest that it knows, which is stricter.
      const known = Math.min(inForce, NEWEST_RULE_SET);
      if (found !== version || known !== rules) {
        checks = compileMeterChecks(published?.catalog ?? emptyCatalog, ruleSet(known));
        version = found;
        rules = known;
        logger.info({ catalogVersion: version, ruleSet: rules }, 'catalog in force at the gateway');
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
