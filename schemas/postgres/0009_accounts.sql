-- Who is billed, and who changed what: docs/inside/accounts.md. A change is a row that stays; the tables of the present
-- say what the newest row of each object says. Names of persons stand here only encrypted, by a key for each customer.

CREATE TABLE tallyline.account_changes (
    tenant       text NOT NULL,
    -- customer, subject, ...: of what the object is.
    kind         text NOT NULL,
    id           text NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    -- key:<id of the API key> or cli:<user>.
    actor        text NOT NULL,
    reason       text,
    -- Never before that of the version before. In milliseconds, as it is told.
    recorded_at  timestamptz NOT NULL CHECK (recorded_at = date_trunc('milliseconds', recorded_at)),
    -- What the object is from here on, but for its personal fields. What it was is the version before.
    after        jsonb NOT NULL,
    -- Encrypted by the customer's key; null: it has none, or was erased by this change.
    personal     bytea,
    -- Orders the rows for cursors.
    sequence     bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant, kind, id, version)
);
CREATE INDEX account_changes_by_time ON tallyline.account_changes (tenant, recorded_at, sequence);
CREATE TRIGGER account_changes_append_only BEFORE UPDATE OR DELETE ON tallyline.account_changes
    FOR EACH ROW EXECUTE FUNCTION tallyline.refuse_change();
CREATE TRIGGER account_changes_stay BEFORE TRUNCATE ON tallyline.account_changes
    FOR EACH STATEMENT EXECUTE FUNCTION tallyline.refuse_change();

CREATE TABLE tallyline.customers (
    tenant       text NOT NULL,
    id           text NOT NULL,
    -- Of domain/accounts/shard.ts: by it work on customers is shared out.
    shard        smallint NOT NULL CHECK (shard BETWEEN 0 AND 63),
    version      integer NOT NULL CHECK (version > 0),
    entity       text NOT NULL,
    currency     text,
    timezone     text,
    parent       text,
    paid_by      text NOT NULL CHECK (paid_by IN ('self', 'parent')),
    -- Name, e-mail, billing address and metadata, encrypted by the customer's key; null once it is erased.
    personal     bytea,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    archived_at  timestamptz,
    erased_at    timestamptz,
    -- Orders the rows for cursors: given when the customer is made, and for ever.
    number       bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, parent) REFERENCES tallyline.customers,
    CHECK (paid_by = 'self' OR parent IS NOT NULL),
    CHECK ((erased_at IS NULL) = (personal IS NOT NULL))
);
CREATE UNIQUE INDEX customers_by_number ON tallyline.customers (tenant, number);
CREATE INDEX customers_by_parent ON tallyline.customers (tenant, parent) WHERE parent IS NOT NULL;

-- A customer is erased by deleting its row here: what was encrypted by the key stays, and nobody can read it.
CREATE TABLE tallyline.customer_keys (
    tenant       text NOT NULL,
    customer     text NOT NULL,
    wrapped_key  bytea NOT NULL,
    -- Which of the installation's keys it is encrypted by.
    wrapped_by   text NOT NULL,
    PRIMARY KEY (tenant, customer),
    FOREIGN KEY (tenant, customer) REFERENCES tallyline.customers
);

-- HMACs of the words of a name and of an e-mail address, by which a customer is found.
CREATE TABLE tallyline.customer_words (
    tenant       text NOT NULL,
    word         bytea NOT NULL,
    customer     text NOT NULL,
    PRIMARY KEY (tenant, word, customer),
    FOREIGN KEY (tenant, customer) REFERENCES tallyline.customers
);
CREATE INDEX customer_words_by_customer ON tallyline.customer_words (tenant, customer);

-- One row a subject that was ever assigned: the lock of its changes.
CREATE TABLE tallyline.assigned_subjects (
    tenant       text NOT NULL,
    subject      text NOT NULL,
    version      integer NOT NULL CHECK (version >= 0),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    number       bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant, subject)
);

-- From when on a subject is whose. Before its first row it is a customer of its own name.
CREATE TABLE tallyline.subject_assignments (
    tenant       text NOT NULL,
    subject      text NOT NULL,
    starts_at    timestamptz NOT NULL,
    customer     text NOT NULL,
    PRIMARY KEY (tenant, subject, starts_at),
    FOREIGN KEY (tenant, subject) REFERENCES tallyline.assigned_subjects,
    FOREIGN KEY (tenant, customer) REFERENCES tallyline.customers
);
CREATE INDEX subject_assignments_by_customer ON tallyline.subject_assignments (tenant, customer, subject, starts_at);

-- What a POST was answered, written in the transaction of its effect. No answer here has a personal field.
CREATE TABLE tallyline.idempotent_answers (
    tenant       text NOT NULL,
    route        text NOT NULL,
    key          text NOT NULL,
    -- Of the path and the body that it was sent with.
    digest       bytea NOT NULL,
    -- Null only within the transaction that makes it.
    status       smallint,
    version      integer,
    -- As it was written, keys in their order.
    body         json,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, route, key)
);
CREATE INDEX idempotent_answers_by_age ON tallyline.idempotent_answers (made_at);

-- A second fence between tenants: where `tallyline.tenant` is set, as the stage `manage` sets it in each transaction, a
-- user that does not own the tables sees and writes the rows of that tenant alone.
DO $$
DECLARE
    fenced text;
BEGIN
    FOREACH fenced IN ARRAY ARRAY['account_changes', 'customers', 'customer_keys', 'customer_words', 'assigned_subjects',
                                  'subject_assignments', 'idempotent_answers']
    LOOP
        EXECUTE format('ALTER TABLE tallyline.%I ENABLE ROW LEVEL SECURITY', fenced);
        EXECUTE format('CREATE POLICY own_tenant ON tallyline.%I USING
                        (tenant = coalesce(nullif(current_setting(''tallyline.tenant'', true), ''''), tenant))', fenced);
    END LOOP;
END $$;
