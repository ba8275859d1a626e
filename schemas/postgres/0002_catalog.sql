-- Catalog versions are never updated but for published_at: set once every partition of the log holds the control record.

CREATE TABLE tallyline.catalog_versions (
    version       integer PRIMARY KEY CHECK (version > 0),
    effective_at  timestamptz NOT NULL,
    catalog       jsonb NOT NULL,
    source        text NOT NULL,
    digest        bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    published_at  timestamptz
);

CREATE TABLE tallyline.api_keys (
    id            text PRIMARY KEY,
    tenant        text NOT NULL CHECK (tenant <> ''),
    name          text NOT NULL DEFAULT '',
    -- SHA-256 of the key: keys are 256 random bits, so no slow hash is called for.
    key_hash      bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);
