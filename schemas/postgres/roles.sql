-- A role for each stage with the rights that its work needs, and no others. `tallyline migrate` runs this after every
-- migration, so that it always says what holds: rights that are not here are taken away. The roles can't log in: grant
-- one to the user of each stage (docs/operate/access.md). A new table has nobody's rights until it stands here.
--
-- What no role may: change or delete a line item, a ledger entry, a change of an account or a version of a catalog; make
-- or change a key or the default catalog, which `tallyline keys` and `tallyline catalog apply` do as the owner of the
-- tables.

DO $$
DECLARE
    stage text;
BEGIN
    FOREACH stage IN ARRAY ARRAY['tallyline_ingest', 'tallyline_aggregator', 'tallyline_rater', 'tallyline_query', 'tallyline_manage']
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = stage) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', stage);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Roles are the server's, and another of its databases is migrated just now.
            NULL;
        END;
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA tallyline FROM %I', stage);
        EXECUTE format('GRANT USAGE ON SCHEMA tallyline TO %I', stage);
        EXECUTE format('GRANT SELECT ON tallyline.schema_migrations TO %I', stage);
    END LOOP;
END $$;

-- Who asks, and when its key was used.
GRANT SELECT ON tallyline.api_keys TO tallyline_ingest, tallyline_query, tallyline_manage;
GRANT EXECUTE ON FUNCTION tallyline.note_key_uses TO tallyline_ingest, tallyline_query, tallyline_manage;

-- Which log there is, how far it is counted, and by which catalog.
GRANT SELECT ON tallyline.topic_generations, tallyline.partition_progress, tallyline.published_watermark,
    tallyline.chunk_seals, tallyline.avro_schemas, tallyline.catalog_versions, tallyline.tenant_catalog_versions,
    tallyline.log_topics, tallyline.log_partitions
    TO tallyline_ingest, tallyline_aggregator, tallyline_rater, tallyline_query;

-- The first of them to start makes the log.
GRANT INSERT ON tallyline.topic_generations, tallyline.partition_progress, tallyline.avro_schemas,
    tallyline.log_partitions, tallyline.log_records
    TO tallyline_ingest, tallyline_aggregator;
GRANT INSERT, UPDATE ON tallyline.log_topics TO tallyline_ingest, tallyline_aggregator;
-- An append moves the end of a partition, retention its start.
GRANT UPDATE (start_offset, end_offset) ON tallyline.log_partitions TO tallyline_ingest, tallyline_aggregator;
GRANT SELECT, DELETE ON tallyline.log_records TO tallyline_ingest, tallyline_aggregator;

GRANT SELECT, INSERT, UPDATE, DELETE ON tallyline.refusals TO tallyline_ingest;

GRANT SELECT, INSERT, UPDATE ON tallyline.log_groups TO tallyline_aggregator;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallyline.log_members TO tallyline_aggregator;
GRANT UPDATE ON tallyline.partition_progress TO tallyline_aggregator;
-- A chunk that is reopened is deleted here and kept there; no seal is ever changed.
GRANT INSERT, DELETE ON tallyline.chunk_seals TO tallyline_aggregator;
GRANT SELECT, INSERT ON tallyline.chunk_seals_reopened TO tallyline_aggregator;
GRANT INSERT, UPDATE ON tallyline.published_watermark TO tallyline_aggregator;
GRANT SELECT ON tallyline.chunk_repairs TO tallyline_aggregator;
GRANT UPDATE (outcome, detail, decided_at) ON tallyline.chunk_repairs TO tallyline_aggregator;

-- How a sealed chunk changes: whoever asks, the owner that counts again, and everybody who reads by it.
GRANT SELECT ON tallyline.recounts, tallyline.chunk_corrections, tallyline.recount_seals, tallyline.recount_runs
    TO tallyline_aggregator, tallyline_rater, tallyline_query, tallyline_manage;
GRANT SELECT ON tallyline.recount_partitions, tallyline.due_chunks TO tallyline_aggregator, tallyline_manage;
GRANT INSERT ON tallyline.chunk_corrections, tallyline.recount_seals, tallyline.recount_runs TO tallyline_aggregator;
GRANT UPDATE (from_chunk, next_chunk, to_chunk) ON tallyline.recount_partitions TO tallyline_aggregator;
GRANT UPDATE (chunks) ON tallyline.recount_runs TO tallyline_aggregator;
GRANT INSERT, DELETE ON tallyline.due_chunks TO tallyline_aggregator;
-- The rows of its revision are damaged.
GRANT SELECT, INSERT ON tallyline.due_chunks TO tallyline_rater;
GRANT INSERT ON tallyline.recounts, tallyline.recount_partitions TO tallyline_manage;

GRANT SELECT, INSERT ON tallyline.ratings, tallyline.line_items, tallyline.ledger_entries TO tallyline_rater;
GRANT SELECT, INSERT, UPDATE ON tallyline.billing_periods TO tallyline_rater;
GRANT SELECT, UPDATE ON tallyline.rater_shards TO tallyline_rater;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallyline.raters TO tallyline_rater;
-- Of the release before, while its stages are replaced: a rater of it may read this, and is refused to write it.
GRANT SELECT ON tallyline.rater_progress TO tallyline_rater, tallyline_query, tallyline_manage;
GRANT SELECT, INSERT ON tallyline.chunk_repairs TO tallyline_rater;
GRANT SELECT ON tallyline.chunk_seals_reopened, tallyline.log_records TO tallyline_rater;
-- Whose a subject is.
GRANT SELECT ON tallyline.subject_assignments TO tallyline_rater;
-- Which tenants there are, and nothing of their keys.
GRANT SELECT ON tallyline.subscriptions, tallyline.subscription_records, tallyline.plan_holders TO tallyline_rater;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallyline.due_customers TO tallyline_rater;

GRANT SELECT ON tallyline.ratings, tallyline.line_items, tallyline.billing_periods, tallyline.rater_shards,
    tallyline.refusals, tallyline.chunk_seals_reopened, tallyline.subject_assignments, tallyline.assigned_subjects,
    tallyline.subscriptions, tallyline.subscription_records
    TO tallyline_query;

GRANT SELECT, INSERT ON tallyline.account_changes TO tallyline_manage;
GRANT SELECT, INSERT, UPDATE ON tallyline.customers, tallyline.assigned_subjects, tallyline.subject_assignments
    TO tallyline_manage;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallyline.customer_keys, tallyline.idempotent_answers TO tallyline_manage;
GRANT SELECT, INSERT, DELETE ON tallyline.customer_words TO tallyline_manage;
GRANT SELECT, INSERT, UPDATE ON tallyline.subscriptions TO tallyline_manage;
GRANT SELECT, INSERT ON tallyline.subscription_records, tallyline.plan_holders TO tallyline_manage;
GRANT SELECT, INSERT, UPDATE ON tallyline.due_customers TO tallyline_manage;
-- What previews are computed from, with usage: how far it is sealed and billed.
GRANT SELECT ON tallyline.rater_shards, tallyline.ratings, tallyline.billing_periods, tallyline.published_watermark
    TO tallyline_manage;
-- What is metered and what it costs, and which rule set a new catalog needs.
GRANT SELECT ON tallyline.catalog_versions, tallyline.tenant_catalog_versions, tallyline.topic_generations,
    tallyline.partition_progress, tallyline.chunk_seals TO tallyline_manage;

-- A tenant's catalog, and its publication: what another publisher left unpublished is published first, of whoever it is.
GRANT INSERT ON tallyline.tenant_catalog_versions TO tallyline_manage;
GRANT UPDATE (published_at) ON tallyline.catalog_versions, tallyline.tenant_catalog_versions TO tallyline_manage;
GRANT SELECT ON tallyline.avro_schemas, tallyline.log_topics, tallyline.log_partitions TO tallyline_manage;
GRANT INSERT ON tallyline.avro_schemas, tallyline.log_records TO tallyline_manage;
GRANT UPDATE (end_offset) ON tallyline.log_partitions TO tallyline_manage;

-- A second fence between tenants: whoever has the role of reads sees the money of the tenant alone that its transaction
-- names (platform/postgres/tenant-fence.ts). An equality, so that a plan knows it to be the one that the statement has
-- too: it is checked once for a statement, not once for a row. Everybody else sees what is granted. Made once, as it
-- takes the tables' locks.
DO $$
DECLARE
    fenced text;
BEGIN
    FOREACH fenced IN ARRAY ARRAY['line_items', 'billing_periods']
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_policies WHERE schemaname = 'tallyline' AND tablename = fenced
                              AND policyname = 'own_tenant');
        EXECUTE format('CREATE POLICY granted ON tallyline.%I USING (true)', fenced);
        EXECUTE format('CREATE POLICY own_tenant ON tallyline.%I AS RESTRICTIVE FOR SELECT TO tallyline_query
                        USING (tenant = current_setting(''tallyline.tenant'', true))', fenced);
        EXECUTE format('ALTER TABLE tallyline.%I ENABLE ROW LEVEL SECURITY', fenced);
    END LOOP;
END $$;
