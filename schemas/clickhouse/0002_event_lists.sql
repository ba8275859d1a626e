-- Lists of events by the time they were received: rows lie in the order of the log, so that of a range few granules are read.
-- Parts that were there before get the index when they are merged; until then their column of times is read.

ALTER TABLE usage_events ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1;

ALTER TABLE event_rejects ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1;
