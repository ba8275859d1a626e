-- Line items and ledger entries are only ever added: a correction is a new row.

-- One row a (tenant, subject, billing period): the lock a rating takes, and what it was pinned to.
CREATE TABLE tallyline.billing_periods (
    tenant           text NOT NULL,
    subject          text NOT NULL,
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL,
    plan             text NOT NULL,
    -- The start of the subscription that the plan comes from; null: the default plan.
    subscription_start timestamptz,
    -- The price version is pinned when the period is first rated under its plan.
    catalog_version  integer NOT NULL REFERENCES tallyline.catalog_versions,
    -- The catalog version whose subscriptions drew the period's bounds at the last rating; never goes back.
    timeline_version integer NOT NULL,
    -- The seals the last rating read: one past the last sealed chunk of each partition, by generation.
    seal_vector      jsonb NOT NULL DEFAULT '{}',
    rated_watermark  timestamptz,
    -- Windows that end by then were closed at the last rating.
    closed_up_to     timestamptz,
    rated_at         timestamptz,
    PRIMARY KEY (tenant, subject, period_start),
    -- Empty: another period has replaced this one, and its line items cancel out.
    CHECK (period_end >= period_start)
);

CREATE TABLE tallyline.line_items (
    -- Derived from the unique key below.
    id            uuid PRIMARY KEY,
    tenant        text NOT NULL,
    subject       text NOT NULL,
    plan          text NOT NULL,
    price         text NOT NULL,
    meter         text,
    groups        jsonb NOT NULL,
    window_start  timestamptz NOT NULL,
    window_end    timestamptz NOT NULL,
    period_start  timestamptz NOT NULL,
    period_end    timestamptz NOT NULL,
    quantity      numeric NOT NULL,
    amount        numeric NOT NULL,
    currency      text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('usage', 'adjustment')),
    revision      integer NOT NULL CHECK (revision >= 0),
    -- Why the row was written: window_closed, period_started, late_usage or plan_change.
    cause         text NOT NULL,
    catalog_version integer NOT NULL,
    -- What the amount was computed from: {"cumulativeQuantity", "cumulativeAmount", "writtenAmount", "sealVector"}.
    derivation    jsonb NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Orders the rows for cursors.
    sequence      bigint GENERATED ALWAYS AS IDENTITY,
    UNIQUE (tenant, subject, period_start, price, window_start, revision),
    FOREIGN KEY (tenant, subject, period_start) REFERENCES tallyline.billing_periods
);
CREATE INDEX billing_periods_by_subject ON tallyline.billing_periods (subject);
CREATE INDEX line_items_by_window ON tallyline.line_items (tenant, window_start, sequence);

CREATE TABLE tallyline.ledger_entries (
    transaction_id  uuid NOT NULL,
    entry           smallint NOT NULL,
    tenant          text NOT NULL,
    -- "receivable:<subject>" or "revenue:<price>".
    account         text NOT NULL,
    -- Debits are positive, credits negative.
    amount          numeric NOT NULL,
    currency        text NOT NULL,
    line_item       uuid REFERENCES tallyline.line_items,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (transaction_id, entry)
);
CREATE INDEX ledger_entries_by_account ON tallyline.ledger_entries (tenant, account);

-- I5, enforced where it can't be forgotten: whatever a statement adds to a transaction adds up to zero in each currency. Looking
-- at the added rows alone is enough, as what was there before did, and costs the same however long the ledger is.
CREATE FUNCTION tallyline.assert_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced uuid;
BEGIN
    SELECT transaction_id INTO unbalanced FROM added
    GROUP BY transaction_id, tenant, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not add up to zero', unbalanced
            USING ERRCODE = 'check_violation', HINT = 'Insert all entries of a transaction in one statement.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_balanced AFTER INSERT ON tallyline.ledger_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tallyline.assert_balanced();

CREATE FUNCTION tallyline.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: a correction is a new row', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER line_items_append_only BEFORE UPDATE OR DELETE ON tallyline.line_items
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON tallyline.ledger_entries
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();

-- Epochs never fall from chunk to chunk; this index finds where they rise without reading every seal.
CREATE INDEX chunk_seals_by_epoch ON tallyline.chunk_seals (generation, partition, epoch, chunk);

-- How far the rater is: every period touched by the chunks below this vector and the windows closed at this watermark is rated.
CREATE TABLE tallyline.rater_progress (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    seal_vector  jsonb NOT NULL DEFAULT '{}',
    watermark    timestamptz,
    -- Windows that end by then are closed, and stay so when more lateness is allowed later.
    closed_up_to timestamptz,
    -- The newest catalog version whose subscriptions are taken in.
    catalog_version integer NOT NULL DEFAULT 0
);
INSERT INTO tallyline.rater_progress DEFAULT VALUES;
