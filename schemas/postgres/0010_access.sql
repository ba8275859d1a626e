-- What a key may do, for whom and how long. Keys of before go on as they were: they send events and read.
ALTER TABLE tallyline.api_keys
    -- By what follows tl_ a person tells keys apart; null: it was made before keys had one.
    ADD COLUMN prefix       text,
    ADD COLUMN scopes       text[] NOT NULL DEFAULT '{ingest,read}',
    -- Whose events it sends and reads alone; null: of all customers of the tenant.
    ADD COLUMN customer     text CHECK (customer <> ''),
    ADD COLUMN expires_at   timestamptz,
    -- To the minute or two.
    ADD COLUMN last_used_at timestamptz,
    -- The key that was made to take its place.
    ADD COLUMN replaced_by  text REFERENCES tallyline.api_keys,
    -- As its newest row in account_changes has them.
    ADD COLUMN version      integer NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN changed_at   timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    ADD CHECK (cardinality(scopes) > 0),
    -- What a key of one customer may do is built for these scopes alone.
    ADD CONSTRAINT api_keys_of_customers CHECK (customer IS NULL OR (scopes <@ '{ingest,read}' AND NOT operator));

-- Gateways are told of what they decide by, and not of when a key was used.
DROP TRIGGER notify_api_key ON tallyline.api_keys;
CREATE TRIGGER notify_api_key
  AFTER INSERT OR DELETE OR UPDATE OF tenant, key_hash, revoked_at, operator, scopes, customer, expires_at
  ON tallyline.api_keys FOR EACH ROW EXECUTE FUNCTION tallyline.notify_api_key();

-- Whoever answers requests says when keys were used, and can write nothing else of a key. A row that another process
-- writes just now is left to it.
CREATE FUNCTION tallyline.note_key_uses(ids text[], ages_ms double precision[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE tallyline.api_keys key SET last_used_at = used.at
  FROM (
    SELECT stored.id, clock_timestamp() - make_interval(secs => given.age_ms / 1000) AS at
    FROM unnest(ids, ages_ms) AS given (id, age_ms)
    JOIN tallyline.api_keys stored ON stored.id = given.id
    WHERE given.age_ms >= 0
    FOR UPDATE OF stored SKIP LOCKED
  ) AS used
  WHERE key.id = used.id AND (key.last_used_at IS NULL OR key.last_used_at < used.at - interval '1 minute')
$$;
REVOKE EXECUTE ON FUNCTION tallyline.note_key_uses FROM PUBLIC;

-- The keys there are have a beginning in the change log, and those that were revoked an end.
WITH stated AS (
    SELECT id, tenant, jsonb_build_object('name', name, 'prefix', prefix, 'scopes', scopes, 'customer', customer,
        'operator', operator, 'expiresAt', null, 'revokedAt', null, 'replacedBy', null) AS state,
        date_trunc('milliseconds', created_at) AS made_at,
        date_trunc('milliseconds', greatest(created_at, revoked_at)) AS ended_at, revoked_at IS NOT NULL AS is_revoked
    FROM tallyline.api_keys
), changes AS (
    SELECT tenant, id, 1 AS version, made_at AS at, state FROM stated
    UNION ALL
    SELECT tenant, id, 2, ended_at, state || jsonb_build_object('revokedAt', (extract(epoch FROM ended_at) * 1000)::bigint)
    FROM stated WHERE is_revoked
), appended AS (
    INSERT INTO tallyline.account_changes (tenant, kind, id, version, actor, reason, recorded_at, after)
    SELECT tenant, 'key', id, version, 'cli:unknown', 'before changes of keys were recorded', at, state FROM changes
    ORDER BY at, id, version
    RETURNING tenant, id, version, recorded_at
)
UPDATE tallyline.api_keys key SET version = newest.version, changed_at = newest.recorded_at
FROM (SELECT DISTINCT ON (id) id, version, recorded_at FROM appended ORDER BY id, version DESC) AS newest
WHERE key.id = newest.id;
