// Makes rows of usage_rollups and usage_totals from the fast counter's columns, byte for byte as chunk-rows.ts writes
// them.
import { xxh64 } from '@node-rs/xxhash';
import { type InsertBody, NativeBlock } from '../../../platform/clickhouse/native-block.ts';
import { rollUpColumns, totalColumns } from '../../../platform/usage-store/chunk-tables.ts';
import { type ChunkCoordinates, noLatestNoUnique } from '../chunk-rows.ts';
import type { FastRollUps } from './fast-roll-ups.ts';
import { GROUP_SEPARATOR } from './name-table.ts';
import { MINUTE_MS, type RollUpColumns, rowOf } from './roll-up-columns.ts';
import { REST_GROUP } from './total-columns.ts';

/** Most types have two meters. */
const ROWS_OF_CELL_EXPECTED = 2;
const rowsExpected = ({ changedCells }: RollUpColumns): number => changedCells * ROWS_OF_CELL_EXPECTED;

/** Makes the rows that have changed, and sets the hash of each. */
export function rollUpBody(at: ChunkCoordinates, rollUps: FastRollUps): InsertBody {
  const { columns } = rollUps;
  const block = new NativeBlock(rollUpColumns, { ...at, ...noLatestNoUnique }, rowsExpected(columns));
  writeChanged(block, columns, rollUps, true);
  return block.finish();
}

/** The same of the totals. */
export function totalBody(at: ChunkCoordinates, rollUps: FastRollUps): InsertBody {
  const { columns } = rollUps.totals;
  const block = new NativeBlock(totalColumns, { ...at }, rowsExpected(columns));
  writeChanged(block, columns, rollUps, false);
  return block.finish();
}

function writeChanged(
  block: NativeBlock,
  columns: RollUpColumns,
  { families, names }: FastRollUps,
  hasSubjects: boolean,
): void {
  columns.takeChanged((cell) => {
    const { members, groupSlots } = families[columns.family(cell)]!;
    const tenant = columns.tenant(cell);
    const subject = columns.subject(cell);
    const group = columns.group(cell);
    for (let member = 0; member < members.length; member++) {
      if (!columns.isChanged(cell, member)) continue;
      const row = rowOf(cell, member);
      block.slice(names.bytes, names.start(tenant), names.end(tenant));
      block.bytes(members[member]!.slug);
      if (hasSubjects) block.slice(names.bytes, names.start(subject), names.end(subject));
      block.seconds(columns.minute(cell) * MINUTE_MS);
      if (group === REST_GROUP) block.text('');
      else block.joinedJsonTexts(names.bytes, names.start(group), names.end(group), GROUP_SEPARATOR, groupSlots.length);
      const value = columns.wholeValue(row);
      if (value >= 0) block.wholeDecimal(value);
      else block.integer(columns.quantity(row));
      block.whole(columns.events(row));
      columns.setHash(row, xxh64(block.rowBytes()));
      block.words(columns.hashHigh(row), columns.hashLow(row));
      block.endRow();
    }
  });
}
