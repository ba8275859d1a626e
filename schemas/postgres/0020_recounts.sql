-- How a sealed chunk changes: docs/inside/recounts.md.

-- The last recount number of the partition.
ALTER TABLE tallyline.partition_progress ADD COLUMN recounts bigint NOT NULL DEFAULT 0;

-- A meter is to be counted again by its definition in a catalog version, in windows that start in a range.
CREATE TABLE tallyline.recounts (
    number           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Empty: the events of all tenants.
    tenant           text NOT NULL,
    id               text NOT NULL CHECK (id <> ''),
    meter            text NOT NULL,
    -- Of whoever's catalog: what each tenant had when it was the newest.
    catalog_version  integer NOT NULL,
    window_from      timestamptz NOT NULL,
    -- Null: up to where the version counts by itself.
    window_to        timestamptz CHECK (window_to > window_from),
    -- key:<id of the API key> or cli:<user>.
    actor            text NOT NULL,
    requested_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (tenant, id)
);
CREATE TRIGGER recounts_append_only BEFORE UPDATE OR DELETE ON tallyline.recounts
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();

-- How far a recount is in a partition: its chunks from next_chunk up to to_chunk have no correction of it yet.
CREATE TABLE tallyline.recount_partitions (
    recount     bigint NOT NULL REFERENCES tallyline.recounts,
    generation  integer NOT NULL,
    partition   integer NOT NULL,
    -- Null: its owner has not found its chunks yet.
    from_chunk  integer,
    next_chunk  integer,
    to_chunk    integer,
    PRIMARY KEY (recount, generation, partition),
    CHECK (from_chunk <= next_chunk AND next_chunk <= to_chunk)
);
CREATE INDEX recount_partitions_open ON tallyline.recount_partitions (generation, partition, recount)
    WHERE to_chunk IS NULL OR next_chunk < to_chunk;

-- What is to be counted otherwise in a chunk than the log alone says, in order: revision r is counted with the first r.
CREATE TABLE tallyline.chunk_corrections (
    generation  integer NOT NULL,
    partition   integer NOT NULL,
    chunk       integer NOT NULL,
    revision    integer NOT NULL CHECK (revision > 0),
    recount     bigint NOT NULL REFERENCES tallyline.recounts,
    PRIMARY KEY (generation, partition, chunk, revision),
    UNIQUE (generation, partition, chunk, recount)
);
CREATE TRIGGER chunk_corrections_append_only BEFORE UPDATE OR DELETE ON tallyline.chunk_corrections
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();

-- Chunks whose newest revision is to be counted and sealed.
CREATE TABLE tallyline.due_chunks (
    generation  integer NOT NULL,
    partition   integer NOT NULL,
    chunk       integer NOT NULL,
    PRIMARY KEY (generation, partition, chunk)
);

-- Seals of revisions, numbered within their partition. Of a chunk the one of the highest number counts.
CREATE TABLE tallyline.recount_seals (
    generation       integer NOT NULL,
    partition        integer NOT NULL,
    number           bigint NOT NULL CHECK (number > 0),
    chunk            integer NOT NULL,
    revision         integer NOT NULL CHECK (revision > 0),
    epoch            bigint NOT NULL,
    rollup_count     bigint NOT NULL,
    rollup_checksum  numeric(20) NOT NULL,
    totals_count     bigint NOT NULL,
    totals_checksum  numeric(20) NOT NULL,
    sealed_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (generation, partition, number)
);
CREATE INDEX recount_seals_by_chunk ON tallyline.recount_seals (generation, partition, chunk, number);
CREATE TRIGGER recount_seals_append_only BEFORE UPDATE OR DELETE ON tallyline.recount_seals
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();

-- The same as a few rows: consecutive numbers whose chunks are consecutive, of one revision and epoch.
CREATE TABLE tallyline.recount_runs (
    generation    integer NOT NULL,
    partition     integer NOT NULL,
    first_number  bigint NOT NULL,
    from_chunk    integer NOT NULL,
    chunks        integer NOT NULL CHECK (chunks > 0),
    revision      integer NOT NULL,
    epoch         bigint NOT NULL,
    -- Slugs of the meters whose rows are not those of the revision before.
    meters        text[] NOT NULL,
    PRIMARY KEY (generation, partition, first_number)
);

-- A second fence between tenants, as for accounts: recounts of all tenants are seen by all, and made by none of them.
ALTER TABLE tallyline.recounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tallyline.recounts
    USING (tenant IN ('', coalesce(nullif(current_setting('tallyline.tenant', true), ''), tenant)))
    WITH CHECK (tenant = coalesce(nullif(current_setting('tallyline.tenant', true), ''), tenant));
