-- The order in which rows were made is asked for with `number > 0` beside, as every number is. Whoever looks for a row by
-- its id can't be given these indexes then. While a table is new and nothing is known of how many rows it has, Postgres
-- takes any index that begins with the tenant for as good as the key, and keeps that plan: to check one reference, it then
-- walks all customers of the tenant, until autovacuum has counted them.
CREATE UNIQUE INDEX customers_by_making ON tallyline.customers (tenant, number) WHERE number > 0;
DROP INDEX tallyline.customers_by_number;
CREATE UNIQUE INDEX subscriptions_by_making ON tallyline.subscriptions (tenant, number) WHERE number > 0;
DROP INDEX tallyline.subscriptions_by_number;
