-- By which rule set a chunk was read. Releases that know of none count by the first, and say nothing about it here.
ALTER TABLE tallyline.chunk_seals
    ADD COLUMN rule_set       integer NOT NULL DEFAULT 1,
    -- That of the chunk after it.
    ADD COLUMN next_rule_set  integer NOT NULL DEFAULT 1;

-- Made anew, since a release of before writes into it by the order of columns: those of chunk_seals, then two more.
ALTER TABLE tallyline.chunk_seals_reopened RENAME TO chunk_seals_reopened_before;
CREATE TABLE tallyline.chunk_seals_reopened (LIKE tallyline.chunk_seals);
ALTER TABLE tallyline.chunk_seals_reopened ADD COLUMN reason text NOT NULL, ADD COLUMN reopened_at timestamptz NOT NULL;
INSERT INTO tallyline.chunk_seals_reopened
    SELECT generation, partition, chunk, epoch, start_offset, end_offset, watermark, catalog_version, event_count,
        event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum, accepted, duplicate, conflict,
        too_late, poison, tenant_outcomes, catalog_changes, sealed_at, 1, 1, reason, reopened_at
    FROM tallyline.chunk_seals_reopened_before;
DROP TABLE tallyline.chunk_seals_reopened_before;

-- The rule set of a partition's first chunk.
ALTER TABLE tallyline.topic_generations ADD COLUMN first_rule_set integer NOT NULL DEFAULT 1;

-- The newest rule set that the owner knows, said by the owner of that epoch. An owner of an earlier release says
-- nothing, and its epoch is another.
ALTER TABLE tallyline.partition_progress
    ADD COLUMN known_rule_set  integer NOT NULL DEFAULT 1,
    ADD COLUMN known_by_epoch  bigint NOT NULL DEFAULT 0;
