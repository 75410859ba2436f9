-- Migration 0012: what dispatch did, a row for each run that gave something or was refused it. Frozen: change the schema by
-- a new migration.

CREATE TABLE dispatches (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    trigger TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    rounds INTEGER NOT NULL,
    agents INTEGER NOT NULL,
    dispatched BIGINT NOT NULL,
    refused INTEGER NOT NULL,
    wait_ms_total BIGINT NOT NULL,
    wait_ms_longest BIGINT NOT NULL,
    ended TEXT NOT NULL,
    CONSTRAINT dispatches_pkey PRIMARY KEY (id)
);
CREATE INDEX dispatches_finished_at_idx ON dispatches (finished_at);

-- Who takes what they are given: dispatch asks for them after every change, and there may be none among thousands.
CREATE INDEX agents_auto_assign_idx ON agents (id) WHERE auto_assign;
