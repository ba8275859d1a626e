-- Rows as lean as what they say. What all periods and items of one rating have in common (the seals it read, its
-- watermark, the catalog) is one row of `ratings`, and they refer to it. What an amount was computed from is two numbers:
-- the third is their difference with the amount.
--
-- A line item is known by its id, which is derived from the columns that were a unique key until now: a second item of
-- the same key has the same id, and the primary key refuses it. Each key still has period_start, so that the tables of
-- money can be cut by month. `ratings` is not cut: it has a row for each few hundred customers of a step.
--
-- The table of items is written anew, in the order of its rows; ids, amounts, instants and sequences stay as they were.

CREATE TABLE tallyline.ratings (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The newest version of the catalog then. Null: an item from before ratings were kept, of which the seals alone are known.
    catalog_version integer,
    -- The seals that it read: one past the last sealed chunk of each partition, by generation.
    seal_vector     jsonb NOT NULL,
    rated_watermark timestamptz,
    -- What ends by then was closed.
    closed_up_to    timestamptz,
    rated_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Of a period: its last rating.
INSERT INTO tallyline.ratings (catalog_version, seal_vector, rated_watermark, closed_up_to, rated_at)
SELECT catalog_version, seal_vector, rated_watermark, closed_up_to, coalesce(max(rated_at), clock_timestamp())
FROM tallyline.billing_periods GROUP BY catalog_version, seal_vector, rated_watermark, closed_up_to;
ALTER TABLE tallyline.billing_periods ADD COLUMN rating bigint;
UPDATE tallyline.billing_periods period SET rating = rating.id FROM tallyline.ratings rating
WHERE rating.catalog_version = period.catalog_version AND rating.seal_vector = period.seal_vector
  AND rating.rated_watermark IS NOT DISTINCT FROM period.rated_watermark
  AND rating.closed_up_to IS NOT DISTINCT FROM period.closed_up_to;
ALTER TABLE tallyline.billing_periods ALTER COLUMN rating SET NOT NULL;
ALTER TABLE tallyline.billing_periods DROP COLUMN catalog_version;
ALTER TABLE tallyline.billing_periods DROP COLUMN seal_vector;
ALTER TABLE tallyline.billing_periods DROP COLUMN rated_watermark;
ALTER TABLE tallyline.billing_periods DROP COLUMN closed_up_to;
ALTER TABLE tallyline.billing_periods DROP COLUMN rated_at;
-- Each rating of a period changes its row, and no column that an index has: with room beside it, it stays on its page.
ALTER TABLE tallyline.billing_periods SET (fillfactor = 60);

INSERT INTO tallyline.ratings (seal_vector, rated_at)
SELECT coalesce(derivation->'sealVector', '{}'), max(created_at) FROM tallyline.line_items GROUP BY 1;

-- Columns of eight bytes first, so that none is padded.
CREATE TABLE tallyline.lean_line_items (
    -- Orders the rows for cursors.
    sequence          bigint GENERATED ALWAYS AS IDENTITY,
    -- By what it was computed. Written in the transaction of its items and never changed.
    rating            bigint NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    period_start      timestamptz NOT NULL,
    period_end        timestamptz NOT NULL,
    term_start        timestamptz NOT NULL,
    window_start      timestamptz NOT NULL,
    window_end        timestamptz NOT NULL,
    revision          integer NOT NULL CHECK (revision >= 0),
    -- Null: by a price of the subscription's own.
    catalog_version   integer,
    -- Derived from tenant, customer, subscription, period, price, subject, term_start, window_start and revision.
    id                uuid NOT NULL,
    tenant            text NOT NULL,
    customer          text NOT NULL,
    subscription      text NOT NULL,
    -- Whose usage it is alone, where the price says `per: subject`; '': that of all subjects of the customer together.
    subject           text NOT NULL,
    plan              text NOT NULL,
    price             text NOT NULL,
    meter             text,
    groups            jsonb NOT NULL,
    quantity          numeric NOT NULL,
    amount            numeric NOT NULL,
    -- The term's usage with this item's, and what that costs. `amount` is cumulative_amount less all amounts before.
    cumulative_quantity numeric NOT NULL,
    cumulative_amount numeric NOT NULL,
    currency          text NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('usage', 'adjustment')),
    -- Why the row was written: window_closed, period_started, late_usage or plan_change.
    cause             text NOT NULL
);
INSERT INTO tallyline.lean_line_items (sequence, rating, created_at, period_start, period_end, term_start, window_start,
    window_end, revision, catalog_version, id, tenant, customer, subscription, subject, plan, price, meter, groups,
    quantity, amount, cumulative_quantity, cumulative_amount, currency, kind, cause) OVERRIDING SYSTEM VALUE
SELECT item.sequence, rating.id, item.created_at, item.period_start, item.period_end, item.term_start,
    item.window_start, item.window_end, item.revision, item.catalog_version, item.id, item.tenant, item.customer,
    item.subscription, item.subject, item.plan, item.price, item.meter, item.groups, item.quantity, item.amount,
    (item.derivation->>'cumulativeQuantity')::numeric, (item.derivation->>'cumulativeAmount')::numeric, item.currency,
    item.kind, item.cause
FROM tallyline.line_items item JOIN tallyline.ratings rating
    ON rating.catalog_version IS NULL AND rating.seal_vector = coalesce(item.derivation->'sealVector', '{}')
ORDER BY item.sequence;

ALTER TABLE tallyline.ledger_entries DROP CONSTRAINT ledger_entries_of_item;
DO $$
DECLARE
    -- A number is used once, also one whose item was rolled back.
    used bigint := (SELECT last_value FROM pg_sequences
                    WHERE format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence('tallyline.line_items', 'sequence'));
BEGIN
    IF used IS NOT NULL THEN
        PERFORM setval(pg_get_serial_sequence('tallyline.lean_line_items', 'sequence'), used);
    END IF;
    IF (SELECT count(*) FROM tallyline.lean_line_items) <> (SELECT count(*) FROM tallyline.line_items) THEN
        RAISE EXCEPTION 'not every line item was carried over';
    END IF;
END $$;
DROP TABLE tallyline.line_items;
ALTER TABLE tallyline.lean_line_items RENAME TO line_items;
ALTER SEQUENCE tallyline.lean_line_items_sequence_seq RENAME TO line_items_sequence_seq;
ALTER TABLE tallyline.line_items RENAME CONSTRAINT lean_line_items_revision_check TO line_items_revision_check;
ALTER TABLE tallyline.line_items RENAME CONSTRAINT lean_line_items_kind_check TO line_items_kind_check;
ALTER TABLE tallyline.line_items ADD PRIMARY KEY (id, period_start);
-- Items of a customer's period share one entry's key.
CREATE INDEX line_items_by_customer ON tallyline.line_items (tenant, customer, period_start);
CREATE INDEX line_items_by_window ON tallyline.line_items (tenant, window_start, sequence);
CREATE INDEX line_items_by_sequence ON tallyline.line_items USING brin (sequence);

CREATE TRIGGER line_items_append_only BEFORE UPDATE OR DELETE ON tallyline.line_items
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();
CREATE TRIGGER ratings_append_only BEFORE UPDATE OR DELETE ON tallyline.ratings
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();
-- A period is moved on, and neither deleted nor given another name: items refer to it.
CREATE TRIGGER billing_periods_stay BEFORE DELETE OR UPDATE OF tenant, customer, subscription, period_start, period_end
    ON tallyline.billing_periods FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();

-- What refers to a row is compared with it once a statement. As foreign keys, a look-up a row, these were a third of
-- what an item cost; and what is referred to is never deleted. A row at a time by its key: joined as a whole, all there
-- are would look cheaper to read.
CREATE FUNCTION tallyline.assert_period_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing record;
BEGIN
    SELECT item.* INTO missing
    FROM (SELECT DISTINCT tenant, customer, subscription, period_start, period_end FROM added) item
    WHERE (SELECT true FROM tallyline.billing_periods period
           WHERE (period.tenant, period.customer, period.subscription, period.period_start, period.period_end)
               = (item.tenant, item.customer, item.subscription, item.period_start, item.period_end) LIMIT 1) IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a line item of customer % has no billing period from % to %', missing.customer,
            missing.period_start, missing.period_end USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_items_of_period AFTER INSERT ON tallyline.line_items
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_period_references();

CREATE FUNCTION tallyline.assert_rating_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing bigint;
BEGIN
    SELECT written.rating INTO missing FROM (SELECT DISTINCT rating FROM added) written
    WHERE (SELECT true FROM tallyline.ratings rating WHERE rating.id = written.rating LIMIT 1) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no rating %, which a row of % names', missing, TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_items_of_rating AFTER INSERT ON tallyline.line_items
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_rating_references();
CREATE TRIGGER billing_periods_added_by_rating AFTER INSERT ON tallyline.billing_periods
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_rating_references();
CREATE TRIGGER billing_periods_moved_by_rating AFTER UPDATE ON tallyline.billing_periods
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_rating_references();

CREATE FUNCTION tallyline.assert_entry_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing record;
BEGIN
    SELECT entry.* INTO missing
    FROM (SELECT DISTINCT line_item, period_start FROM added WHERE line_item IS NOT NULL) entry
    WHERE (SELECT true FROM tallyline.line_items item
           WHERE (item.id, item.period_start) = (entry.line_item, entry.period_start) LIMIT 1) IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no line item % of the period of %, which a ledger entry names', missing.line_item,
            missing.period_start USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_references AFTER INSERT ON tallyline.ledger_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_entry_references();
