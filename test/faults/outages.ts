// What happens while a store is away, on three brokers and under load: nothing accepted is lost, the gateway keeps
// accepting or answers 503 with Retry-After, and the line has caught up soon after the store is back. `npm run
// test:faults -- --outages` keeps each store away for a fixed time; outages.test.ts heals it as soon as the outage has
// been felt.
import { setTimeout as delay } from 'node:timers/promises';
import { ApiReader } from '../../demo/account/api-reader.ts';
import { SealReader } from '../../demo/account/seal-reader.ts';
import { Random } from '../../domain/random.ts';
import { until } from '../support/until.ts';
import { Account, catalogYaml, subscriptionsYaml } from './account.ts';
import { checkpoint } from './checkpoint.ts';
import { Deployment, type DeploymentOptions, type Store } from './deployment.ts';
import { Disk, diskUnavailable } from './disk.ts';
import { Load } from './load.ts';

const ALLOWED_LATENESS_MS = 5_000;
/** Acknowledged before something is broken. */
const FLOWING_EVENTS = 1_000;
const HORIZON_MINUTES = 15;
/** The promise: with the store back, the lag is below 5 s within 60 s, on a machine of its own. */
const LAG_MAX_SECONDS = 5;
const HEALED_WITHIN_MS = 60_000;

const settings = {
  LOG_LEVEL: 'warn',
  TALLYLINE_PARTITIONS: '6',
  TALLYLINE_HORIZON: `${HORIZON_MINUTES}m`,
  TALLYLINE_CHUNK_SLOT: '4s',
  TALLYLINE_RATER_INTERVAL: '1s',
  TALLYLINE_RATER_LEASE: '5s',
  TALLYLINE_ALLOWED_LATENESS: `${ALLOWED_LATENESS_MS}ms`,
};

export interface Outcome {
  readonly scenario: string;
  /** From the end of the fault's beginning to the healing. */
  readonly awaySeconds: number;
  /** Deliveries acknowledged while the store was away. */
  readonly acknowledgedMeanwhile: number;
  /** Requests answered 503 while it was away. */
  readonly putOffMeanwhile: number;
  /** From the healing until the lag was below LAG_MAX_SECONDS; null: not within the time there is. */
  readonly healedSeconds: number | null;
  readonly differences: readonly string[];
  /** Processes that ended by themselves and were started again, with how they ended. */
  readonly ends: readonly string[];
}

/** What was seen while a store was away. */
export interface Seen {
  /** Deliveries acknowledged since the store went. */
  readonly acknowledged: number;
  /** Requests answered 503. */
  readonly deferred: number;
  /** Of what is queryable; null: not to be had. */
  readonly lagSeconds: number | null;
}

export interface Fault {
  /** Ends once the store is away. */
  begin(): Promise<void>;
  /** Ends once it is back. */
  end(): Promise<void>;
  /** When to heal it: after a time in milliseconds, or once this was seen. */
  readonly until: number | ((seen: Seen) => boolean | Promise<boolean>);
}

const FELT_WITHIN_MS = 60_000;

/** A deployment under load, for any number of scenarios one after the other. */
export class OutageRig {
  readonly deployment: Deployment;
  readonly account = new Account();
  readonly load: Load;
  private readonly healedWithinMs: number;

  private constructor(deployment: Deployment, eventsPerSecond: number, healedWithinMs: number) {
    this.deployment = deployment;
    this.healedWithinMs = healedWithinMs;
    this.load = new Load({
      urls: () => deployment.urls('ingest'),
      apiKey: deployment.apiKey,
      account: this.account,
      seed: 7,
      eventsPerSecond,
      batchEvents: 50,
      connections: 4,
      horizonMs: HORIZON_MINUTES * 60_000,
      lateMaxMs: 4 * 60_000,
    });
  }

  static async start(
    eventsPerSecond: number,
    {
      healedWithinMs = HEALED_WITHIN_MS,
      ...options
    }: Partial<Pick<DeploymentOptions, 'directories' | 'settings'>> & { readonly healedWithinMs?: number } = {},
  ): Promise<OutageRig> {
    const deployment = await Deployment.start({
      catalogYaml,
      subscriptionsYaml,
      brokers: 3,
      stages: { ingest: 1, aggregator: 2, rater: 1, query: 1 },
      ...options,
      settings: { ...settings, ...options.settings },
    });
    return new OutageRig(deployment, eventsPerSecond, healedWithinMs);
  }

  async stop(options?: { keep?: boolean }): Promise<void> {
    this.load.abandon();
    await this.deployment.stop(options);
  }

  /** Runs load, breaks something, heals it and waits for the line to catch up. */
  async outage(scenario: string, fault: Fault): Promise<Omit<Outcome, 'differences'>> {
    const { load, account } = this;
    load.start();
    const before = load.acknowledged;
    await until(() => load.acknowledged > before + FLOWING_EVENTS, 'the load flows', 60_000, 50);
    const endsBefore = this.deployment.ends().length;
    await fault.begin();
    const [acknowledged, deferred] = [load.acknowledged, account.sent.deferred];
    const awayFrom = Date.now();
    const meanwhile = () => ({
      acknowledged: load.acknowledged - acknowledged,
      deferred: account.sent.deferred - deferred,
    });
    const { until: healing } = fault;
    if (typeof healing === 'number') await delay(healing);
    else {
      const isFelt = async (): Promise<boolean> => healing({ ...meanwhile(), lagSeconds: await this.lagSeconds() });
      await until(isFelt, `what ${scenario} brings about`, FELT_WITHIN_MS, 100);
    }
    const awaySeconds = (Date.now() - awayFrom) / 1000;
    const counts = meanwhile();
    await fault.end();
    const healedAt = Date.now();
    const isHealed = await until(() => this.isCaughtUp(healedAt), 'the lag is back', this.healedWithinMs, 200).then(
      () => true,
      () => false,
    );
    return {
      scenario,
      awaySeconds,
      acknowledgedMeanwhile: counts.acknowledged,
      putOffMeanwhile: counts.deferred,
      healedSeconds: isHealed ? (Date.now() - healedAt) / 1000 : null,
      ends: this.deployment.ends().slice(endsBefore),
    };
  }

  /** Lets the load stand still and compares everything that was sent so far with the account. */
  async differences(): Promise<readonly string[]> {
    await this.load.pause();
    const { differences } = await checkpoint(this.deployment, this.account, {
      allowedLatenessMs: ALLOWED_LATENESS_MS,
      logMayRepeat: true,
    });
    return differences;
  }

  /** As the read API tells it; null while it can't. */
  private async lagSeconds(): Promise<number | null> {
    const api = new ApiReader(this.deployment.urls('query')[0]!, this.deployment.apiKey);
    try {
      return (await api.status()).lagSeconds;
    } catch {
      return null;
    } finally {
      api.close();
    }
  }

  /** Events are acknowledged again, and what is queryable is less than LAG_MAX_SECONDS behind them. */
  private async isCaughtUp(healedAt: number): Promise<boolean> {
    if (this.load.lastAcknowledgedAt < healedAt) return false;
    const lagSeconds = await this.lagSeconds();
    return lagSeconds !== null && lagSeconds < LAG_MAX_SECONDS;
  }
}

export type Scenario = (rig: OutageRig) => Promise<Omit<Outcome, 'differences'>>;

/** When each store is healed. */
export interface Healing {
  readonly broker: Fault['until'];
  readonly kafka: Fault['until'];
  readonly postgres: Fault['until'];
  readonly clickhouse: Fault['until'];
}

const fullLengths: Healing = { broker: 30_000, kafka: 30_000, postgres: 5_000, clickhouse: 60_000 };

/** By name; the stores' data survives. */
export function awayScenarios(healing: Healing): ReadonlyMap<string, Scenario> {
  const away = (scenario: string, names: readonly string[], healed: Fault['until']): [string, Scenario] => [
    scenario,
    (rig) => {
      const processes = names.map((name) => rig.deployment.process(name));
      return rig.outage(scenario, {
        begin: async () => void (await Promise.all(processes.map((each) => each.kill()))),
        end: async () => void (await Promise.all(processes.map((each) => each.start()))),
        until: healed,
      });
    },
  ];
  return new Map([
    away('one broker of three killed', ['kafka-1'], healing.broker),
    away('Kafka away', ['kafka-0', 'kafka-1', 'kafka-2'], healing.kafka),
    [
      'Postgres restarted',
      (rig) => {
        const postgres = rig.deployment.process('postgres');
        return rig.outage('Postgres restarted', {
          begin: () => postgres.stop(),
          end: () => postgres.start(),
          until: healing.postgres,
        });
      },
    ],
    away('ClickHouse away', ['clickhouse'], healing.clickhouse),
  ]);
}

export const stores: readonly Store[] = ['kafka', 'postgres', 'clickhouse'];
const FULL_FOR_MS = 20_000;
const DISK_MEGABYTES = 1_500;

/** The disk that a store of the rig is on has no byte left for a while. */
export function fullDisk(store: Store, disk: Disk, healed: Fault['until']): Scenario {
  return (rig) =>
    rig.outage(`disk of ${store} full`, {
      begin: async () => disk.fill(),
      end: async () => disk.clear(),
      until: healed,
    });
}

/** Whether the promise was kept. */
const isKept = ({ differences, healedSeconds }: Outcome): boolean => differences.length === 0 && healedSeconds !== null;

/**
 * Aggregators that join and leave every few seconds; a share of them is killed, and then holds its partitions until its
 * session is over. Ends after a time in milliseconds, or once so many have joined and events were sealed meanwhile:
 * counting has to go on.
 */
export async function rebalanceStorm(
  rig: OutageRig,
  length: number | { readonly joins: number },
  killShare: number,
): Promise<Omit<Outcome, 'differences'> & { readonly joins: number; readonly sealedMeanwhile: number }> {
  const { deployment } = rig;
  const random = new Random(3);
  let joins = 0;
  let stopped = false;
  let sealedBefore = 0n;
  const member = async (name: string): Promise<void> => {
    const aggregator = deployment.add(name);
    while (!stopped) {
      await aggregator.start();
      joins++;
      await delay(1_000 + random.next() * 3_000);
      if (random.chance(killShare)) await aggregator.kill();
      else await aggregator.stop();
      await delay(500 + random.next() * 2_000);
    }
  };
  let members: Promise<void>[] = [];
  let sealedMeanwhile = 0;
  const outcome = await rig.outage('rebalance storm', {
    until:
      typeof length === 'number'
        ? length
        : async () => joins >= length.joins && (await sealedEvents(deployment)) > sealedBefore,
    begin: async () => {
      sealedBefore = await sealedEvents(deployment);
      members = [member('aggregator-8'), member('aggregator-9')];
    },
    end: async () => {
      stopped = true;
      sealedMeanwhile = Number((await sealedEvents(deployment)) - sealedBefore);
      await Promise.all(members);
    },
  });
  return { ...outcome, joins, sealedMeanwhile };
}

async function sealedEvents(deployment: Deployment): Promise<bigint> {
  const seals = await SealReader.connect(deployment.postgresUrl);
  const { accepted } = await seals.outcomes();
  await seals.close();
  return accepted;
}

/** Equal lines once, with their number. */
export function tallied(lines: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, count]) => (count === 1 ? line : `${count}x ${line}`)).join('; ');
}

const STORM_MS = 60_000;
const EVENTS_PER_SECOND = 1_500;

/** All of them at full length, told line by line. True when every promise was kept. */
export async function runOutages({
  say,
  only,
}: {
  say: (line: string) => void;
  /** A part of the names of those to run; null: all. */
  only: string | null;
}): Promise<boolean> {
  let allKept = true;
  const isWanted = (name: string): boolean => only === null || name.includes(only);
  const tell = (outcome: Outcome): void => {
    allKept &&= isKept(outcome);
    const healed = outcome.healedSeconds === null ? 'NOT back' : `back after ${outcome.healedSeconds.toFixed(1)} s`;
    say(
      `${outcome.scenario}, ${outcome.awaySeconds} s: ${outcome.acknowledgedMeanwhile} deliveries accepted and ` +
        `${outcome.putOffMeanwhile} requests put off meanwhile; lag ${healed}; ${outcome.differences.length} differences`,
    );
    if (outcome.ends.length > 0) say(`ended by themselves: ${tallied(outcome.ends)}`);
    for (const difference of outcome.differences) say(`DIFFERENCE ${difference}`);
  };
  const compared = async (rig: OutageRig, outcome: Omit<Outcome, 'differences'>): Promise<void> =>
    tell({ ...outcome, differences: await rig.differences() });
  const scenarios = [...awayScenarios(fullLengths)].filter(([name]) => isWanted(name));
  const onRig = async (rig: OutageRig, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } finally {
      await rig.stop({ keep: !allKept });
      if (!allKept) say(`everything of the run is kept in ${rig.deployment.directory}`);
    }
  };
  if (scenarios.length > 0 || isWanted('rebalance storm')) {
    const rig = await OutageRig.start(EVENTS_PER_SECOND);
    await onRig(rig, async () => {
      for (const [, scenario] of scenarios) await compared(rig, await scenario(rig));
      if (!isWanted('rebalance storm')) return;
      const storm = await rebalanceStorm(rig, STORM_MS, 0.2);
      await compared(rig, storm);
      say(`the storm: ${storm.joins} joins, ${storm.sealedMeanwhile} events sealed meanwhile`);
      allKept &&= storm.sealedMeanwhile > 0;
    });
  }
  const noDisk = diskUnavailable();
  for (const store of stores.filter((each) => isWanted(`disk of ${each} full`))) {
    if (noDisk !== null) {
      say(`skipped: disk of ${store} full: ${noDisk}`);
      continue;
    }
    const disk = Disk.mount(DISK_MEGABYTES);
    try {
      const rig = await OutageRig.start(EVENTS_PER_SECOND, { directories: { [store]: disk.data } });
      await onRig(rig, async () => compared(rig, await fullDisk(store, disk, FULL_FOR_MS)(rig)));
    } finally {
      disk.remove();
    }
  }
  return allKept;
}
