-- Migration 0003: what the last check of the invariants found, for the metrics. Frozen: change it by a new migration.

CREATE TABLE invariant_checks (
    code TEXT NOT NULL,
    ok BOOLEAN,
    violations BIGINT NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT invariant_checks_pkey PRIMARY KEY (code)
);
