// The tables of recounts in Postgres: nothing but the statements. What may be written when is decided in
// partition-recounts.ts.
import type pg from 'pg';
import { acceptedFrom } from '../../domain/metering/event-outcome.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import {
  instant,
  int,
  large,
  namesOf,
  nullable,
  recordOf,
  selected,
  tableOf,
  text,
  unsigned64,
  whole,
} from '../../platform/postgres/table-columns.ts';
import { sealColumns } from '../../platform/usage-store/seal-rows.ts';
import { progressColumns } from '../postgres-seal-tables.ts';
import type { DueChunk, OpenRecount, RecountTables, RecountTransaction, RevisionSeal } from './recount-tables.ts';

const lockedColumns = { ...progressColumns, recounts: whole('recounts') };

const requestColumns = {
  number: whole('number'),
  tenant: text('tenant'),
  meter: text('meter'),
  version: int('catalog_version'),
  from: instant('window_from'),
  to: nullable(instant('window_to')),
};
const chunksColumns = { next: nullable(int('next_chunk')), toChunk: nullable(int('to_chunk')) };

const { chunk, startOffset, endOffset, ruleSet, catalogVersion, catalogChanges } = sealColumns;
const { eventCount, eventChecksum } = sealColumns;
const dueColumns = {
  ...{ chunk, startOffset, endOffset, ruleSet, catalogVersion, catalogChanges },
  ...{ sealEpoch: large('epoch'), eventCount, eventChecksum },
};

/** Of tallyline.recount_seals, but for its place. */
const revisionSealColumns = {
  number: whole('number'),
  chunk,
  revision: int('revision'),
  epoch: large('epoch'),
  rollUpCount: whole('rollup_count'),
  rollUpChecksum: unsigned64('rollup_checksum'),
  totalsCount: whole('totals_count'),
  totalsChecksum: unsigned64('totals_checksum'),
};

/** Seals that are one run: the first of them, and how many they are. */
interface SealRun {
  readonly first: RevisionSeal;
  chunks: number;
}

/** Their numbers follow each other. */
function runsOf(seals: readonly RevisionSeal[]): SealRun[] {
  const runs: SealRun[] = [];
  for (const seal of seals) {
    const last = runs.at(-1);
    const goesOn =
      last !== undefined &&
      last.first.chunk + last.chunks === seal.chunk &&
      last.first.revision === seal.revision &&
      last.first.meters.join() === seal.meters.join();
    if (goesOn) last.chunks += 1;
    else runs.push({ first: seal, chunks: 1 });
  }
  return runs;
}

export class PostgresRecountTables implements RecountTables {
  private readonly pool: pg.Pool;
  private readonly generation: number;

  constructor(pool: pg.Pool, generation: number) {
    this.pool = pool;
    this.generation = generation;
  }

  inTransaction<Result>(work: (transaction: RecountTransaction) => Promise<Result>): Promise<Result> {
    return inTransaction(this.pool, (client) => work(new PostgresRecountTransaction(client, this.generation)));
  }

  async readDue(partition: number, chunksMax: number): Promise<DueChunk[]> {
    const { rows } = await this.pool.query(
      `SELECT ${selected(dueColumns, 'seal')}, coalesce(before.catalog_version, 0) AS version_before,
         coalesce((SELECT revised.revision FROM tallyline.recount_seals revised WHERE revised.generation = seal.generation
           AND revised.partition = seal.partition AND revised.chunk = seal.chunk ORDER BY revised.number DESC LIMIT 1), 0)
           AS sealed_revision
       FROM tallyline.due_chunks due
       JOIN tallyline.chunk_seals seal USING (generation, partition, chunk)
       LEFT JOIN tallyline.chunk_seals before ON before.generation = seal.generation
         AND before.partition = seal.partition AND before.chunk = seal.chunk - 1
       WHERE due.generation = $1 AND due.partition = $2 ORDER BY due.chunk LIMIT $3`,
      [this.generation, partition, chunksMax],
    );
    if (rows.length === 0) return [];
    const corrections = await this.readCorrections(
      partition,
      rows.map((row) => row.chunk),
    );
    return rows.map((row): DueChunk => {
      const {
        eventCount: count,
        eventChecksum: checksum,
        catalogVersion,
        catalogChanges: changes,
        ...seal
      } = recordOf(dueColumns, row);
      return {
        ...seal,
        changes,
        versionBefore: changes.length === 0 ? catalogVersion : row.version_before,
        events: { count, checksum },
        sealedRevision: row.sealed_revision,
        corrections: corrections.filter((each) => each.chunk === seal.chunk).map(({ correction }) => correction),
      };
    });
  }

  private async readCorrections(partition: number, chunks: readonly number[]) {
    const { rows } = await this.pool.query(
      `SELECT correction.chunk, ${selected(requestColumns, 'recount')} FROM tallyline.chunk_corrections correction
       JOIN tallyline.recounts recount ON recount.number = correction.recount
       WHERE correction.generation = $1 AND correction.partition = $2 AND correction.chunk = ANY($3::int[])
       ORDER BY correction.chunk, correction.revision`,
      [this.generation, partition, chunks],
    );
    return rows.map((row) => {
      const { number: _, ...request } = requestOf(row);
      return { chunk: row.chunk as number, correction: request };
    });
  }
}

function requestOf(row: Readonly<Record<string, unknown>>) {
  const { tenant, ...request } = recordOf(requestColumns, row);
  return { ...request, tenant: tenant === '' ? null : tenant };
}

class PostgresRecountTransaction implements RecountTransaction {
  private readonly client: pg.PoolClient;
  private readonly generation: number;

  constructor(client: pg.PoolClient, generation: number) {
    this.client = client;
    this.generation = generation;
  }

  async lockProgress(partition: number) {
    const { rows } = await this.client.query(
      `SELECT ${selected(lockedColumns, 'progress')} FROM tallyline.partition_progress progress
       WHERE generation = $1 AND partition = $2 FOR UPDATE`,
      [this.generation, partition],
    );
    return rows[0] === undefined ? null : recordOf(lockedColumns, rows[0]);
  }

  async readOpen(partition: number): Promise<OpenRecount[]> {
    const { rows } = await this.client.query(
      `SELECT ${selected(requestColumns, 'recount')}, ${selected(chunksColumns, 'open')}
       FROM tallyline.recount_partitions open JOIN tallyline.recounts recount ON recount.number = open.recount
       WHERE open.generation = $1 AND open.partition = $2 AND (open.to_chunk IS NULL OR open.next_chunk < open.to_chunk)
       ORDER BY open.recount`,
      [this.generation, partition],
    );
    return rows.map((row) => {
      const { next, toChunk: to } = recordOf(chunksColumns, row);
      return { ...requestOf(row), chunks: next === null || to === null ? null : { next, to } };
    });
  }

  async findChunks(partition: number, { version, from, to }: OpenRecount) {
    // Versions and watermarks never fall from chunk to chunk. A chunk begins by the version that the one before it
    // ended with; and the chunk that reaches a T may begin below it.
    const { rows } = await this.client.query<{ next: number; to: number }>(
      `SELECT least(first, last) AS next, last AS to FROM (
         SELECT (SELECT coalesce(max(chunk) + 1, 0) FROM tallyline.chunk_seals
             WHERE generation = $1 AND partition = $2 AND watermark < $3) AS first,
           least((SELECT min(chunk) + 1 FROM tallyline.chunk_seals
               WHERE generation = $1 AND partition = $2 AND catalog_version >= $5),
             (SELECT min(chunk) + 1 FROM tallyline.chunk_seals
               WHERE generation = $1 AND partition = $2 AND watermark > $4)) AS last) found`,
      [
        ...[this.generation, partition, new Date(acceptedFrom(from))],
        ...[to === null ? null : new Date(to + (await this.horizonMs())), version],
      ],
    );
    return rows[0]!;
  }

  private async horizonMs(): Promise<number> {
    const { rows } = await this.client.query<{ horizon_ms: string }>(
      'SELECT horizon_ms FROM tallyline.topic_generations WHERE generation = $1',
      [this.generation],
    );
    return Number(rows[0]!.horizon_ms);
  }

  async saveChunks(partition: number, recount: number, { next, to }: { next: number; to: number }): Promise<void> {
    await this.client.query(
      `UPDATE tallyline.recount_partitions SET from_chunk = coalesce(from_chunk, $4), next_chunk = $4, to_chunk = $5
       WHERE generation = $1 AND partition = $2 AND recount = $3`,
      [this.generation, partition, recount, next, to],
    );
  }

  async appendCorrections(partition: number, recount: number, fromChunk: number, toChunk: number): Promise<void> {
    await this.client.query(
      `INSERT INTO tallyline.chunk_corrections (generation, partition, chunk, revision, recount)
       SELECT $1, $2, chunk, 1 + (SELECT count(*) FROM tallyline.chunk_corrections there
           WHERE there.generation = $1 AND there.partition = $2 AND there.chunk = given.chunk), $3
       FROM generate_series($4::int, $5::int - 1) AS given (chunk)`,
      [this.generation, partition, recount, fromChunk, toChunk],
    );
    await this.client.query(
      `INSERT INTO tallyline.due_chunks (generation, partition, chunk)
       SELECT $1, $2, generate_series($3::int, $4::int - 1) ON CONFLICT DO NOTHING`,
      [this.generation, partition, fromChunk, toChunk],
    );
  }

  async readLists(partition: number, chunks: readonly number[]) {
    const { rows } = await this.client.query<{ chunk: number; epoch: string; corrections: number }>(
      `SELECT seal.chunk, seal.epoch, (SELECT count(*)::int FROM tallyline.chunk_corrections correction
           WHERE correction.generation = $1 AND correction.partition = $2 AND correction.chunk = seal.chunk) AS corrections
       FROM tallyline.chunk_seals seal WHERE seal.generation = $1 AND seal.partition = $2 AND seal.chunk = ANY($3::int[])`,
      [this.generation, partition, chunks],
    );
    return rows.map(({ chunk, epoch, corrections }) => ({ chunk, sealEpoch: BigInt(epoch), corrections }));
  }

  async insertSeals(partition: number, seals: readonly RevisionSeal[]): Promise<void> {
    const rows = seals.map(({ rollUps, totals, ...seal }) => ({
      ...seal,
      ...{ rollUpCount: rollUps.count, rollUpChecksum: rollUps.checksum },
      ...{ totalsCount: totals.count, totalsChecksum: totals.checksum },
    }));
    const added = tableOf(revisionSealColumns, rows, 'added', [this.generation, partition]);
    const names = namesOf(revisionSealColumns);
    await this.client.query(
      `INSERT INTO tallyline.recount_seals (generation, partition, ${names}) SELECT $1, $2, ${names} FROM ${added.sql}`,
      added.params,
    );
    for (const run of runsOf(seals)) await this.addRun(partition, run);
    await this.client.query(
      'UPDATE tallyline.partition_progress SET recounts = $3 WHERE generation = $1 AND partition = $2',
      [this.generation, partition, seals.at(-1)!.number],
    );
  }

  /** As a part of the last run where it goes on with it. */
  private async addRun(partition: number, { first, chunks }: SealRun): Promise<void> {
    const { number, chunk, revision, epoch, meters } = first;
    const values = [this.generation, partition, number, chunk, revision, epoch.toString(), meters, chunks];
    const { rowCount } = await this.client.query(
      `UPDATE tallyline.recount_runs SET chunks = chunks + $8
       WHERE generation = $1 AND partition = $2 AND first_number = (SELECT max(first_number)
           FROM tallyline.recount_runs WHERE generation = $1 AND partition = $2)
         AND first_number + chunks = $3 AND from_chunk + chunks = $4 AND revision = $5 AND epoch = $6 AND meters = $7`,
      values,
    );
    if (rowCount === 1) return;
    await this.client.query(
      `INSERT INTO tallyline.recount_runs (generation, partition, first_number, from_chunk, revision, epoch, meters, chunks)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      values,
    );
  }

  async settle(partition: number, chunks: readonly number[]): Promise<void> {
    await this.client.query(
      'DELETE FROM tallyline.due_chunks WHERE generation = $1 AND partition = $2 AND chunk = ANY($3::int[])',
      [this.generation, partition, chunks],
    );
  }
}
