// Whoever publishes catalogs: the real order of a publication on the models. The catalogs of the default come one after
// the other, and so do those of a tenant; between them publishers meet at the lock. A publisher may die between any two
// of its steps, or get no answer. Its request is sent again until it is answered, and is done once.
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { inTheirPlaces } from '../../domain/catalog/meter-meaning.ts';
import { neededRuleSet } from '../../domain/metering/rule-set.ts';
import type { Random } from '../../domain/random.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { historyOf } from '../../domain/terms/customer-subscription.ts';
import { priceOverlap } from '../../domain/terms/overlaps.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { versionFacts } from '../../domain/terms/record-rules.ts';
import { inPublication } from '../../platform/catalog-publishing/publication.ts';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import { type Content, type UsageOracle, Violation } from './oracles/usage-oracle.ts';
import { type CatalogChange, ENDS_AT, HOUR } from './plan.ts';
import { Process, type Scheduler } from './scheduler.ts';
import { OVERLAP_FENCE } from './stores/account-model.ts';
import type { LogModel } from './stores/log-model.ts';
import type { PostgresModel } from './stores/postgres-model.ts';
import type { RatingModel } from './stores/rating-model.ts';
import { slotFrom } from './subscribing.ts';

const LOCK = 'catalogs';
/** Steps of a publication: the lock, what is unpublished, the store, appends, what is noted; twice. */
const RESPONSES_MAX = 20;

interface PublishedWorld {
  readonly scheduler: Scheduler;
  readonly log: LogModel;
  readonly postgres: PostgresModel;
  readonly rating: RatingModel;
  readonly oracle: UsageOracle;
  /** What a record holds that is about to be appended; returns it. */
  written(value: Buffer, content: Content): Buffer;
}

export class Publishers {
  private readonly world: PublishedWorld;
  private readonly random: Random;
  private readonly queues = new Map<string, CatalogChange[]>();
  private readonly registry = new AvroRegistry();
  /** From then on nobody dies. */
  isHealing = false;

  constructor(world: PublishedWorld, random: Random) {
    this.world = world;
    this.random = random;
  }

  get isIdle(): boolean {
    return [...this.queues.values()].every((queue) => queue.length === 0);
  }

  add(change: CatalogChange): void {
    const queue = this.queues.get(change.queue) ?? [];
    this.queues.set(change.queue, queue);
    queue.push(change);
    if (queue.length === 1) this.publishNext(queue);
  }

  /** In the end everything that was stored is noted as published, and is in every partition. */
  check(): void {
    const { postgres, oracle } = this.world;
    const open = postgres.unpublishedVersions();
    if (open.length > 0) throw new Violation('progress', `version ${open[0]} is stored and was never published`);
    oracle.checkPublished(postgres.publishedVersion);
  }

  private publishNext(queue: CatalogChange[]): void {
    const [change] = queue;
    if (change === undefined) return;
    const { scheduler, postgres } = this.world;
    const needed = Math.max(...this.catalogOf(change).meters.map(neededRuleSet));
    if (needed > postgres.ruleSetInForce) {
      // It is refused, and applied again later, as are others behind it.
      scheduler.note('catalog refused', needed);
      if (scheduler.now < ENDS_AT) scheduler.after(HOUR, () => this.publishNext(queue), 'catalog');
      else queue.length = 0;
      return;
    }
    const again = (): void => {
      scheduler.after(this.random.spread(1_000, 6 * HOUR), () => this.publishNext(queue), 'catalog');
    };
    const operator = new Process('operator', scheduler);
    if (!this.isHealing && this.random.chance(0.5)) this.letDie(operator, again);
    this.publish(operator, change).then(
      () => {
        operator.onResponse = null;
        queue.shift();
        this.publishNext(queue);
      },
      () => operator.isAlive && again(),
    );
  }

  private letDie(operator: Process, onDeath: () => void): void {
    let left = this.random.int(1, RESPONSES_MAX);
    operator.onResponse = () => {
      if (left-- > 0) return;
      operator.onResponse = null;
      this.world.scheduler.note('a publisher dies');
      operator.crash();
      onDeath();
    };
  }

  private async publish(operator: Process, change: CatalogChange): Promise<void> {
    const { postgres, log, scheduler } = this.world;
    const client = log.clientOf(operator);
    const told = {
      partitions: client.partitions,
      append: (partition: number, values: readonly Buffer[]) =>
        client.append(
          partition,
          values.map((value) => this.told(value)),
        ),
    };
    await postgres.whileLocked(operator, LOCK, async (run) => {
      const stored = {
        unpublished: () => run('unpublished', () => postgres.unpublishedVersions()),
        notePublished: async (version: number) => {
          await run('published', () => postgres.notePublished(version));
          scheduler.note('catalog published', version);
        },
      };
      await inPublication(stored, told, () => run('store', () => this.store(change), OVERLAP_FENCE));
    });
  }

  private told(value: Buffer): Buffer {
    const entry = decodeRecord(this.registry, value);
    if (entry.kind !== 'catalog-change') throw new Error(`a publisher appends ${entry.kind}`);
    return this.world.written(value, { kind: 'catalog', version: entry.version });
  }

  private catalogOf({ tenant, catalog }: CatalogChange) {
    const all = this.world.postgres.tenantVersions;
    const history = (tenant === null ? all.defaults : all.of(tenant)).map((version) => version.catalog);
    return inTheirPlaces(history, catalog(history.at(-1) ?? null));
  }

  /** In one transaction. What is there already is not made again, and what would charge usage twice is not made. */
  private store(change: CatalogChange): void {
    const { postgres, rating, scheduler, oracle } = this.world;
    if (postgres.storedChanges.has(change)) return;
    const { tenant, afterMs, appliesTo } = change;
    // Prices hold from the start of a slot, as the oracle's account of them has it.
    const clock = slotFrom(Math.max(scheduler.now, rating.closing ?? 0));
    const asked = afterMs === 0 ? 'now' : slotFrom(clock + afterMs);
    const facts = versionFacts(asked, { clock, closingUpTo: rating.closing, rerate: afterMs < 0 });
    if ('earliest' in facts) throw new Error(`nothing is refused that is to hold from ${asked} on`);
    const version = postgres.tenantVersions.newest + 1;
    const made = { version, ...facts, catalog: this.catalogOf(change), appliesTo };
    postgres.storedChanges.add(change);
    if (this.letsChargeTwice(tenant, made)) {
      scheduler.note('catalog refused, it charges twice', version);
      return;
    }
    postgres.storeVersion(tenant, made);
    oracle.addCatalog(version, tenant, made.catalog);
    scheduler.note('catalog stored', version);
  }

  private letsChargeTwice(tenant: string | null, made: CatalogVersion): boolean {
    const { postgres, rating } = this.world;
    return [...rating.accounts.subscriptions.values()].some((all) => {
      const whose = all[0]!.tenant;
      const { tenantVersions } = postgres;
      if (tenant === null ? tenantVersions.own(whose).length > 0 : whose !== tenant) return false;
      const versions = tenantVersions.of(whose);
      const by = (known: readonly CatalogVersion[]) =>
        priceOverlap(
          new CustomerTerms({ catalog: new CatalogHistory(known), subscriptions: all.map(historyOf) }),
          made.effectiveAt,
        );
      return by([...versions, made]) !== null && by(versions) === null;
    });
  }
}
