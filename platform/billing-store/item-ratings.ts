// What the ratings that wrote line items saw.
import type { SealVector } from '../../domain/sealing/seal-vector.ts';
import { instant, json, nullable, type Queries, recordOf, selected, tableOf, uuid } from '../postgres/table-columns.ts';

export interface RatedView {
  readonly vector: SealVector;
  /** Windows that end by then were closed, milliseconds since the epoch; null: of an item of before that was kept. */
  readonly closedUpTo: number | null;
}

const itemColumns = { id: uuid('id'), periodStart: instant('period_start') };
const viewColumns = { vector: json<SealVector>('seal_vector'), closedUpTo: nullable(instant('closed_up_to')) };

/** By id of the item; one that there is not is absent. */
export async function readRatedViews(
  queries: Queries,
  tenant: string,
  items: readonly { readonly id: string; readonly periodStart: number }[],
): Promise<ReadonlyMap<string, RatedView>> {
  if (items.length === 0) return new Map();
  const wanted = tableOf(itemColumns, items, 'wanted', [tenant]);
  const { rows } = await queries.query(
    `SELECT item.id, ${selected(viewColumns, 'rating')} FROM ${wanted.sql}
     JOIN tallyline.line_items item USING (id, period_start) JOIN tallyline.ratings rating ON rating.id = item.rating
     WHERE item.tenant = $1`,
    wanted.params,
  );
  return new Map(rows.map((row) => [row.id as string, recordOf(viewColumns, row)]));
}
