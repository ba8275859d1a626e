-- What gateways refused lately: how often and a few examples, a row for each tenant, key and code. Nothing is billed by it.
-- Its rows are bounded by the keys there are and the closed list of codes, and go some days after the last refusal.
CREATE TABLE tallyline.refusals (
    tenant    text NOT NULL,
    key_id    text NOT NULL,
    code      text NOT NULL,
    -- Of events; of requests where the code is that of a request as a whole.
    count     bigint NOT NULL CHECK (count > 0),
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    -- The newest few: [{"id", "source", "type", "subject", "time", "message", "at"}], texts cut in length.
    examples  jsonb NOT NULL,
    PRIMARY KEY (tenant, key_id, code)
);
