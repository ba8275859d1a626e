-- The totals of a chunk, sealed with it. Null: it was sealed by a release that keeps none.
ALTER TABLE tallyline.chunk_seals
    ADD COLUMN totals_count     bigint,
    ADD COLUMN totals_checksum  numeric(20);

-- The last chunk without totals, which says from which window on they are whole.
CREATE INDEX chunk_seals_without_totals ON tallyline.chunk_seals (watermark) WHERE totals_count IS NULL;

-- Made anew, since a release of before writes into it by the order of columns: those of chunk_seals, then two more.
ALTER TABLE tallyline.chunk_seals_reopened RENAME TO chunk_seals_reopened_before;
CREATE TABLE tallyline.chunk_seals_reopened (LIKE tallyline.chunk_seals);
ALTER TABLE tallyline.chunk_seals_reopened ADD COLUMN reason text NOT NULL, ADD COLUMN reopened_at timestamptz NOT NULL;
INSERT INTO tallyline.chunk_seals_reopened
    SELECT generation, partition, chunk, epoch, start_offset, end_offset, watermark, catalog_version, event_count,
        event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum, accepted, duplicate, conflict,
        too_late, poison, tenant_outcomes, catalog_changes, sealed_at, rule_set, next_rule_set, NULL, NULL,
        reason, reopened_at
    FROM tallyline.chunk_seals_reopened_before;
DROP TABLE tallyline.chunk_seals_reopened_before;

-- The epoch of the last owner that keeps totals. An owner of an earlier release does not say it, and its epoch is another.
ALTER TABLE tallyline.partition_progress ADD COLUMN totals_epoch bigint NOT NULL DEFAULT 0;
