-- Catalogs of tenants (docs/inside/catalog-by-tenant.md). A table of their own, because a stage of an earlier release reads
-- the default's table only, and would take the newest row in it for everybody's.
CREATE TABLE tallyline.tenant_catalog_versions (
    -- Of the installation: no version of the default has it.
    version       integer PRIMARY KEY CHECK (version > 0),
    tenant        text NOT NULL CHECK (tenant <> ''),
    effective_at  timestamptz NOT NULL,
    closed_up_to  timestamptz NOT NULL,
    applies_to    text NOT NULL CHECK (applies_to IN ('running', 'next')),
    catalog       jsonb NOT NULL,
    source        text NOT NULL,
    digest        bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- Set once every partition of the log holds the control record; nothing else of a version ever changes.
    published_at  timestamptz
);
CREATE INDEX tenant_catalog_versions_by_tenant ON tallyline.tenant_catalog_versions (tenant, version);

-- Numbers rise over both tables. Whoever makes a version holds the lock of the installation, and this refuses one that does
-- not know of both: `tallyline catalog apply` of an earlier release counts on from the default's newest number.
CREATE FUNCTION tallyline.refuse_passed_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tallyline.catalog_versions WHERE version >= NEW.version)
        OR EXISTS (SELECT FROM tallyline.tenant_catalog_versions WHERE version >= NEW.version) THEN
        RAISE EXCEPTION 'catalog version % is not above all others: some tenants have catalogs of their own, '
            'which an earlier release does not know', NEW.version USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_versions_rise BEFORE INSERT ON tallyline.catalog_versions
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_passed_version();
CREATE TRIGGER tenant_catalog_versions_rise BEFORE INSERT ON tallyline.tenant_catalog_versions
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_passed_version();

-- Every stage reads the versions of all tenants: a number in the log, in a seal or in a line item may be anybody's. Made is
-- one by a transaction that names its tenant, and by whoever names none.
ALTER TABLE tallyline.tenant_catalog_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON tallyline.tenant_catalog_versions FOR SELECT USING (true);
CREATE POLICY publish ON tallyline.tenant_catalog_versions FOR UPDATE USING (true);
CREATE POLICY own_tenant ON tallyline.tenant_catalog_versions FOR INSERT
    WITH CHECK (tenant = coalesce(nullif(current_setting('tallyline.tenant', true), ''), tenant));
