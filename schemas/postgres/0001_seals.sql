-- What is sealed, and who may seal it. Postgres has the authority; ClickHouse holds the rows.

CREATE TABLE tallyline.topic_generations (
    generation     integer PRIMARY KEY CHECK (generation BETWEEN 1 AND 65535),
    topic          text NOT NULL,
    topic_id       text NOT NULL,
    partitions     integer NOT NULL CHECK (partitions > 0),
    chunk_offsets  integer NOT NULL CHECK (chunk_offsets > 0),
    slot_ms        bigint NOT NULL CHECK (slot_ms > 0),
    horizon_ms     bigint NOT NULL CHECK (horizon_ms > 0),
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- One row a partition: the current owner's epoch and how far the partition is sealed.
CREATE TABLE tallyline.partition_progress (
    generation       integer NOT NULL REFERENCES tallyline.topic_generations,
    partition        integer NOT NULL,
    epoch            bigint NOT NULL DEFAULT 0,
    next_offset      bigint NOT NULL DEFAULT 0,
    next_chunk       integer NOT NULL DEFAULT 0,
    watermark        timestamptz,
    catalog_version  integer NOT NULL DEFAULT 0,
    owner            text,
    acquired_at      timestamptz,
    PRIMARY KEY (generation, partition)
);

CREATE TABLE tallyline.chunk_seals (
    generation       integer NOT NULL,
    partition        integer NOT NULL,
    chunk            integer NOT NULL,
    epoch            bigint NOT NULL,
    start_offset     bigint NOT NULL,
    end_offset       bigint NOT NULL CHECK (end_offset > start_offset),
    -- T: the running maximum of append times at the chunk's end.
    watermark        timestamptz NOT NULL,
    -- The catalog version at the chunk's end.
    catalog_version  integer NOT NULL,
    event_count      bigint NOT NULL,
    event_checksum   numeric(20) NOT NULL,
    rollup_count     bigint NOT NULL,
    rollup_checksum  numeric(20) NOT NULL,
    reject_count     bigint NOT NULL,
    reject_checksum  numeric(20) NOT NULL,
    accepted         bigint NOT NULL,
    duplicate        bigint NOT NULL,
    conflict         bigint NOT NULL,
    too_late         bigint NOT NULL,
    poison           bigint NOT NULL,
    -- {"tenant": {"accepted": n, "duplicate": n, …}}, zero counts left out.
    tenant_outcomes  jsonb NOT NULL,
    -- Where in the chunk another catalog version took effect: [{"offset": n, "version": n}]; usually empty.
    catalog_changes  jsonb NOT NULL DEFAULT '[]',
    sealed_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (generation, partition, chunk),
    CHECK (event_count = accepted),
    CHECK (reject_count = conflict + too_late + poison)
);

-- The published watermark: min over partitions of T in the last seal, never lower than it was.
CREATE TABLE tallyline.published_watermark (
    generation  integer PRIMARY KEY REFERENCES tallyline.topic_generations,
    watermark   timestamptz NOT NULL
);

-- The Avro schemas that were ever written to a log, by CRC-64-AVRO fingerprint, so that an older reader can resolve a newer writer.
CREATE TABLE tallyline.avro_schemas (
    fingerprint  bytea PRIMARY KEY CHECK (length(fingerprint) = 8),
    schema       jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- Seals that were taken back so that their chunks could be replayed from the log.
CREATE TABLE tallyline.chunk_seals_reopened (LIKE tallyline.chunk_seals);
ALTER TABLE tallyline.chunk_seals_reopened ADD COLUMN reason text NOT NULL, ADD COLUMN reopened_at timestamptz NOT NULL;

-- Finds the chunk that holds an offset.
CREATE INDEX chunk_seals_by_offset ON tallyline.chunk_seals (generation, partition, end_offset);
