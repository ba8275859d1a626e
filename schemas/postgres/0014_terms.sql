-- Prices in time: a line item is one of a term, the stretch of a period in which one definition of a price holds. Which
-- price holds when is said by the records of subscriptions and the versions of the catalog, and by no row of money.
--
-- A billing period is what was rated, and by which records: its bounds are those of a grid, and its plan is nobody's to
-- keep. Items that were there keep their ids and amounts; each is one of the term that starts with its period.

ALTER TABLE tallyline.line_items DROP CONSTRAINT line_items_of_period;
ALTER TABLE tallyline.line_items DROP CONSTRAINT line_items_key;
ALTER TABLE tallyline.line_items ADD COLUMN term_start timestamptz;
ALTER TABLE tallyline.line_items DISABLE TRIGGER line_items_append_only;
UPDATE tallyline.line_items SET term_start = period_start;
ALTER TABLE tallyline.line_items ENABLE TRIGGER line_items_append_only;
ALTER TABLE tallyline.line_items ALTER COLUMN term_start SET NOT NULL;
-- Null: by a price of the subscription's own.
ALTER TABLE tallyline.line_items ALTER COLUMN catalog_version DROP NOT NULL;
-- By period and price first: all terms of a price and period are rated together, whosever subscription they are of.
ALTER TABLE tallyline.line_items ADD CONSTRAINT line_items_key
    UNIQUE (tenant, customer, period_start, price, subject, subscription, period_end, term_start, window_start,
            revision);

ALTER TABLE tallyline.billing_periods DROP CONSTRAINT billing_periods_pkey;
-- A month and a year can begin at once, so the end is a part of the key. Periods that were cut are those of their items.
DELETE FROM tallyline.billing_periods period WHERE NOT EXISTS (
    SELECT FROM tallyline.line_items item
    WHERE (item.tenant, item.customer, item.subscription, item.period_start)
        = (period.tenant, period.customer, period.subscription, period.period_start));
UPDATE tallyline.billing_periods period SET period_end = item.period_end FROM (
    SELECT tenant, customer, subscription, period_start, max(period_end) AS period_end
    FROM tallyline.line_items GROUP BY 1, 2, 3, 4) item
WHERE (item.tenant, item.customer, item.subscription, item.period_start)
    = (period.tenant, period.customer, period.subscription, period.period_start);
INSERT INTO tallyline.billing_periods
    (tenant, customer, subscription, period_start, period_end, plan, catalog_version, timeline_version, seal_vector,
     rated_watermark, closed_up_to, rated_at)
SELECT DISTINCT ON (item.tenant, item.customer, item.subscription, item.period_start, item.period_end)
    item.tenant, item.customer, item.subscription, item.period_start, item.period_end, period.plan,
    period.catalog_version, period.timeline_version, period.seal_vector, period.rated_watermark, period.closed_up_to,
    period.rated_at
FROM tallyline.line_items item JOIN tallyline.billing_periods period
    USING (tenant, customer, subscription, period_start)
WHERE item.period_end <> period.period_end;
ALTER TABLE tallyline.billing_periods
    ADD PRIMARY KEY (tenant, customer, subscription, period_start, period_end);
ALTER TABLE tallyline.billing_periods DROP COLUMN plan;
ALTER TABLE tallyline.billing_periods DROP COLUMN catalog_version;
ALTER TABLE tallyline.billing_periods DROP COLUMN subscription_start;
-- The newest catalog version when the period was last rated; never goes back.
ALTER TABLE tallyline.billing_periods RENAME COLUMN timeline_version TO catalog_version;
-- How many records the customer's subscriptions had then: they are only ever added, so it never goes back.
ALTER TABLE tallyline.billing_periods ADD COLUMN records integer NOT NULL DEFAULT 0;
ALTER TABLE tallyline.line_items ADD CONSTRAINT line_items_of_period
    FOREIGN KEY (tenant, customer, subscription, period_start, period_end) REFERENCES tallyline.billing_periods;

-- Whom a rater has to look at although no window of theirs has closed: from `due_at` on. A change of an account or of the
-- catalog puts it here, and a rating what comes next (a period with a fee, a change that was planned).
CREATE TABLE tallyline.due_customers (
    tenant   text NOT NULL,
    customer text NOT NULL,
    due_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant, customer)
);
CREATE INDEX due_customers_by_time ON tallyline.due_customers (due_at, tenant, customer);
INSERT INTO tallyline.due_customers (tenant, customer, due_at)
SELECT tenant, customer, min(billed_from) FROM tallyline.subscriptions GROUP BY tenant, customer;

ALTER TABLE tallyline.due_customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tallyline.due_customers USING
    (tenant = coalesce(nullif(current_setting('tallyline.tenant', true), ''), tenant));
