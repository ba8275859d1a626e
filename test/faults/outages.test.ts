// Every kind of outage in short, on one deployment with three brokers: a store is healed as soon as its absence has
// been felt. Half of them each day; `npm run test:outages` runs them all, and `npm run test:faults -- --outages` keeps
// them away for as long as is promised, and measures.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sampleOfDay } from '../support/day-sample.ts';
import { kafkaUnavailable } from '../support/processes/kafka-broker.ts';
import { Disk, diskUnavailable } from './disk.ts';
import { awayScenarios, fullDisk, OutageRig, rebalanceStorm, type Seen, stores } from './outages.ts';

const unavailable = await kafkaUnavailable({ brokers: 3 });
if (unavailable !== null) console.warn(`skipped: ${unavailable}`);
const noDisk = diskUnavailable();
if (noDisk !== null) console.warn(`skipped: ${noDisk}`);

const EVENTS_PER_SECOND = 800;
const DISK_MEGABYTES = 700;
const SCENARIO_TIMEOUT_MS = 240_000;

/** Without its store the gateway goes on accepting: some seconds' worth of the load. */
const accepts = ({ acknowledged }: Seen): boolean => acknowledged > 2 * EVENTS_PER_SECOND;
const putsOff = ({ deferred }: Seen): boolean => deferred > 0;

(unavailable === null ? describe : describe.skip)('while a store is away', () => {
  const disks = new Map<(typeof stores)[number], Disk>();
  let rig: OutageRig;

  beforeAll(async () => {
    if (noDisk === null) for (const store of stores) disks.set(store, Disk.mount(DISK_MEGABYTES));
    const directories = Object.fromEntries([...disks].map(([store, disk]) => [store, disk.data]));
    // After all brokers were away the group waits for members of before: that time need not be spent here.
    rig = await OutageRig.start(EVENTS_PER_SECOND, {
      directories,
      settings: { TALLYLINE_GROUP_SESSION: '4s' },
      // Other suites run beside it.
      healedWithinMs: 120_000,
    });
  }, 300_000);
  afterAll(async () => {
    await rig?.stop();
    for (const disk of disks.values()) disk.remove();
  }, 300_000);

  const away = [
    ...awayScenarios({
      // The controller makes other brokers the leaders of a dead one's partitions after 6 s
      // (broker.session.timeout.ms); a batch that has events for one of them waits until then.
      broker: accepts,
      kafka: putsOff,
      postgres: accepts,
      clickhouse: (seen) => accepts(seen) && seen.lagSeconds === null,
    }),
  ];
  it.each(sampleOfDay('stores away', away, 3))(
    '%s: accepts or puts off, and catches up',
    async (_, run) => {
      expect((await run(rig)).healedSeconds).not.toBeNull();
    },
    SCENARIO_TIMEOUT_MS,
  );

  const fullDisks = [
    ['postgres', accepts],
    ['clickhouse', (seen: Seen) => accepts(seen) && seen.lagSeconds !== null && seen.lagSeconds > 3],
    // A broker that can't write ends; it is started again until it can.
    ['kafka', putsOff],
  ] as const;
  (noDisk === null ? it : it.skip).each(sampleOfDay('full disks', fullDisks, 3))(
    'disk of %s full: accepts or puts off, and catches up',
    async (store, felt) => {
      expect((await fullDisk(store, disks.get(store)!, felt)(rig)).healedSeconds).not.toBeNull();
    },
    SCENARIO_TIMEOUT_MS,
  );

  it(
    'goes on counting while aggregators join and leave every few seconds',
    async () => {
      expect((await rebalanceStorm(rig, { joins: 4 }, 0)).healedSeconds).not.toBeNull();
    },
    SCENARIO_TIMEOUT_MS,
  );

  it(
    'has lost nothing and counted nothing twice in all of it',
    async () => {
      expect(await rig.differences()).toEqual([]);
    },
    SCENARIO_TIMEOUT_MS,
  );
});
