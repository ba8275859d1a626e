-- Rows of a chunk that was recounted have a revision (docs/inside/recounts.md): last in their name, so that rows of two
-- revisions never replace each other. What the log alone says is revision 0, as is what a release of before writes.

ALTER TABLE usage_rollups
    ADD COLUMN IF NOT EXISTS revision UInt32 COMMENT 'how many corrections its chunk was counted with',
    MODIFY ORDER BY (tenant, meter, subject, window_start, group_values, generation, partition, chunk, revision);

ALTER TABLE usage_totals
    ADD COLUMN IF NOT EXISTS revision UInt32 COMMENT 'as in usage_rollups',
    MODIFY ORDER BY (tenant, meter, window_start, group_values, generation, partition, chunk, revision);
