// The rows of usage_rollups made from the fast counter's columns, byte for byte as chunk-rows.ts writes them.
import { xxh64 } from '@node-rs/xxhash';
import { type InsertBody, NativeBlock } from '../../../platform/clickhouse/native-block.ts';
import { type ChunkCoordinates, noLatestNoUnique, rollUpColumns } from '../chunk-rows.ts';
import type { Family } from './metered-types.ts';
import type { NameTable } from './name-table.ts';
import { type RollUpColumns, rowOf } from './roll-up-columns.ts';

/** Between the values of a group's name: no byte of UTF-8. */
export const GROUP_SEPARATOR = 0xff;

/** Of two meters, as a rule. */
const ROWS_OF_CELL_EXPECTED = 2;

/** The changed rows; sets the hash of each. */
export function rollUpBody(
  at: ChunkCoordinates,
  rollUps: RollUpColumns,
  families: readonly Family[],
  names: NameTable,
): InsertBody {
  const rowsExpected = rollUps.changedCells * ROWS_OF_CELL_EXPECTED;
  const block = new NativeBlock(rollUpColumns, { ...at, ...noLatestNoUnique }, rowsExpected);
  const slugs = families.map(({ members }) => members.map(({ meter }) => Buffer.from(meter.slug)));
  rollUps.takeChanged((cell) => {
    const { id, members, groupSlots } = families[rollUps.family(cell)]!;
    const tenant = rollUps.tenant(cell);
    const subject = rollUps.subject(cell);
    const group = rollUps.group(cell);
    for (let member = 0; member < members.length; member++) {
      if (!rollUps.isChanged(cell, member)) continue;
      const row = rowOf(cell, member);
      block.slice(names.bytes, names.start(tenant), names.end(tenant));
      block.bytes(slugs[id]![member]!);
      block.slice(names.bytes, names.start(subject), names.end(subject));
      block.seconds(rollUps.minute(cell) * 60_000);
      block.joinedJsonTexts(names.bytes, names.start(group), names.end(group), GROUP_SEPARATOR, groupSlots.length);
      const value = rollUps.wholeValue(row);
      if (value >= 0) block.wholeDecimal(value);
      else block.integer(rollUps.quantity(row));
      block.whole(rollUps.events(row));
      rollUps.setHash(row, xxh64(block.rowBytes()));
      block.words(rollUps.hashHigh(row), rollUps.hashLow(row));
      block.endRow();
    }
  });
  return block.finish();
}
