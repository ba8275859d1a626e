// The rows of usage_rollups made from the fast counter's columns, byte for byte as chunk-rows.ts writes them.
import { xxh64 } from '@node-rs/xxhash';
import { formatQuantity } from '../../domain/quantity.ts';
import { TabSeparatedBody } from '../../platform/clickhouse/tab-separated.ts';
import type { ChunkCoordinates } from '../chunk-rows.ts';
import { columns } from './accepted-events.ts';
import type { Family } from './metered-types.ts';
import type { NameTable } from './name-table.ts';
import { type RollUpColumns, rowOf } from './roll-up-columns.ts';

/** Between the values of a group's name: no byte of UTF-8. */
export const GROUP_SEPARATOR = 0xff;

/** Of the rows of two meters, as a rule. */
const CELL_BYTES_EXPECTED = 256;

/** The changed rows; sets the hash of each. */
export function rollUpBody(
  at: ChunkCoordinates,
  rollUps: RollUpColumns,
  families: readonly Family[],
  names: NameTable,
): Buffer {
  const body = new TabSeparatedBody(rollUps.changedCells * CELL_BYTES_EXPECTED);
  const place = columns((to) => {
    to.number(at.generation);
    to.number(at.partition);
    to.number(at.chunk);
  });
  // No latest value, no unique values.
  const none = columns((to) => {
    for (let column = 0; column < 4; column++) to.number(0);
    to.texts([]);
  });
  const versions = columns((to) => {
    to.number(at.epoch);
    to.number(at.version);
  });
  const slugs = families.map(({ members }) => members.map(({ meter }) => columns((to) => to.text(meter.slug))));
  rollUps.takeChanged((cell) => {
    const { id, members, groupSlots } = families[rollUps.family(cell)]!;
    const tenant = rollUps.tenant(cell);
    const subject = rollUps.subject(cell);
    const group = rollUps.group(cell);
    for (let member = 0; member < members.length; member++) {
      if (!rollUps.isChanged(cell, member)) continue;
      const row = rowOf(cell, member);
      const start = body.byteLength;
      body.slice(names.bytes, names.start(tenant), names.end(tenant));
      body.columns(slugs[id]![member]!);
      body.slice(names.bytes, names.start(subject), names.end(subject));
      body.seconds(rollUps.minute(cell) * 60_000);
      body.joinedJsonTexts(names.bytes, names.start(group), names.end(group), GROUP_SEPARATOR, groupSlots.length);
      body.columns(place);
      const value = rollUps.wholeValue(row);
      if (value >= 0) body.whole(value);
      else body.number(formatQuantity(rollUps.quantity(row)));
      body.whole(rollUps.events(row));
      body.columns(none);
      rollUps.setHash(row, xxh64(body.since(start)));
      body.columns(versions);
      body.words(rollUps.hashHigh(row), rollUps.hashLow(row));
      body.endRow();
    }
  });
  return body.finish();
}
