-- The raters divide customers by shards (docs/inside/rater-shards.md). What one row said of all customers, 64 rows say,
-- each of its own.

-- Which shard a customer is in, as domain/accounts/shard.ts has it: a hash of the two names as a JSON array. Postgres
-- escapes texts in JSON as JavaScript does.
CREATE FUNCTION tallyline.shard_of(tenant text, customer text) RETURNS smallint LANGUAGE sql STABLE PARALLEL SAFE
RETURN (get_byte(sha256(convert_to('[' || to_json(tenant)::text || ',' || to_json(customer)::text || ']', 'UTF8')), 0)
    % 64)::smallint;

-- Raters that run, or ran lately. A name is of one life of a process.
CREATE TABLE tallyline.raters (
    name         text PRIMARY KEY,
    -- Until then, by the clock of Postgres, nobody takes what it holds.
    leased_until timestamptz NOT NULL
);

CREATE TABLE tallyline.rater_shards (
    shard           smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    -- Null: nobody.
    owner           text,
    -- Rises when another rater takes the shard.
    epoch           bigint NOT NULL DEFAULT 0,
    -- How far it is rated: every period that is touched by the chunks below this vector, and the windows that are closed
    -- at this watermark.
    seal_vector     jsonb NOT NULL DEFAULT '{}',
    watermark       timestamptz,
    -- Windows that end by then are closed, and stay so when more lateness is allowed later.
    closed_up_to    timestamptz,
    -- Up to where a step that is under way closes windows.
    closing_up_to   timestamptz,
    -- The newest catalog version that is taken in.
    catalog_version integer NOT NULL DEFAULT 0
) WITH (fillfactor = 40);

-- What a rater of the release before announces is in what is copied, or it can't announce it any more.
LOCK TABLE tallyline.rater_progress IN ACCESS EXCLUSIVE MODE;
INSERT INTO tallyline.rater_shards (shard, seal_vector, watermark, closed_up_to, closing_up_to, catalog_version)
SELECT shard, seal_vector, watermark, closed_up_to, closing_up_to, catalog_version
FROM generate_series(0, 63) AS shard CROSS JOIN tallyline.rater_progress;
DROP TABLE tallyline.rater_progress;

-- What stages of the release before read of it while they are replaced: the least of what is rated, and the most of what
-- is closed. A rater of that release can't write it, so it ends before it rates anything.
CREATE VIEW tallyline.rater_progress AS
SELECT true AS singleton, least.seal_vector, least.watermark, least.catalog_version, closed.closed_up_to,
    closed.closing_up_to
FROM (
    -- Vectors of seals are ordered, so the one with the least sum is the least.
    SELECT seal_vector, min(watermark) OVER () AS watermark, min(catalog_version) OVER () AS catalog_version
    FROM tallyline.rater_shards ORDER BY (
        SELECT coalesce(sum((counted->>0)::bigint + coalesce((counted->>1)::bigint, 0)), 0)
        FROM jsonb_each(seal_vector) AS generation, jsonb_each(generation.value) AS partition,
            LATERAL (SELECT CASE jsonb_typeof(partition.value) WHEN 'array' THEN partition.value
                            ELSE jsonb_build_array(partition.value) END AS counted) AS count
    ) LIMIT 1
) AS least CROSS JOIN (
    SELECT min(closed_up_to) AS closed_up_to, max(greatest(closed_up_to, closing_up_to)) AS closing_up_to
    FROM tallyline.rater_shards
) AS closed;
