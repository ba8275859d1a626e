// What each kind of fault of a plan does to the world.

import type { Random } from '../../domain/random.ts';
import type { Slot } from './deployment.ts';
import type { CallFault } from './network.ts';
import { DAY, type Fault, HOUR, PARTITIONS } from './plan.ts';
import type { CommitFault } from './stores/postgres-model.ts';
import type { World } from './world.ts';

const downMsOf = (random: Random): number => random.spread(200, 600_000);
const PAUSE_MS_MAX = 3 * HOUR;
const pauseMsOf = (random: Random): number => random.spread(50, PAUSE_MS_MAX);

/** Strikes after some more responses have arrived at the process: between any two steps of what it does. */
function afterResponses(slot: Slot, count: number, act: () => void): void {
  const { process } = slot;
  if (process === null) return;
  let left = count;
  process.onResponse = () => {
    if (left-- > 0) return;
    process.onResponse = null;
    act();
  };
}

/** Raters rate, and ClickHouse changes under their hands. */
function meddle(world: World, random: Random): void {
  const { clickhouse, scheduler } = world;
  const soon = (fromMs: number, toMs: number, label: string, act: () => void): void => {
    scheduler.after(random.int(fromMs, toMs), act, label);
  };
  const raters = world.deployment.slots.filter(({ name, process }) => name.startsWith('rater') && process !== null);
  switch (random.int(0, 9)) {
    case 6:
    case 7:
    case 8:
    case 9: {
      // One stands still in the middle of a step, for longer than its lease, and the others take its shards.
      const { leaseMs } = world.plan;
      if (raters.length > 0) {
        const slot = random.pick(raters);
        const stand = (): void => {
          // It goes on while the others are at it, or later.
          const forMs = leaseMs + 60_000 + (random.chance(0.7) ? random.int(20, 4_000) : random.int(1, HOUR));
          world.deployment.pause(slot, forMs);
          for (const at of [leaseMs + 60_000, forMs + 120_000])
            scheduler.after(at, () => world.deployment.rateAtOnce(random), 'rate');
        };
        afterResponses(slot, random.int(8, 40), stand);
      }
      world.deployment.rateAtOnce(random);
      return;
    }
    case 0:
      world.deployment.rateAtOnce(random);
      // A replica that answers some of a step's reads and not the others.
      soon(1, 300, 'stale', () => clickhouse.serveStale(random.int(10, 300)));
      return;
    case 1:
      world.deployment.rateAtOnce(random);
      // Rows go that were compared with their seals a moment ago.
      soon(20, 1_000, 'lose', () => clickhouse.losePart(false, random.int(1, 50)));
      return;
    case 2:
      // Rows are gone, and their chunk is repaired while a rater has stopped between two reads.
      clickhouse.losePart(false, random.int(1, 50));
      soon(500, 1_000, 'rate', () => {
        for (const slot of raters)
          afterResponses(slot, random.int(1, 8), () => world.deployment.pause(slot, random.int(5_000, 60_000)));
        world.deployment.rateAtOnce(random);
      });
      soon(2_000, 10_000, 'repair', () => world.repairNow(random));
      return;
    case 3:
      // Late usage is sealed while there is nothing else to rate, and goes between two reads of a rater.
      world.onLateUsage = ({ partition, chunk }) => {
        if (world.rating.progress.watermark === world.postgres.published) {
          world.onLateUsage = null;
          if (raters.length > 0)
            afterResponses(random.pick(raters), random.int(4, 7), () =>
              clickhouse.loseRollUps((row) => row.partition === partition && row.chunk === chunk, 1),
            );
        }
        world.deployment.rateAtOnce(random);
      };
      return;
    case 4:
      // The windows that close now had usage, and have none.
      world.onPublish = (watermark) => {
        world.onPublish = null;
        const isClosing = ({ windowStart }: { readonly windowStart: number }): boolean =>
          windowStart > world.closedUpTo - DAY && windowStart < watermark;
        clickhouse.loseRollUps(isClosing, random.int(1, 50));
        soon(100, 1_000, 'rate', () => world.deployment.rateAtOnce(random));
      };
      return;
    default:
      world.deployment.rateAtOnce(random);
      return;
  }
}

export function strike(world: World, fault: Fault, random: Random): void {
  const { log, clickhouse, postgres, scheduler } = world;
  const slot = world.deployment.slots[Math.floor(fault.a * world.deployment.slots.length)]!;
  const partition = Math.floor(fault.a * PARTITIONS);
  const held = log.partitions[partition]!;
  const count = 1 + Math.floor(fault.b * 4);
  switch (fault.kind) {
    case 'crash':
      world.deployment.crash(slot, downMsOf(random));
      return;
    case 'crash after responses':
      afterResponses(slot, random.spread(1, 60), () => world.deployment.crash(slot, downMsOf(random)));
      return;
    case 'pause':
      world.deployment.pause(slot, pauseMsOf(random));
      return;
    case 'pause after responses':
      afterResponses(slot, random.spread(1, 60), () => world.deployment.pause(slot, pauseMsOf(random)));
      return;
    case 'move partition':
      log.move(partition);
      return;
    case 'shuffle partitions':
      for (let each = 0; each < PARTITIONS; each++) if (random.chance(0.5)) log.move(each);
      return;
    case 'log call': {
      const what = random.pick(['append', 'append', 'append', 'bounds']);
      const how = random.pick<CallFault>(['refuse', 'lose_request', 'lose_response', 'lose_response', 'late']);
      for (let i = 0; i < count; i++) log.network.arm(what, how);
      return;
    }
    case 'log copies':
      held.copies += count;
      return;
    case 'log gap':
      held.gap += random.spread(1, 100);
      return;
    case 'log away':
      log.network.awayUntil = scheduler.now + random.spread(500, 120_000);
      return;
    case 'log clock back':
      held.clockOffsetMs -= random.spread(1_000, 2 * HOUR);
      scheduler.after(random.spread(60_000, 12 * HOUR), () => (held.clockOffsetMs = 0), 'clock');
      return;
    case 'log clock ahead': {
      // So far that a chunk which was counted by it would be sealed while it is ahead: that takes some hours.
      const aheadMs = random.chance(0.6) ? random.spread(60_000, HOUR) : random.int(HOUR, 8 * HOUR);
      held.clockOffsetMs += aheadMs;
      // Two leaps may add up.
      if (held.clockOffsetMs > HOUR - 10_000) {
        world.deployment.excuses.clockAheadUntil = Math.max(
          world.deployment.excuses.clockAheadUntil,
          scheduler.now + held.clockOffsetMs + 3 * HOUR,
        );
      }
      scheduler.after(random.spread(10_000, HOUR), () => (held.clockOffsetMs = 0), 'clock');
      return;
    }
    case 'log expires':
      held.startOffset = Math.max(
        held.startOffset,
        Math.floor(postgres.progress[partition]!.nextOffset * fault.b * 0.5),
      );
      return;
    case 'log expires too much': {
      const before = held.startOffset;
      held.startOffset = held.endOffset;
      const restoredAt = scheduler.now + random.spread(60_000, 2 * HOUR);
      // Whoever asked meanwhile and was paused hears the answer later.
      const excusedUntil = restoredAt + PAUSE_MS_MAX + 60_000;
      world.deployment.excuses.offsetsGoneUntil = Math.max(world.deployment.excuses.offsetsGoneUntil, excusedUntil);
      scheduler.after(restoredAt - scheduler.now, () => (held.startOffset = before), 'restore');
      return;
    }
    case 'log garbage':
      world.writeGarbage(partition, random);
      return;
    case 'clickhouse call': {
      const what = random.pick([
        'insert',
        'insert',
        'insert usage_events',
        'insert usage_rollups',
        'insert usage_totals',
        'query',
        'stream',
        '',
      ]);
      const how = random.pick<CallFault>(
        what.startsWith('insert')
          ? ['refuse', 'lose_request', 'lose_response', 'late', 'late']
          : ['refuse', 'lose_request', 'lose_response'],
      );
      for (let i = 0; i < count; i++) clickhouse.network.arm(what, how);
      return;
    }
    case 'clickhouse partial insert':
      clickhouse.failPartially(count);
      return;
    case 'clickhouse stale replica':
      clickhouse.serveStale(random.spread(100, 300_000));
      return;
    case 'clickhouse crash':
      clickhouse.crash(random.spread(200, 120_000));
      return;
    case 'clickhouse loses a part':
      clickhouse.losePart(random.chance(0.3), random.spread(200, 120_000));
      return;
    case 'postgres call': {
      const how = random.pick<CallFault>(['refuse', 'lose_request', 'lose_response', 'lose_response']);
      for (let i = 0; i < count; i++) postgres.network.arm('', how);
      return;
    }
    case 'postgres commit':
      for (let i = 0; i < count; i++)
        postgres.armCommit(random.pick<CommitFault>(['before', 'after', 'after', 'serialisation']));
      return;
    case 'postgres fails over':
      postgres.failOver(random.spread(500, 120_000));
      return;
    case 'raters at once':
      meddle(world, random);
      return;
  }
}
