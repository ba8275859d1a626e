// Follows the published catalogs and the rule set in force: reads about once a second whether they changed. Checks are
// compiled from the default's meters then, and from those of a tenant with a catalog of its own when it first sends
// events; so many tenants are kept whose requests came last. What was read last stays good while Postgres is away, as
// the aggregator decides by the log and not by what the gateway last saw. A later rule set reads whatever an earlier
// one does.
import type { Logger } from 'pino';
import { NEWEST_RULE_SET, type RuleSet, ruleSet } from '../domain/metering/rule-set.ts';
import type { PublishedMeters, VersionsAt } from '../platform/catalog-store.ts';
import { compileMeterChecks, type MeterChecks } from './core/meter-checks.ts';

const INTERVAL_MS = 1_000;
const TENANTS_MAX = 1_000;

export interface FollowerOptions {
  readonly intervalMs?: number;
  /** Tenants with a catalog of their own that are kept. */
  readonly tenantsMax?: number;
}

export interface CatalogFollower {
  /** Whether anything was read yet. */
  isReady(): boolean;
  /**
   * The checks of a tenant's events, by the last version that was read. A promise: they are still to be read, and it
   * rejects where they can't be. Null before the first read.
   */
  checksOf(tenant: string): MeterChecks | Promise<MeterChecks> | null;
  stop(): Promise<void>;
}

/** By what checks are compiled. */
interface Followed {
  readonly version: number;
  readonly ruleSet: number;
  readonly rules: RuleSet;
  readonly at: VersionsAt;
  readonly defaults: MeterChecks;
}

/** Of a tenant with a catalog of its own. */
interface OwnChecks {
  readonly number: number;
  readonly checks: MeterChecks;
}

const noVersions: VersionsAt = { default: 0, own: new Map() };

class Follower implements CatalogFollower {
  private readonly stored: PublishedMeters;
  private readonly readRuleSet: () => Promise<number>;
  private readonly logger: Logger;
  private readonly intervalMs: number;
  private readonly tenantsMax: number;
  private followed: Followed | null = null;
  /** The tenant that sent events last is the last. */
  private readonly own = new Map<string, OwnChecks>();
  private readonly reading = new Map<string, Promise<MeterChecks>>();
  private failing = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private round = Promise.resolve();

  constructor(
    stored: PublishedMeters,
    readRuleSet: () => Promise<number>,
    logger: Logger,
    { intervalMs = INTERVAL_MS, tenantsMax = TENANTS_MAX }: FollowerOptions,
  ) {
    this.stored = stored;
    this.readRuleSet = readRuleSet;
    this.logger = logger;
    this.intervalMs = intervalMs;
    this.tenantsMax = tenantsMax;
    this.follow();
  }

  isReady(): boolean {
    return this.followed !== null;
  }

  checksOf(tenant: string): MeterChecks | Promise<MeterChecks> | null {
    const { followed, own } = this;
    if (followed === null) return null;
    if (!followed.at.own.has(tenant)) return followed.defaults;
    const known = own.get(tenant);
    if (known === undefined) return this.reading.get(tenant) ?? this.readOwn(tenant);
    own.delete(tenant);
    own.set(tenant, known);
    return known.checks;
  }

  stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    return this.round;
  }

  private readOwn(tenant: string): Promise<MeterChecks> {
    const read = async (): Promise<MeterChecks> => {
      for (;;) {
        const { at, rules, version } = this.followed!;
        const number = at.own.get(tenant)!;
        const compiled = await this.compile([number], rules);
        // Another version may have come meanwhile, whose checks were made for the tenants that were there.
        if (this.followed!.version !== version || this.followed!.rules !== rules) continue;
        this.own.set(tenant, { number, checks: compiled.get(number)! });
        if (this.own.size > this.tenantsMax) this.own.delete(this.own.keys().next().value!);
        return compiled.get(number)!;
      }
    };
    const found = read().finally(() => this.reading.delete(tenant));
    this.reading.set(tenant, found);
    return found;
  }

  private async compile(numbers: readonly number[], rules: RuleSet): Promise<Map<number, MeterChecks>> {
    const meters = await this.stored.metersOf(numbers);
    const none = numbers.find((number) => !meters.has(number));
    if (none !== undefined) throw new Error(`catalog version ${none} is published, and is not stored`);
    return new Map(numbers.map((number) => [number, compileMeterChecks({ meters: meters.get(number)! }, rules)]));
  }

  private follow(): void {
    this.round = this.look();
  }

  private async look(): Promise<void> {
    const { logger, followed } = this;
    try {
      const [version, inForce] = await Promise.all([this.stored.publishedVersion(), this.readRuleSet()]);
      // Where a later release put a set in force, this gateway checks by the newest that it knows, which is stricter.
      const known = Math.min(inForce, NEWEST_RULE_SET);
      if (version !== followed?.version || known !== followed.ruleSet) {
        await this.change(version, known);
        logger.info({ catalogVersion: version, ruleSet: known }, 'catalog in force at the gateway');
      } else if (this.failing) {
        logger.info({ catalogVersion: version }, 'the catalog can be read again');
      }
      this.failing = false;
    } catch (error) {
      // Said once an outage; the next read is a second away.
      const fields = { err: error, catalogVersion: followed?.version ?? null };
      if (!this.failing) logger.warn(fields, 'the catalog cannot be read; the last version stays');
      this.failing = true;
    }
    if (!this.stopped) this.timer = setTimeout(() => this.follow(), this.intervalMs);
  }

  /** All of it or nothing: where a read fails, what was read last stays. */
  private async change(version: number, known: number): Promise<void> {
    const { followed, own } = this;
    const at = version === 0 ? noVersions : await this.stored.versionsAt(version);
    if (at === null) throw new Error(`catalog version ${version} is published, and is not stored`);
    const rules = known === followed?.ruleSet ? followed.rules : ruleSet(known);
    const stays = (number: number, before: number | undefined): boolean =>
      number === before && rules === followed?.rules;
    const moved = [...own].flatMap(([tenant, { number: before }]) => {
      const number = at.own.get(tenant)!;
      return stays(number, before) ? [] : [number];
    });
    const isDefaultNew = at.default > 0 && !stays(at.default, followed?.at.default);
    const numbers = [...new Set([...moved, ...(isDefaultNew ? [at.default] : [])])];
    const compiled = numbers.length === 0 ? new Map<number, MeterChecks>() : await this.compile(numbers, rules);
    const defaults = at.default === 0 ? new Map() : (compiled.get(at.default) ?? followed!.defaults);
    this.followed = { version, ruleSet: known, rules, at, defaults };
    // Nothing is waited for from here on. Who came meanwhile is read again when it sends events.
    for (const [tenant, { number: before }] of own) {
      const number = at.own.get(tenant)!;
      const checks = compiled.get(number);
      if (checks !== undefined) own.set(tenant, { number, checks });
      else if (!stays(number, before)) own.delete(tenant);
    }
  }
}

export const followCatalog = (
  stored: PublishedMeters,
  readRuleSet: () => Promise<number>,
  logger: Logger,
  options: FollowerOptions = {},
): CatalogFollower => new Follower(stored, readRuleSet, logger, options);
