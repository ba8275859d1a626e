// The outage scenarios in short, on one deployment with three brokers; `npm run test:faults -- --outages` runs them at full
// length, and those that fill a disk.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { kafkaUnavailable } from '../support/kafka-broker.ts';
import { awayScenarios, OutageRig, rebalanceStorm } from './outages.ts';

const unavailable = await kafkaUnavailable({ brokers: 3 });
if (unavailable !== null) console.warn(`skipped: ${unavailable}`);

(unavailable === null ? describe : describe.skip)('while a store is away', () => {
  let rig: OutageRig;

  beforeAll(async () => {
    rig = await OutageRig.start(800);
  }, 240_000);
  afterEach(() => rig?.load.pause(), 60_000);
  afterAll(() => rig?.stop(), 60_000);

  // The controller makes other brokers the leaders of a dead one's partitions after 6 s (broker.session.timeout.ms); a batch
  // that has events for one of them waits until then.
  it.each([...awayScenarios({ broker: 15_000, kafka: 5_000, postgres: 0, clickhouse: 5_000 })])(
    '%s: loses nothing, and catches up',
    async (scenario, run) => {
      const outcome = await run(rig);
      expect(outcome.differences).toEqual([]);
      expect(outcome.healedSeconds).not.toBeNull();
      // The log takes events as long as two brokers are there, whatever becomes of the other stores.
      if (/^(one broker|ClickHouse)/.test(scenario)) expect(outcome.acknowledgedMeanwhile).toBeGreaterThan(0);
    },
    240_000,
  );

  it('goes on counting while aggregators join and leave every few seconds', async () => {
    const outcome = await rebalanceStorm(rig, 20_000, 0);
    expect(outcome.differences).toEqual([]);
    expect(outcome.healedSeconds).not.toBeNull();
    expect(outcome.sealedMeanwhile).toBeGreaterThan(0);
    expect(outcome.joins).toBeGreaterThan(4);
  }, 240_000);
});
