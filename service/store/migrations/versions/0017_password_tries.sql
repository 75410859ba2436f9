-- Migration 0017: tries at passwords. Frozen: change the schema by a new migration.

-- One row for each account, address, place of an account or session whose password is being tried, under a keyed hash.
-- `whole_at` is when all tries are regained (the "theoretical arrival time" of the generic cell rate algorithm): what
-- is left can be told from it and the clock. `known_until`: the right password was given from there.
CREATE TABLE password_tries (
    key BYTEA NOT NULL,
    whole_at TIMESTAMP WITH TIME ZONE NOT NULL,
    known_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT password_tries_pkey PRIMARY KEY (key)
);
