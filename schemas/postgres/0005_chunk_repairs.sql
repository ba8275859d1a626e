-- Sealed chunks whose rows in ClickHouse are no longer what was sealed, found by the rater's auditor. The aggregator that owns
-- the partition reads the requests, reopens the chunk so that it is replayed from the log, and says what it did.
CREATE TABLE tallyline.chunk_repairs (
    generation    integer NOT NULL,
    partition     integer NOT NULL,
    chunk         integer NOT NULL,
    -- Of the seal that the rows differ from: a chunk that was replayed since has another.
    epoch         bigint NOT NULL,
    reason        text NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- reopened: it is replayed. superseded: it has been reopened for another reason. refused: see detail. Null: not decided.
    outcome       text CHECK (outcome IN ('reopened', 'superseded', 'refused')),
    detail        text,
    decided_at    timestamptz,
    PRIMARY KEY (generation, partition, chunk, epoch),
    CHECK ((outcome IS NULL) = (decided_at IS NULL))
);
CREATE INDEX chunk_repairs_open ON tallyline.chunk_repairs (generation, partition) WHERE outcome IS NULL;

-- The auditor looks at the newest line items; they are stored nearly in this order, so a few bytes for each hundred rows do.
CREATE INDEX line_items_by_sequence ON tallyline.line_items USING brin (sequence);
