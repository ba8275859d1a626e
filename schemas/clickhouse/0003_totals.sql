-- What all subjects of a meter that sums come to in a window, as one chunk adds to it: for reads that ask for no subject. Rows
-- are named by their place in the log as those of usage_rollups are, and sealed with them. By time before groups: what is
-- written now lies beside no row of an hour ago, so that little is merged by a read of the last day.

CREATE TABLE IF NOT EXISTS usage_totals (
    tenant        LowCardinality(String),
    meter         LowCardinality(String),
    window_start  DateTime('UTC'),
    group_values  LowCardinality(String) COMMENT 'as in usage_rollups; empty: of all groups of the window that have no row of their own in this chunk',
    generation    UInt16,
    partition     UInt16,
    chunk         UInt32,
    epoch         UInt64,
    version       UInt64 COMMENT 'as in usage_rollups',
    value         Decimal(76, 12) COMMENT 'cumulative for the chunk',
    event_count   UInt64,
    row_hash      UInt64 COMMENT 'xxHash64 of what the row says, as the aggregator encodes it; not of its place in the log and its versions',
    INDEX chunk_index chunk TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toMonday(window_start)
ORDER BY (tenant, meter, window_start, group_values, generation, partition, chunk)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;
