-- What customers have subscribed to (docs/inside/accounts.md). A row of `subscriptions` is what never changes of one; what
-- does are its records, which are only ever added, each in the transaction of the change of the account that it is.

CREATE TABLE tallyline.subscriptions (
    tenant        text NOT NULL,
    id            text NOT NULL,
    customer      text NOT NULL,
    -- The number of its newest record.
    version       integer NOT NULL CHECK (version > 0),
    starts_at     timestamptz NOT NULL,
    -- From when on it bills.
    billed_from   timestamptz NOT NULL CHECK (billed_from >= starts_at),
    -- Where its periods are counted from; null: the calendar.
    anchor        timestamptz,
    timezone      text NOT NULL,
    -- Whether the window that holds billed_from is its own (T1): known only when it was made.
    takes_begun_window boolean NOT NULL,
    -- What it was made from, as its maker said it: the same again is no other subscription.
    made_from     jsonb NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    -- Orders the rows for cursors.
    number        bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, customer) REFERENCES tallyline.customers
);
CREATE UNIQUE INDEX subscriptions_by_customer ON tallyline.subscriptions (tenant, customer, number);
CREATE UNIQUE INDEX subscriptions_by_number ON tallyline.subscriptions (tenant, number);

-- Patches by field, each from an instant on, or that an earlier record is undone from an instant on (T13).
CREATE TABLE tallyline.subscription_records (
    tenant        text NOT NULL,
    subscription  text NOT NULL,
    sequence      integer NOT NULL CHECK (sequence > 0),
    record        jsonb NOT NULL,
    recorded_at   timestamptz NOT NULL CHECK (recorded_at = date_trunc('milliseconds', recorded_at)),
    PRIMARY KEY (tenant, subscription, sequence),
    FOREIGN KEY (tenant, subscription) REFERENCES tallyline.subscriptions
);
CREATE TRIGGER subscription_records_append_only BEFORE UPDATE OR DELETE ON tallyline.subscription_records
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();
CREATE TRIGGER subscription_records_stay BEFORE TRUNCATE ON tallyline.subscription_records
    FOR EACH STATEMENT EXECUTE FUNCTION tallyline.refuse_change();

DO $$
DECLARE
    fenced text;
BEGIN
    FOREACH fenced IN ARRAY ARRAY['subscriptions', 'subscription_records']
    LOOP
        EXECUTE format('ALTER TABLE tallyline.%I ENABLE ROW LEVEL SECURITY', fenced);
        EXECUTE format('CREATE POLICY own_tenant ON tallyline.%I USING
                        (tenant = coalesce(nullif(current_setting(''tallyline.tenant'', true), ''''), tenant))', fenced);
    END LOOP;
END $$;
