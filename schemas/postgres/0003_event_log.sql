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

-- Every join, leave and expiry of a member is a generation: the order in which a group's membership changed.
CREATE TABLE tallyline.log_groups (
    topic         text NOT NULL REFERENCES tallyline.log_topics,
    "group"       text NOT NULL,
    generation    bigint NOT NULL,
    PRIMARY KEY (topic, "group")
);

CREATE TABLE tallyline.log_members (
    topic               text NOT NULL,
    "group"             text NOT NULL,
    member              uuid NOT NULL,
    heartbeat_at        timestamptz NOT NULL,
    -- The generation up to which this member has let go of the partitions that are no longer its own.
    settled_generation  bigint NOT NULL,
    -- The backend of the connection it listens on, null while it has none: a member whose backend is gone is gone.
    session_pid         integer,
    PRIMARY KEY (topic, "group", member),
    FOREIGN KEY (topic, "group") REFERENCES tallyline.log_groups
);
