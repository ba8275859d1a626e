// The tables of chunks in ClickHouse: their columns, as rows are written, and the SQL of the checksums by which stored
// rows are compared with a seal. The aggregator computes the same checksums from what it writes.
import { outcomes } from '../../domain/metering/event-outcome.ts';
import { tableColumns } from '../clickhouse/native-block.ts';

const time = "DateTime64(3, 'UTC')";

/** The name of a row that an event of the log left, and under which ownership. */
const ofPlace = {
  generation: 'UInt16',
  partition: 'UInt16',
  offset: 'UInt64',
  index: 'UInt32',
  epoch: 'UInt64',
} as const;
const asSent = {
  tenant: 'String',
  source: 'String',
  id: 'String',
  type: 'String',
  subject: 'String',
  event_time: time,
} as const;

export const eventColumns = tableColumns({
  ...ofPlace,
  ...asSent,
  time_given: 'Bool',
  received_at: time,
  accepted_at: time,
  dedup_key: 'FixedString(16)',
  payload_hash: 'UInt64',
  data: 'String',
});
export const eventChecksumSql = 'sum(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))';

const ofRollUps = {
  tenant: 'String',
  meter: 'String',
  subject: 'String',
  window_start: "DateTime('UTC')",
  group_values: 'String',
  generation: 'UInt16',
  partition: 'UInt16',
  chunk: 'UInt32',
  value: 'Decimal(76, 12)',
  event_count: 'UInt64',
  latest_event_time: 'Int64',
  latest_accepted_at: 'Int64',
  latest_offset: 'UInt64',
  latest_index: 'UInt32',
  unique_values: 'Array(String)',
  epoch: 'UInt64',
  version: 'UInt64',
  row_hash: 'UInt64',
} as const;
export const rollUpColumns = tableColumns(ofRollUps);
/** Of totals as well. */
export const rollUpChecksumSql = 'sum(row_hash)';

const ofTotals = {
  tenant: 'String',
  meter: 'String',
  window_start: "DateTime('UTC')",
  group_values: 'String',
  generation: 'UInt16',
  partition: 'UInt16',
  chunk: 'UInt32',
  value: 'Decimal(76, 12)',
  event_count: 'UInt64',
  epoch: 'UInt64',
  version: 'UInt64',
  row_hash: 'UInt64',
} as const;
export const totalColumns = tableColumns(ofTotals);

/** Where the revision is left out it is 0: what the log alone says. */
const ofRevision = { revision: 'UInt32' } as const;
export const revisedRollUpColumns = tableColumns({ ...ofRollUps, ...ofRevision });
export const revisedTotalColumns = tableColumns({ ...ofTotals, ...ofRevision });

export const rejectColumns = tableColumns({
  ...ofPlace,
  reason: 'String',
  code: 'String',
  message: 'String',
  ...asSent,
  received_at: time,
  rejected_at: time,
  dedup_key: 'FixedString(16)',
  payload_hash: 'UInt64',
  bytes: 'String',
});
export const rejectChecksumSql = 'sum(xxHash64(bytes))';

export const manifestColumns = tableColumns({
  generation: 'UInt16',
  partition: 'UInt16',
  chunk: 'UInt32',
  epoch: 'UInt64',
  version: 'UInt64',
  start_offset: 'UInt64',
  next_offset: 'UInt64',
  started_at: time,
  watermark: time,
  ...Object.fromEntries(outcomes.map((outcome) => [outcome, 'UInt64'] as const)),
});
