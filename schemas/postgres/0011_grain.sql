-- Money is by customer: a billing period is one of (tenant, customer, subscription), and so is a line item. Until now both
-- were by subject, which was a customer of its own name: what there is keeps its rows, its ids and its amounts.
--
-- `subscription` is '' for a customer without one, and, until subscriptions are account objects, for everybody. Each key
-- has period_start, so that these tables can be cut by month: what refers to a row carries it.

-- The names that Postgres gave to these are cut to 63 bytes.
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
        WHERE (conrelid = 'tallyline.line_items'::regclass AND contype IN ('f', 'u'))
           OR (conrelid = 'tallyline.ledger_entries'::regclass AND contype = 'f')
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', old.of_table, old.conname);
    END LOOP;
END $$;

ALTER TABLE tallyline.billing_periods RENAME COLUMN subject TO customer;
ALTER TABLE tallyline.billing_periods ADD COLUMN subscription text NOT NULL DEFAULT '';
ALTER TABLE tallyline.billing_periods DROP CONSTRAINT billing_periods_pkey;
ALTER TABLE tallyline.billing_periods ADD PRIMARY KEY (tenant, customer, subscription, period_start);
ALTER INDEX tallyline.billing_periods_by_subject RENAME TO billing_periods_by_customer;

ALTER TABLE tallyline.line_items RENAME COLUMN subject TO customer;
ALTER TABLE tallyline.line_items ADD COLUMN subscription text NOT NULL DEFAULT '';
-- Whose usage it is alone, where the price says `per: subject`; '': that of all subjects of the customer together.
ALTER TABLE tallyline.line_items ADD COLUMN subject text NOT NULL DEFAULT '';
ALTER TABLE tallyline.line_items DROP CONSTRAINT line_items_pkey;
-- The id is derived from the unique key below.
ALTER TABLE tallyline.line_items ADD PRIMARY KEY (id, period_start);
ALTER TABLE tallyline.line_items ADD CONSTRAINT line_items_key
    UNIQUE (tenant, customer, subscription, period_start, subject, price, window_start, revision);
ALTER TABLE tallyline.line_items ADD CONSTRAINT line_items_of_period
    FOREIGN KEY (tenant, customer, subscription, period_start) REFERENCES tallyline.billing_periods;

-- "receivable:<customer>" or "revenue:<price>" is the account now.
ALTER TABLE tallyline.ledger_entries ADD COLUMN period_start timestamptz;
ALTER TABLE tallyline.ledger_entries DISABLE TRIGGER ledger_entries_append_only;
UPDATE tallyline.ledger_entries entry SET period_start = item.period_start
FROM tallyline.line_items item WHERE item.id = entry.line_item;
ALTER TABLE tallyline.ledger_entries ENABLE TRIGGER ledger_entries_append_only;
ALTER TABLE tallyline.ledger_entries ADD CONSTRAINT ledger_entries_of_item
    FOREIGN KEY (line_item, period_start) REFERENCES tallyline.line_items;
ALTER TABLE tallyline.ledger_entries ADD CONSTRAINT ledger_entries_carry_period
    CHECK ((line_item IS NULL) = (period_start IS NULL));

-- Up to where a step of a rater may have closed windows, said before it looks at any: closed_up_to, or later. No subject
-- changes hands before it.
ALTER TABLE tallyline.rater_progress ADD COLUMN closing_up_to timestamptz;
