-- The event log of a deployment without Kafka. Offsets are gapless per partition: the row lock on log_partitions orders appends.

CREATE TABLE tallyline.log_topics (
    topic         text PRIMARY KEY,
    topic_id      uuid NOT NULL DEFAULT gen_random_uuid(),
    partitions    integer NOT NULL CHECK (partitions > 0),
    retention_ms  bigint NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tallyline.log_partitions (
    topic         text NOT NULL REFERENCES tallyline.log_topics,
    partition     integer NOT NULL,
    start_offset  bigint NOT NULL DEFAULT 0,
    end_offset    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE tallyline.log_records (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    append_time  timestamptz NOT NULL,
    value        bytea NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
ALTER TABLE tallyline.log_records ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE TABLE tallyline.log_members (
    topic         text NOT NULL REFERENCES tallyline.log_topics,
    "group"       text NOT NULL,
    member        text NOT NULL,
    heartbeat_at  timestamptz NOT NULL,
    PRIMARY KEY (topic, "group", member)
);
