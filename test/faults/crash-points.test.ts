// Kills the gateway, the aggregator and the rater at every crash point, in turn, under load, on real Kafka, Postgres
// and the ClickHouse engine; after each round everything is compared to the last digit. A third of the rounds each day;
// `npm run test:crash-points` runs them all.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { SealReader } from '../../demo/account/seal-reader.ts';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { createLogger } from '../../platform/process/logging.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { sampleOfDay } from '../support/day-sample.ts';
import { compiledCommand } from '../support/processes/clickhouse.ts';
import { kafkaUnavailable } from '../support/processes/kafka-broker.ts';
import { until } from '../support/until.ts';
import { Account, catalogYaml, subscriptionsYaml } from './account.ts';
import { checkpoint } from './checkpoint.ts';
import { CrashBuild, occurrences } from './crash-build.ts';
import { type CrashPoint, crashPoints } from './crash-points.ts';
import { Deployment } from './deployment.ts';
import { Load } from './load.ts';

const unavailable = await kafkaUnavailable();
if (unavailable !== null) console.warn(`skipped: ${unavailable}`);

const ALLOWED_LATENESS_MS = 2_000;
const settings = {
  TALLYLINE_PARTITIONS: '4',
  TALLYLINE_HORIZON: '15m',
  TALLYLINE_CHUNK_SLOT: '1s',
  TALLYLINE_CHUNK_OFFSETS: '64',
  TALLYLINE_FLUSH_INTERVAL: '300ms',
  TALLYLINE_TICK_INTERVAL: '500ms',
  TALLYLINE_RATER_INTERVAL: '500ms',
  TALLYLINE_RATER_LEASE: '2s',
  TALLYLINE_ALLOWED_LATENESS: `${ALLOWED_LATENESS_MS}ms`,
  // Damage is to be found by the aggregator that starts, not by the auditor before it.
  TALLYLINE_AUDIT_INTERVAL: '1h',
};

/**
 * In a round the stages are struck at the same time; the aggregator and the rater, which have the most points, at two
 * in turn.
 */
const pointsOfRound = { ingest: 1, aggregator: 2, rater: 2 } as const;

/**
 * By round, then by stage. A rater that starts has its auditor look at the newest chunks at once, and the aggregator
 * would be asked to repair what it is to find by itself: the rater is struck once nothing is damaged any more.
 */
function roundsOf(points: readonly CrashPoint[]): CrashPoint[][][] {
  const rounds: CrashPoint[][][] = [];
  const isDamaged = (round: CrashPoint[][]): boolean => round.flat().some(({ provoke }) => provoke === 'damage');
  for (const stage of ['ingest', 'aggregator', 'rater'] as const) {
    const ofStage = points.filter((each) => each.stage === stage);
    let round = stage === 'rater' ? rounds.findLastIndex(isDamaged) + 1 : 0;
    for (let from = 0; from < ofStage.length; from += pointsOfRound[stage]) {
      rounds[round] = [...(rounds[round] ?? []), ofStage.slice(from, from + pointsOfRound[stage])];
      round++;
    }
  }
  return rounds;
}

async function inTurn<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (const item of items) await work(item);
}

describe('the table of crash points', () => {
  it('has at least 24, each with a name of its own', () => {
    expect(new Set(crashPoints.map(({ name }) => name)).size).toBe(crashPoints.length);
    expect(crashPoints.length).toBeGreaterThanOrEqual(24);
  });

  it.each(crashPoints.map((point) => [point.name, point] as const))('%s: its text is there once', (_, point) => {
    expect(occurrences(readFileSync(projectFile(`dist/${point.file}`), 'utf8'), point.find)).toBe(1);
  });
});

(unavailable === null ? describe : describe.skip)('a process that is killed at', () => {
  let build: CrashBuild;
  let deployment: Deployment;
  let account: Account;
  let load: Load;
  let aggregatorStarts = 0;

  beforeAll(async () => {
    build = new CrashBuild(crashPoints);
    deployment = await Deployment.start({
      catalogYaml,
      subscriptionsYaml,
      settings,
      brokers: 1,
      stages: { ingest: 1, aggregator: 1, rater: 1, query: 1 },
      commandOf: (stage) => (stage === 'query' ? compiledCommand() : build.command),
      // A group holds a killed member's partitions until its session is over, 10 s. What is tested here is the
      // protocol, in which the group has no part, so each start joins a group of its own; `npm run test:faults` keeps
      // one.
      environmentOf: (stage): Record<string, string> =>
        stage === 'aggregator-0' ? { TALLYLINE_GROUP: `start-${aggregatorStarts++}` } : {},
    });
    account = new Account();
    load = new Load({
      urls: () => deployment.urls('ingest'),
      apiKey: deployment.apiKey,
      account,
      seed: 1,
      eventsPerSecond: 1_200,
      batchEvents: 40,
      connections: 3,
      horizonMs: 15 * 60_000,
      lateMaxMs: 4 * 60_000,
    });
    load.start();
    // An index has to be there before a point in its reading can be passed.
    const seals = await SealReader.connect(deployment.postgresUrl);
    await until(async () => (await seals.outcomes()).accepted > 1_000n, 'events are sealed', 60_000, 100);
    await seals.close();
  }, 300_000);
  afterAll(async () => {
    await load?.pause();
    await deployment?.stop();
    build?.remove();
  }, 300_000);

  /** Deletes the events of the last sealed chunk that has some, as a power cut may. */
  async function damage(): Promise<void> {
    const client = new pg.Client({ connectionString: deployment.postgresUrl });
    await client.connect();
    const { rows } = await client.query<{ partition: number; start_offset: string; end_offset: string }>(
      `SELECT partition, start_offset, end_offset FROM tallyline.chunk_seals WHERE event_count > 0
        ORDER BY sealed_at DESC LIMIT 1`,
    );
    await client.end();
    const { partition, start_offset, end_offset } = rows[0]!;
    const { origin, username, password, pathname } = new URL(deployment.environment.CLICKHOUSE_URL!);
    const clickhouse = createClickHouse(
      { url: origin, username, password, database: pathname.slice(1) },
      createLogger('test', 'silent'),
    );
    await clickhouse.command(
      `ALTER TABLE usage_events DELETE WHERE partition = {partition:UInt16} AND offset >= {from:UInt64}
        AND offset < {to:UInt64} SETTINGS mutations_sync = 2`,
      { partition, from: start_offset, to: end_offset },
    );
    await clickhouse.close();
  }

  let recounts = 0;
  /** A version that changes nothing that is counted, and a meter counted again by it: usage and bills stay. */
  async function recount(): Promise<void> {
    const id = `recount-${recounts++}`;
    const file = join(tmpdir(), `tallyline-${process.pid}-${id}.yaml`);
    const plan = `  - { slug: spare-${recounts}, afterEnd: none, prices: [] }`;
    writeFileSync(file, catalogYaml.replace('plans:\n', `plans:\n${plan}\n`));
    const from = new Date(Date.now() - 20 * 60_000).toISOString();
    const meter = recounts % 2 === 0 ? 'tokens' : 'calls';
    const done = async (...args: string[]): Promise<boolean> => (await deployment.run(...args)).status === 0;
    await until(() => done('catalog', 'apply', file), 'the version is applied', 60_000, 100);
    // One at a time: the one before may have died with its owner.
    const ask = () => done('meters', 'recount', meter, '--from', from, '--id', id, '--no-wait');
    await until(ask, `${id} is begun`, 180_000, 100);
    rmSync(file);
  }

  async function strike(point: CrashPoint): Promise<void> {
    const victim = deployment.process(`${point.stage}-0`);
    const endsBefore = victim.ends.length;
    build.arm(point);
    if (point.provoke === 'recount') await recount();
    else if (point.provoke !== undefined) {
      await victim.kill();
      if (point.provoke === 'damage') await damage();
      await victim.start();
    }
    await until(() => build.hasStruck(point), `${point.name} is passed`, 60_000, 20);
    await until(() => victim.ends.length > endsBefore && victim.isServing, `${victim.name} is back`, 60_000, 20);
    // Of its own hand and in no other way.
    expect(victim.ends.slice(endsBefore)).toEqual(['SIGKILL']);
  }

  const sampled = sampleOfDay('rounds of crash points', roundsOf(crashPoints), 4);
  const rounds = sampled.map((round) => {
    const names = round.flat().map(({ name }) => name);
    return [names.join(' | '), round] as const;
  });
  it.each(rounds)(
    '%s: loses nothing and counts nothing twice',
    async (_, round) => {
      load.start();
      await Promise.all(round.map((ofStage) => inTurn(ofStage, strike)));
      await load.pause();
      const { differences } = await checkpoint(deployment, account, { allowedLatenessMs: ALLOWED_LATENESS_MS });
      expect(differences).toEqual([]);
    },
    300_000,
  );

  it('was struck at every point of these rounds', () => {
    expect(
      sampled
        .flat(2)
        .filter((point) => !build.hasStruck(point))
        .map(({ name }) => name),
    ).toEqual([]);
  });
});
