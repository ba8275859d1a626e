// Recounts of a run: who asks for one, what happens to the owner, the rows and the chunk while one is counted, and what
// must hold whenever a revision is sealed and once all are (docs/inside/recounts.md).
import type { RevisionSeal } from '../../aggregator/recounting/recount-tables.ts';
import type { Random } from '../../domain/random.ts';
import { Violation } from './oracles/usage-oracle.ts';
import { PARTITIONS, type PlannedRecount } from './plan.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

export function requestRecount(world: World, planned: PlannedRecount, random: Random): void {
  const { tenantVersions, publishedVersion: version, recounts } = world.postgres;
  const { from, to, tenant } = planned;
  const published = tenantVersions.upTo(version);
  const inForce = (tenant === null ? published.defaults : published.of(tenant)).at(-1);
  if (inForce === undefined) return;
  const { meters } = inForce.catalog;
  const { slug } = meters.find((meter) => meter.slug === planned.meter) ?? meters[0]!;
  recounts.request({ tenant, meter: slug, version, from, to });
  world.scheduler.note(`recount of ${slug}`);
  disturb(world, planned, random);
}

function disturb(world: World, { disturbed, from }: PlannedRecount, random: Random): void {
  const { clickhouse, deployment, postgres, scheduler } = world;
  if (disturbed === null) return;
  if (disturbed === 'events go') {
    const partition = random.int(0, PARTITIONS - 1);
    clickhouse.detach(clickhouse.events, (row) => row.partition === partition && row.eventTime >= from);
    return;
  }
  // Once its rows were inserted, and before they are read back or sealed.
  clickhouse.onRevision = (process: Process, partition: number, chunk: number) => {
    clickhouse.onRevision = null;
    const insertedAt = scheduler.now;
    const act = (): void => {
      if (disturbed === 'rows go') {
        // Roll-ups that a seal vouches for don't go without a restart of the server, of which raters are aware.
        const isOfPartition = (row: { readonly partition: number }): boolean => row.partition === partition;
        clickhouse.detach(clickhouse.rollUps, isOfPartition, insertedAt);
      } else if (disturbed === 'owner stands still') {
        const slot = deployment.slots.find((each) => each.process === process);
        if (slot !== undefined) deployment.pause(slot, random.spread(20_000, 600_000));
      } else {
        const sealed = postgres.seals[partition]![chunk];
        if (sealed === undefined) return;
        const { startOffset, endOffset } = sealed;
        const isOfChunk = ({ offset }: { readonly offset: number }): boolean =>
          offset >= startOffset && offset < endOffset;
        clickhouse.detach(clickhouse.events, (row) => row.partition === partition && isOfChunk(row));
        world.repairNow(random);
      }
    };
    // Rows that go are gone before the insert is answered.
    scheduler.after(disturbed === 'rows go' ? 0 : random.int(0, 60), act, 'disturb');
  };
}

/** A revision is sealed by whoever owns the partition, of a chunk that is sealed, and its rows were read back (C5). */
export function checkRevision(world: World, partition: number, seal: RevisionSeal): void {
  const { clickhouse, postgres } = world;
  const at = `revision ${seal.revision} of chunk ${seal.chunk} of partition ${partition}`;
  const { epoch } = postgres.progress[partition]!;
  if (seal.epoch !== epoch) throw new Violation('I2', `${at} is sealed by epoch ${seal.epoch}, and ${epoch} owns it`);
  const sealed = postgres.seals[partition]![seal.chunk];
  if (sealed === undefined) throw new Violation('I2', `${at} is sealed, and the chunk is not`);
  if (clickhouse.holds(sealed, seal, ['rollUps', 'totals'])) return;
  if (clickhouse.lostAt >= clickhouse.revisionReadAt(partition, epoch)) return;
  throw new Violation('I2', `${at} is sealed, and what is stored of it is something else`);
}

/** Every chunk that a recount is about was counted with it. */
export function checkRecounts({ oracle, postgres }: Pick<World, 'oracle' | 'postgres'>): void {
  const { recounts, seals } = postgres;
  for (const [partition, ofPartition] of seals.entries()) {
    for (const { chunk } of ofPartition) {
      const before = ofPartition[chunk - 1]?.catalogVersion ?? 0;
      const counted = recounts.countedWith(partition, chunk);
      for (const request of recounts.requests) {
        if (before >= request.version || counted.includes(request)) continue;
        if (!oracle.isAbout(request, partition, chunk)) continue;
        const what = `recount ${request.number} of ${request.meter}`;
        throw new Violation('I2', `chunk ${chunk} of partition ${partition} was not counted with ${what}`);
      }
    }
  }
}
