// The reads of usage on ClickHouse: nothing but the statements, put together.
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { readFirstSeen, readRatedUsage } from '../usage-store/rated-usage.ts';
import { readSetsWithUsage } from '../usage-store/rollup-windows.ts';
import type { RatedUsageReads } from './rated-usage-reads.ts';

export const storedUsageReads = (clickhouse: Pick<ClickHouse, 'query'>): RatedUsageReads => ({
  readUsage: (selection) => readRatedUsage(clickhouse, selection),
  readFirstSeen: (selection) => readFirstSeen(clickhouse, selection),
  readSetsWithUsage: (selection) => readSetsWithUsage(clickhouse, selection),
});
