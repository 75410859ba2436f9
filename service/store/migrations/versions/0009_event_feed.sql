-- Migration 0009: the history is also the outbox. Frozen: change the schema by a new migration.

-- Which transaction wrote a line. Readers follow the lines by it: ids are handed out before transactions commit, so a
-- reader that went by ids would pass over lines that commit late. NULL in older lines: nobody is told of them any more.
ALTER TABLE ticket_events ADD COLUMN xact xid8;
ALTER TABLE ticket_events ALTER COLUMN xact SET DEFAULT pg_current_xact_id();
CREATE INDEX ticket_events_xact_idx ON ticket_events (xact, id) WHERE xact IS NOT NULL;

-- How far each reader has come.
CREATE TABLE event_cursors (
    reader TEXT NOT NULL,
    xact xid8 NOT NULL,
    event_id BIGINT NOT NULL,
    CONSTRAINT event_cursors_pkey PRIMARY KEY (reader)
);
