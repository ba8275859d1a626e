// What chunks were counted with: the corrections of each in their order, and which revision counts from which recount
// number on. Of most chunks there is nothing to say; many chunks share the same list, and it is held once.
import { keyText } from '../../domain/composite-key.ts';
import type { MeterCorrection } from '../../domain/metering/corrections.ts';
import { nextChunkOf, partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { ChunkPlace } from '../../domain/sealing/seals.ts';
import { instant, int, nullable, type Queries, recordOf, selected, text, whole } from '../postgres/table-columns.ts';
import type { ChunkSpan } from '../usage-store/seal-rows.ts';

export interface ChunkRevisions {
  /** Revision r is counted with the first r of them. */
  readonly corrections: readonly MeterCorrection[];
  /** In order of their numbers: from this number on, this revision counts. */
  readonly seals: readonly { readonly number: number; readonly revision: number }[];
}

const NO_REVISIONS: ChunkRevisions = { corrections: [], seals: [] };

const correctionColumns = {
  number: whole('number'),
  tenant: text('tenant'),
  meter: text('meter'),
  version: int('catalog_version'),
  from: instant('window_from'),
  to: nullable(instant('window_to')),
};

const correctionOf = (row: Readonly<Record<string, unknown>>): MeterCorrection => {
  const { number: _, tenant, ...correction } = recordOf(correctionColumns, row);
  return { ...correction, tenant: tenant === '' ? null : tenant };
};

/** By the number of their recount. */
async function readCorrections(queries: Queries): Promise<ReadonlyMap<number, MeterCorrection>> {
  const { rows } = await queries.query(
    `SELECT ${selected(correctionColumns, 'recount')} FROM tallyline.recounts recount`,
  );
  return new Map(rows.map((row) => [Number(row.number), correctionOf(row)]));
}

export class RevisionMap {
  private readonly revisions = new Map<string, ChunkRevisions>();

  add({ generation, partition, chunk }: ChunkPlace, revisions: ChunkRevisions): void {
    this.revisions.set(keyText(generation, partition, chunk), revisions);
  }

  of({ generation, partition, chunk }: ChunkPlace): ChunkRevisions {
    return this.revisions.get(keyText(generation, partition, chunk)) ?? NO_REVISIONS;
  }
}

/** Of the chunks of the span that have a correction. */
export async function readRevisions(queries: Queries, span: ChunkSpan): Promise<RevisionMap> {
  const map = new RevisionMap();
  const corrections = await readCorrections(queries);
  if (corrections.size === 0) return map;
  const lists = new Map<string, readonly MeterCorrection[]>();
  const listOf = (recounts: readonly string[]): readonly MeterCorrection[] => {
    const list = lists.get(recounts.join()) ?? recounts.map((number) => corrections.get(Number(number))!);
    lists.set(recounts.join(), list);
    return list;
  };
  for (const { generation, partition, nextChunk } of partitionCounts(span.to)) {
    const { rows } = await queries.query<{ chunk: number; recounts: string[]; seals: [number, number][] }>(
      `SELECT correction.chunk, array_agg(correction.recount::text ORDER BY correction.revision) AS recounts,
         coalesce((SELECT jsonb_agg(jsonb_build_array(seal.number, seal.revision) ORDER BY seal.number)
           FROM tallyline.recount_seals seal WHERE seal.generation = correction.generation
             AND seal.partition = correction.partition AND seal.chunk = correction.chunk), '[]') AS seals
       FROM tallyline.chunk_corrections correction
       WHERE correction.generation = $1 AND correction.partition = $2 AND correction.chunk >= $3 AND correction.chunk < $4
       GROUP BY correction.generation, correction.partition, correction.chunk`,
      [generation, partition, nextChunkOf(span.from, generation, partition), nextChunk],
    );
    for (const { chunk, recounts, seals } of rows) {
      const place = { generation, partition, chunk };
      map.add(place, {
        corrections: listOf(recounts),
        seals: seals.map(([number, revision]) => ({ number, revision })),
      });
    }
  }
  return map;
}

/** Of one chunk, those of the revision that counts now. */
export async function readCountedCorrections(
  queries: Queries,
  { generation, partition, chunk }: ChunkPlace,
): Promise<MeterCorrection[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(correctionColumns, 'recount')} FROM tallyline.chunk_corrections correction
     JOIN tallyline.recounts recount ON recount.number = correction.recount
     WHERE correction.generation = $1 AND correction.partition = $2 AND correction.chunk = $3
       AND correction.revision <= (SELECT seal.revision FROM tallyline.recount_seals seal
         WHERE seal.generation = $1 AND seal.partition = $2 AND seal.chunk = $3 ORDER BY seal.number DESC LIMIT 1)
     ORDER BY correction.revision`,
    [generation, partition, chunk],
  );
  return rows.map(correctionOf);
}
