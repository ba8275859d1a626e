-- Who was ever to have a plan, by plan: so that a version of the catalog looks at those whom it concerns, page by page in the
-- order of the key, and at nobody else. It follows from the records of subscriptions, and a row is written with the first
-- of them that names the plan; none is ever deleted, as no record is.
CREATE TABLE tallyline.plan_holders (
    plan     text NOT NULL,
    tenant   text NOT NULL,
    customer text NOT NULL,
    PRIMARY KEY (plan, tenant, customer)
);

INSERT INTO tallyline.plan_holders (plan, tenant, customer)
SELECT DISTINCT patch->'patch'->>'plan', record.tenant, subscription.customer
FROM tallyline.subscription_records record
JOIN tallyline.subscriptions subscription ON (subscription.tenant, subscription.id) = (record.tenant, record.subscription)
CROSS JOIN LATERAL jsonb_array_elements(record.record->'patches') AS patch
WHERE patch->'patch'->>'plan' IS NOT NULL;

ALTER TABLE tallyline.plan_holders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tallyline.plan_holders USING
    (tenant = coalesce(nullif(current_setting('tallyline.tenant', true), ''), tenant));
