-- Migration 0015: figures over time, for the operators' charts. Frozen: change the schema by a new migration.

-- One row a minute for a day, then one an hour. `created` to `returned` count what happened in the `span_s` seconds
-- before `flows_until`; the others say how things stood.
CREATE TABLE samples (
    grain TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    span_s DOUBLE PRECISION NOT NULL,
    flows_until TIMESTAMP WITH TIME ZONE NOT NULL,
    open_high BIGINT NOT NULL,
    open_medium BIGINT NOT NULL,
    open_low BIGINT NOT NULL,
    oldest_open_s DOUBLE PRECISION,
    held BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    claims INTEGER,
    is_degraded BOOLEAN NOT NULL,
    created BIGINT NOT NULL,
    assigned BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    resolved BIGINT NOT NULL,
    returned BIGINT NOT NULL,
    found JSONB DEFAULT '{}' NOT NULL,
    repaired JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT samples_pkey PRIMARY KEY (grain, at),
    CONSTRAINT samples_grain_known CHECK (grain IN ('minute', 'hour'))
);

-- What happened in the last minute is read from the history itself. A BRIN index costs its writers nothing that can be
-- measured (one entry for 32 pages), and lines are written in the order of their time.
CREATE INDEX ticket_events_at_idx ON ticket_events USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX reconciliations_finished_at_idx ON reconciliations (finished_at);
