// The acceptance run on Kafka, with every stage a process of its own and two aggregators sharing the partitions.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type Cluster, type ClusterStage, startCluster } from '../support/processes/cluster.ts';
import { kafkaUnavailable } from '../support/processes/kafka-broker.ts';
import { tallyline } from '../support/processes/up.ts';
import { catalogYaml, expectTraceTotals, sendTwice, type Target } from './trace-run.ts';

const unavailable = await kafkaUnavailable();
if (unavailable !== null) console.warn(`skipped: ${unavailable}`);

const settings = {
  TALLYLINE_PARTITIONS: '6',
  TALLYLINE_CHUNK_SLOT: '2s',
  TALLYLINE_CHUNK_OFFSETS: '64',
  TALLYLINE_RATER_INTERVAL: '1s',
  TALLYLINE_ALLOWED_LATENESS: '1m',
};

(unavailable === null ? describe : describe.skip)('on Kafka, with two aggregators', () => {
  let cluster: Cluster;
  const target = (): Target => ({
    ingestUrl: () => cluster.url('ingest'),
    queryUrl: () => cluster.url('query'),
    apiKey: cluster.apiKey,
    postgresUrl: () => cluster.postgresUrl,
  });

  beforeAll(async () => {
    cluster = await startCluster(catalogYaml, settings);
  }, 300_000);
  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  it('counts and bills every token once while every process is killed and started again', async () => {
    const restart = (name: ClusterStage | 'clickhouse') => async (): Promise<void> => {
      await cluster.signal(name, 'SIGKILL');
      await cluster.start(name);
    };
    const sent = await sendTwice(
      target(),
      new Map([
        [0.1, restart('aggregator-0')],
        [0.2, restart('ingest')],
        [0.35, restart('aggregator-1')],
        [0.5, restart('rater')],
        [0.6, restart('clickhouse')],
        [0.75, restart('query')],
      ]),
    );
    await expectTraceTotals(target(), sent);

    const client = new pg.Client({ connectionString: cluster.postgresUrl });
    await client.connect();
    const { rows } = await client.query('SELECT DISTINCT owner FROM tallyline.partition_progress');
    await client.end();
    expect(rows).toHaveLength(2);

    const { status, stdout, stderr } = await tallyline(['verify'], cluster.environment);
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('I5: ')]);
  }, 400_000);
});
