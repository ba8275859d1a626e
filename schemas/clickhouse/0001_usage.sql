-- Every row is named by its place in the log (its ORDER BY key) and written again under the same name by a retry or a
-- replay; the highest version is the one that counts, so every reader uses FINAL. The months and weeks of PARTITION BY are
-- the same whenever a row is written. Durable before an insert is answered: fsync after insert and merge. Parts below 128 MB are a
-- file each, not two a column, and merged some ten at a time: an insert a second makes many small ones (docs/lab/performance.md).

CREATE TABLE IF NOT EXISTS usage_events (
    generation    UInt16,
    partition     UInt16,
    offset        UInt64,
    `index`       UInt32 COMMENT 'place in the record',
    epoch         UInt64,
    tenant        LowCardinality(String),
    source        String,
    id            String,
    type          LowCardinality(String),
    subject       String,
    event_time    DateTime64(3, 'UTC'),
    time_given    Bool,
    received_at   DateTime64(3, 'UTC'),
    accepted_at   DateTime64(3, 'UTC') COMMENT 'T: running maximum of append times, when the event was decided',
    dedup_key     FixedString(16),
    payload_hash  UInt64,
    data          String CODEC(ZSTD(1)),
    INDEX dedup_key_index dedup_key TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(epoch)
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (generation, partition, offset, `index`)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS usage_rollups (
    tenant              LowCardinality(String),
    meter               LowCardinality(String),
    subject             String,
    window_start        DateTime('UTC'),
    group_values        LowCardinality(String) COMMENT 'JSON array of texts, in the order of the meter''s dimensions, which are sorted by name',
    generation          UInt16,
    partition           UInt16,
    chunk               UInt32,
    epoch               UInt64,
    version             UInt64 COMMENT 'epoch * 2^40 + (next offset - start offset of the chunk)',
    value               Decimal(76, 12) COMMENT 'cumulative for the chunk: sum, count, max, min, latest value or number of unique values',
    event_count         UInt64,
    latest_event_time   Int64 COMMENT 'latest only, else 0: with the next three, the order in which values of a meter follow each other',
    latest_accepted_at  Int64,
    latest_offset       UInt64,
    latest_index        UInt32,
    unique_values       Array(String) COMMENT 'unique only: 128-bit hashes of the distinct values, as hex',
    row_hash            UInt64 COMMENT 'xxHash64 of what the row says, as the aggregator encodes it; not of its place in the log and its versions',
    INDEX chunk_index chunk TYPE minmax GRANULARITY 1,
    INDEX partition_index partition TYPE set(64) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
-- Weeks: a read need not look for versions in a week that is one part, and no insert has rows of many. A week becomes one
-- part when nothing was written to it for six hours.
PARTITION BY toMonday(window_start)
ORDER BY (tenant, meter, subject, window_start, group_values, generation, partition, chunk)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS event_rejects (
    generation    UInt16,
    partition     UInt16,
    offset        UInt64,
    `index`       UInt32,
    epoch         UInt64,
    reason        LowCardinality(String) COMMENT 'conflict, too_late or poison',
    code          LowCardinality(String),
    message       String,
    tenant        LowCardinality(String),
    source        String,
    id            String,
    type          LowCardinality(String),
    subject       String,
    event_time    DateTime64(3, 'UTC'),
    received_at   DateTime64(3, 'UTC'),
    rejected_at   DateTime64(3, 'UTC') COMMENT 'T when the event was decided',
    dedup_key     FixedString(16),
    payload_hash  UInt64,
    bytes         String COMMENT 'the event as one JSON text, or the undecodable record''s own bytes' CODEC(ZSTD(1)),
    INDEX dedup_key_index dedup_key TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(epoch)
PARTITION BY toYYYYMM(rejected_at)
ORDER BY (generation, partition, offset, `index`)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10;

CREATE TABLE IF NOT EXISTS manifests (
    generation    UInt16,
    partition     UInt16,
    chunk         UInt32,
    epoch         UInt64,
    version       UInt64,
    start_offset  UInt64,
    next_offset   UInt64,
    started_at    DateTime64(3, 'UTC') COMMENT 'T at the chunk''s first record',
    watermark     DateTime64(3, 'UTC') COMMENT 'T at next_offset; how fresh a read is, nothing else',
    accepted      UInt64,
    duplicate     UInt64,
    conflict      UInt64,
    too_late      UInt64,
    poison        UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(started_at)
ORDER BY (generation, partition, chunk);
