// What happens while a store is away, on three brokers and under load: nothing accepted is lost, the gateway keeps accepting
// or answers 503 with Retry-After, and the line has caught up soon after the store is back. Each scenario is run at full
// length by `npm run test:faults -- --outages`.
import { setTimeout as delay } from 'node:timers/promises';
import { ApiReader } from '../../cli/demo/api-reader.ts';
import { Random } from '../../cli/demo/random.ts';
import { SealReader } from '../../cli/demo/seal-reader.ts';
import { until } from '../support/until.ts';
import { Account, catalogYaml } from './account.ts';
import { checkpoint } from './checkpoint.ts';
import { Deployment, type DeploymentOptions } from './deployment.ts';
import { Disk, diskUnavailable } from './disk.ts';
import { Load } from './load.ts';

const ALLOWED_LATENESS_MS = 5_000;
const HORIZON_MINUTES = 15;
/** The promise: with the store back, the lag is below 5 s within 60 s. */
export const LAG_MAX_SECONDS = 5;
export const HEALED_WITHIN_MS = 60_000;

const settings = {
  LOG_LEVEL: 'warn',
  TALLYLINE_PARTITIONS: '6',
  TALLYLINE_HORIZON: `${HORIZON_MINUTES}m`,
  TALLYLINE_CHUNK_SLOT: '4s',
  TALLYLINE_RATER_INTERVAL: '1s',
  TALLYLINE_ALLOWED_LATENESS: `${ALLOWED_LATENESS_MS}ms`,
};

export interface Outcome {
  readonly scenario: string;
  readonly awaySeconds: number;
  /** Deliveries acknowledged while the store was away. */
  readonly acknowledgedMeanwhile: number;
  /** Requests answered 503 while it was away. */
  readonly putOffMeanwhile: number;
  /** From the healing until the lag was below LAG_MAX_SECONDS; null: not within HEALED_WITHIN_MS. */
  readonly healedSeconds: number | null;
  readonly differences: readonly string[];
  /** Processes that ended by themselves and were started again, with how they ended. */
  readonly ends: readonly string[];
}

/** A deployment under load, for any number of scenarios one after the other. */
export class OutageRig {
  readonly deployment: Deployment;
  readonly account = new Account();
  readonly load: Load;

  private constructor(deployment: Deployment, eventsPerSecond: number) {
    this.deployment = deployment;
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
    options: Partial<Pick<DeploymentOptions, 'directories' | 'stages' | 'brokers'>> = {},
  ): Promise<OutageRig> {
    const deployment = await Deployment.start({
      catalogYaml,
      settings,
      brokers: 3,
      stages: { ingest: 1, aggregator: 2, rater: 1, query: 1 },
      ...options,
    });
    return new OutageRig(deployment, eventsPerSecond);
  }

  async stop(options?: { keep?: boolean }): Promise<void> {
    this.load.abandon();
    await this.deployment.stop(options);
  }

  /** Runs load, breaks something, heals it after `awayMs`, waits for the line to catch up and compares everything. */
  async outage(
    scenario: string,
    awayMs: number,
    fault: { begin: () => Promise<void>; end: () => Promise<void> },
  ): Promise<Outcome> {
    const { load, account } = this;
    load.start();
    const before = load.acknowledged;
    await until(() => load.acknowledged > before + 1_000, 'the load flows', 60_000, 50);
    const [acknowledged, deferred] = [load.acknowledged, account.sent.deferred];
    const endsBefore = this.deployment.ends().length;
    await fault.begin();
    await delay(awayMs);
    const meanwhile = { acknowledged: load.acknowledged - acknowledged, deferred: account.sent.deferred - deferred };
    await fault.end();
    const healedAt = Date.now();
    const isHealed = await until(() => this.isCaughtUp(healedAt), 'the lag is back', HEALED_WITHIN_MS, 200).then(
      () => true,
      () => false,
    );
    const healedSeconds = isHealed ? (Date.now() - healedAt) / 1000 : null;
    await load.pause();
    const { differences } = await checkpoint(this.deployment, account, {
      allowedLatenessMs: ALLOWED_LATENESS_MS,
      logMayRepeat: true,
    });
    return {
      scenario,
      awaySeconds: awayMs / 1000,
      acknowledgedMeanwhile: meanwhile.acknowledged,
      putOffMeanwhile: meanwhile.deferred,
      healedSeconds,
      differences,
      ends: this.deployment.ends().slice(endsBefore),
    };
  }

  /** Events are acknowledged again, and what is queryable is less than LAG_MAX_SECONDS behind them. */
  private async isCaughtUp(healedAt: number): Promise<boolean> {
    if (this.load.lastAcknowledgedAt < healedAt) return false;
    const api = new ApiReader(this.deployment.urls('query')[0]!, this.deployment.apiKey);
    try {
      const { lagSeconds } = await api.status();
      return lagSeconds !== null && lagSeconds < LAG_MAX_SECONDS;
    } catch {
      return false;
    } finally {
      api.close();
    }
  }
}

type Scenario = (rig: OutageRig) => Promise<Outcome>;

/** Lengths in milliseconds. */
export interface Lengths {
  readonly broker: number;
  readonly kafka: number;
  readonly postgres: number;
  readonly clickhouse: number;
}

export const fullLengths: Lengths = { broker: 30_000, kafka: 30_000, postgres: 0, clickhouse: 60_000 };

/** By name. The first three stores' data survives; disks come apart, since they need a deployment of their own. */
export function awayScenarios(lengths: Lengths): ReadonlyMap<string, Scenario> {
  const away = (scenario: string, names: readonly string[], awayMs: number): [string, Scenario] => [
    scenario,
    (rig) => {
      const processes = names.map((name) => rig.deployment.process(name));
      return rig.outage(scenario, awayMs, {
        begin: async () => void (await Promise.all(processes.map((each) => each.kill()))),
        end: async () => void (await Promise.all(processes.map((each) => each.start()))),
      });
    },
  ];
  return new Map([
    away('one broker of three killed', ['kafka-1'], lengths.broker),
    away('Kafka away', ['kafka-0', 'kafka-1', 'kafka-2'], lengths.kafka),
    [
      'Postgres restarted',
      (rig) => {
        const postgres = rig.deployment.process('postgres');
        return rig.outage('Postgres restarted', lengths.postgres, {
          begin: () => postgres.stop(),
          end: () => postgres.start(),
        });
      },
    ],
    away('ClickHouse away', ['clickhouse'], lengths.clickhouse),
  ]);
}

const FULL_FOR_MS = 20_000;
const DISK_MEGABYTES = 1_500;

/** Each on a deployment whose store is on the disk that fills up. */
export const diskScenarios: ReadonlyMap<string, (eventsPerSecond: number) => Promise<Outcome>> = new Map(
  (['kafka', 'postgres', 'clickhouse'] as const).map((store) => [
    `disk of ${store} full`,
    async (eventsPerSecond: number) => {
      const disk = Disk.mount(DISK_MEGABYTES);
      try {
        const rig = await OutageRig.start(eventsPerSecond, { directories: { [store]: disk.data } });
        let outcome: Outcome | null = null;
        try {
          outcome = await rig.outage(`disk of ${store} full`, FULL_FOR_MS, {
            begin: async () => disk.fill(),
            end: async () => disk.clear(),
          });
          return outcome;
        } finally {
          await rig.stop({ keep: outcome === null || !isKept(outcome) });
        }
      } finally {
        disk.remove();
      }
    },
  ]),
);

/** Whether the promise was kept. */
export const isKept = ({ differences, healedSeconds }: Outcome): boolean =>
  differences.length === 0 && healedSeconds !== null;

/**
 * Aggregators that join and leave every few seconds; a share of them is killed, and then holds its partitions until its
 * session is over. Resolves to the events that were sealed meanwhile: counting has to go on.
 */
export async function rebalanceStorm(
  rig: OutageRig,
  lengthMs: number,
  killShare: number,
): Promise<Outcome & { readonly joins: number; readonly sealedMeanwhile: number }> {
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
  const outcome = await rig.outage('rebalance storm', lengthMs, {
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
  const scenarios = [...awayScenarios(fullLengths)].filter(([name]) => isWanted(name));
  if (scenarios.length > 0 || isWanted('rebalance storm')) {
    const rig = await OutageRig.start(EVENTS_PER_SECOND);
    try {
      for (const [, scenario] of scenarios) tell(await scenario(rig));
      if (isWanted('rebalance storm')) {
        const storm = await rebalanceStorm(rig, STORM_MS, 0.2);
        tell(storm);
        say(`the storm: ${storm.joins} joins, ${storm.sealedMeanwhile} events sealed meanwhile`);
        allKept &&= storm.sealedMeanwhile > 0;
      }
    } finally {
      await rig.stop({ keep: !allKept });
      if (!allKept) say(`everything of the run is kept in ${rig.deployment.directory}`);
    }
  }
  const noDisk = diskUnavailable();
  for (const [name, scenario] of [...diskScenarios].filter(([each]) => isWanted(each))) {
    if (noDisk !== null) say(`skipped: ${name}: ${noDisk}`);
    else tell(await scenario(EVENTS_PER_SECOND));
  }
  return allKept;
}
