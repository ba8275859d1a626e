// What is charged for events that are sent to an installation, by price.
import { Decimal } from '../../../domain/number/decimal.ts';
import { until } from '../until.ts';
import type { EventToSend, Installation } from './installation.ts';

async function countItems({ stores }: Installation): Promise<number> {
  const { rows } = await stores.pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM tallyline.line_items',
  );
  return rows[0]!.count;
}

/** Sends events and rates them; what all line items come to by price, those of earlier events too. */
export async function ratedAmounts(
  installation: Installation,
  events: readonly EventToSend[],
): Promise<Record<string, string>> {
  const before = await countItems(installation);
  await installation.send(events);
  await installation.untilSealed();
  // The watermark may come a chunk later, that of a partition without these events.
  const isRated = async (): Promise<boolean> => {
    await installation.rate();
    return (await countItems(installation)) > before;
  };
  await until(isRated, 'what was sent is rated', 60_000, 100);
  const { rows } = await installation.stores.pool.query<{ price: string; amount: string }>(
    'SELECT price, sum(amount) AS amount FROM tallyline.line_items GROUP BY price ORDER BY price',
  );
  return Object.fromEntries(rows.map(({ price, amount }) => [price, Decimal.parse(amount).toString()]));
}
