// Recounts what damaged parts of ClickHouse hold from the log: what `tallyline repair` runs. In this order, in which
// nothing is ever billed by what is missing, and which may be broken off at any point and begun again:
//
//   find      every part that does not read as it was written, and every chunk that is not as it was sealed: a part
//             that a server did not load has left none of its rows behind. Of each partition of the log, the first
//             chunk concerned
//   refuse    where the log no longer holds the records of such a chunk: the part is then the only copy of what can be
//             read of it
//   reopen    the owners take back the seals from these chunks on. From here on no rater takes them for billable, and
//             whoever reads them meanwhile finds that out before it writes
//   detach    the parts leave the tables; their files stay in `detached`
//   replay    the owners count the chunks again and seal them
//   compare   every chunk with its seal; where all are equal, what ClickHouse had not loaded is dropped
import type { Pool } from 'pg';
import { type SealVector, sealVectorOf } from '../../../domain/sealing/seal-vector.ts';
import { type ChunkPlace, placeOf, type StoredSeal } from '../../../domain/sealing/seals.ts';
import { delay } from '../../../platform/calls/retry.ts';
import { type ClickHouse, ClickHouseError } from '../../../platform/clickhouse/click-house.ts';
import { dropLostPart, type LostPart, readLostParts } from '../../../platform/clickhouse/lost-parts.ts';
import type { EventLog } from '../../../platform/event-log/event-log.ts';
import { currentGeneration } from '../../../platform/event-log/topic-generation.ts';
import { streamSeals } from '../../../platform/usage-store/seal-rows.ts';
import { readSeals } from '../../../platform/usage-store/seals.ts';
import { auditStoredChunk } from '../chunk-audit.ts';
import { AuditLog } from '../discrepancy.ts';
import { readStoredChunks } from '../stored-chunks.ts';
import { type BrokenPart, checkPart, firstChunksIn, listParts } from './part-search.ts';
import { requestRepair } from './repair-requests.ts';

export interface PartRepairParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: Pick<EventLog, 'bounds'>;
  /** Told what is done and what is waited for, a line each. */
  readonly say: (line: string) => void;
}

/** What is to be done about the parts that were found. */
export interface RepairPlan {
  readonly parts: readonly BrokenPart[];
  /** What ClickHouse did not load when it started. */
  readonly lost: readonly LostPart[];
  /** For each partition of the log, the chunk to replay from. */
  readonly from: readonly StoredSeal[];
}

/** A damaged part can't be recounted; nothing was changed. */
class RepairRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RepairRefused';
  }
}

const POLL_MS = 500;
const SAY_EVERY_MS = 15_000;

export async function planRepair(parts: PartRepairParts): Promise<RepairPlan> {
  const { clickhouse, say } = parts;
  const all = await listParts(clickhouse);
  say(`checking ${all.length} parts`);
  const broken: BrokenPart[] = [];
  for (const part of all) {
    const found = await checkPart(clickhouse, part);
    if (found === null) continue;
    say(`part ${found.part} of ${found.table} is damaged: ${found.reason}`);
    broken.push(found);
  }
  const lost = await readLostParts(clickhouse);
  for (const { table, detachedAs } of lost) say(`part ${detachedAs} of ${table} was not loaded by ClickHouse`);
  say('comparing what is stored with what was sealed');
  const { differing } = await compareAll(parts);
  for (const seal of differing) say(`${placeOf(seal)} is not as it was sealed`);
  const from = await sealsIn(parts, broken, differing);
  await refuseUnlessHeld(parts, from);
  return { parts: broken, lost, from };
}

/**
 * The first sealed chunk of each partition of the log that may have rows in one of the parts, or is one of `others`.
 */
async function sealsIn(
  parts: PartRepairParts,
  broken: readonly BrokenPart[],
  others: readonly ChunkPlace[] = [],
): Promise<StoredSeal[]> {
  const { pool } = parts;
  const sealed = (await readSeals(pool)).vector;
  const places = [...others];
  for (const part of broken) {
    for (const { nextChunk: chunk, ...place } of await firstChunksIn(parts, part, sealed))
      places.push({ ...place, chunk });
  }
  const first = new Map<string, ChunkPlace>();
  for (const place of places) {
    const before = first.get(partitionOf(place));
    if (before === undefined || place.chunk < before.chunk) first.set(partitionOf(place), place);
  }
  const seals: StoredSeal[] = [];
  for (const place of first.values()) seals.push(...(await readSealAt(pool, place)));
  return seals;
}

const partitionOf = ({ generation, partition }: ChunkPlace): string => `${generation}/${partition}`;

async function readSealAt(pool: Pool, { generation, partition, chunk }: ChunkPlace): Promise<readonly StoredSeal[]> {
  const vector = (nextChunk: number): SealVector => sealVectorOf([{ generation, partition, nextChunk }]);
  for await (const seals of streamSeals(pool, { from: vector(chunk), to: vector(chunk + 1) })) return seals;
  return [];
}

async function refuseUnlessHeld({ pool, eventLog }: PartRepairParts, from: readonly StoredSeal[]): Promise<void> {
  const generation = (await currentGeneration(pool))?.generation;
  const starts = new Map((await eventLog.bounds()).map(({ partition, startOffset }) => [partition, startOffset]));
  for (const seal of from) {
    const start = seal.generation === generation ? starts.get(seal.partition) : undefined;
    if (start !== undefined && seal.startOffset >= start) continue;
    throw new RepairRefused(
      `${placeOf(seal)} has rows in a damaged part, begins at offset ${seal.startOffset}, and the log ` +
        `${start === undefined ? 'is another one' : `holds only what is at or after ${start}`}: it can't be counted again. ` +
        'Nothing was changed. Bring the part back from a replica or a backup of ClickHouse (docs/operate/runbooks/disaster.md)',
    );
  }
}

/** Resolves once every chunk concerned is sealed again and equals its seal; to what does not, otherwise. */
export async function repair(parts: PartRepairParts, plan: RepairPlan): Promise<AuditLog> {
  const reopened = new Set<string>();
  let from = plan.from;
  do {
    await reopen(parts, from);
    for (const seal of from) reopened.add(partitionOf(seal));
    // A chunk that was open when it was planned may be sealed by now. Of a partition that was reopened it can only be
    // by rows that were written since, which are in none of these parts.
    from = (await sealsIn(parts, plan.parts)).filter((seal) => !reopened.has(partitionOf(seal)));
    await refuseUnlessHeld(parts, from);
  } while (from.length > 0);
  for (const part of plan.parts) await detach(parts, part);
  await untilReplayed(parts);
  const { log } = await compareAll(parts);
  if (log.failures === 0) for (const part of plan.lost) await dropLost(parts, part);
  return log;
}

/** Every chunk is as it was sealed, so none of its rows is missing. */
async function dropLost({ clickhouse, say }: PartRepairParts, part: LostPart): Promise<void> {
  await dropLostPart(clickhouse, part);
  say(`part ${part.detachedAs} of ${part.table} is dropped: nothing of it is missing`);
}

async function waitFor({ say }: PartRepairParts, what: string, isDone: () => Promise<boolean>): Promise<void> {
  const { signal } = new AbortController();
  for (let waitedMs = 0; !(await isDone()); waitedMs += POLL_MS) {
    if (waitedMs % SAY_EVERY_MS === 0) say(`waiting for ${what}`);
    await delay(POLL_MS, signal);
  }
}

async function reopen(parts: PartRepairParts, from: readonly StoredSeal[]): Promise<void> {
  const { pool, say } = parts;
  for (const seal of from) {
    await requestRepair(pool, seal, 'a part of ClickHouse that has rows of it is damaged');
    await waitFor(parts, `an aggregator to reopen ${placeOf(seal)}`, async () => {
      const { rows } = await pool.query<{ outcome: string | null; detail: string | null; is_sealed: boolean }>(
        `SELECT request.outcome, request.detail, EXISTS (SELECT FROM tallyline.chunk_seals seal WHERE seal.generation = $1
           AND seal.partition = $2 AND seal.chunk = $3 AND seal.epoch = $4) AS is_sealed
         FROM (SELECT 1) one LEFT JOIN tallyline.chunk_repairs request
           ON request.generation = $1 AND request.partition = $2 AND request.chunk = $3 AND request.epoch = $4`,
        [seal.generation, seal.partition, seal.chunk, seal.epoch],
      );
      const { outcome, detail, is_sealed } = rows[0]!;
      if (outcome === 'refused') throw new RepairRefused(detail ?? `${placeOf(seal)} was not reopened`);
      // Reopened for another reason, it is as good.
      return !is_sealed;
    });
    say(`${placeOf(seal)} and all later chunks of the partition are counted again from the log`);
  }
}

/** A part that is gone by itself, or by an earlier run, is as good as detached. */
async function detach({ clickhouse, say }: PartRepairParts, part: BrokenPart): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    (await listParts(clickhouse)).some(({ table, part: name }) => table === part.table && name === part.part);
  const alter = (verb: 'DETACH' | 'DROP'): Promise<void> =>
    clickhouse.command(`ALTER TABLE ${part.table} ${verb} PART '${part.part}'`);
  if (!(await isThere())) return;
  try {
    await alter('DETACH');
    say(
      `part ${part.part} of ${part.table} is detached; its files can go once all is well (ALTER TABLE … DROP DETACHED PART)`,
    );
  } catch (error) {
    if (!(error instanceof ClickHouseError) || error.retriable) throw error;
    if (!(await isThere())) return;
    // What is left of it can't even be moved.
    await alter('DROP');
    say(`part ${part.part} of ${part.table} is dropped`);
  }
}

/** Whatever was reopened, by this run or before it, is sealed again, and what was recounted of it too. */
function untilReplayed(parts: PartRepairParts): Promise<void> {
  return waitFor(parts, 'the chunks to be counted and sealed again', async () => {
    const { rows } = await parts.pool.query<{ waiting: number }>(
      `SELECT (SELECT count(*) FROM tallyline.chunk_repairs WHERE outcome IS NULL)::int
         + (SELECT count(*) FROM tallyline.due_chunks)::int + (
         SELECT count(*) FROM (
           SELECT generation, partition, max(end_offset) AS end_offset FROM tallyline.chunk_seals_reopened GROUP BY 1, 2
         ) reopened JOIN tallyline.partition_progress progress USING (generation, partition)
         WHERE progress.next_offset < reopened.end_offset)::int AS waiting`,
    );
    return rows[0]!.waiting === 0;
  });
}

const SEALS_AT_ONCE = 2_000;

interface Comparison {
  /** Also names what can't be read. */
  readonly log: AuditLog;
  readonly differing: readonly StoredSeal[];
}

/** Every sealed chunk with its seal. */
async function compareAll({ pool, clickhouse }: PartRepairParts): Promise<Comparison> {
  const log = new AuditLog();
  const differing: StoredSeal[] = [];
  let waiting: StoredSeal[] = [];
  const compare = async (): Promise<void> => {
    const stored = await readStoredChunks(clickhouse, waiting, log);
    for (const [i, seal] of waiting.entries()) {
      const failures = log.failures;
      auditStoredChunk(seal, stored[i]!, log);
      if (log.failures > failures) differing.push(seal);
    }
    waiting = [];
  };
  for await (const seals of streamSeals(pool, { from: {}, to: (await readSeals(pool)).vector })) {
    waiting.push(...seals);
    if (waiting.length >= SEALS_AT_ONCE) await compare();
  }
  await compare();
  return { log, differing };
}
