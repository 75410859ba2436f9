-- Migration 0007: imports. What other systems call a ticket, so that importing it again makes no second one, and the
-- imports that a worker carries out, with what was uploaded.

ALTER TABLE tickets ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX tickets_external_key ON tickets (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE imports (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    format TEXT NOT NULL,
    on_error TEXT NOT NULL,
    status TEXT DEFAULT 'queued' NOT NULL,
    requested_by BIGINT,
    size_bytes BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    attempt INTEGER DEFAULT 0 NOT NULL,
    line BIGINT DEFAULT 0 NOT NULL,
    imported BIGINT DEFAULT 0 NOT NULL,
    already_there BIGINT DEFAULT 0 NOT NULL,
    bad BIGINT DEFAULT 0 NOT NULL,
    errors JSONB DEFAULT '[]' NOT NULL,
    error TEXT,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT imports_pkey PRIMARY KEY (id),
    CONSTRAINT imports_format_known CHECK (format IN ('csv', 'ndjson')),
    CONSTRAINT imports_on_error_known CHECK (on_error IN ('skip', 'abort')),
    CONSTRAINT imports_status_known CHECK (status IN ('queued', 'running', 'done', 'stopped', 'failed')),
    CONSTRAINT imports_requested_by_fkey FOREIGN KEY(requested_by) REFERENCES users (id)
);
CREATE INDEX imports_unfinished_idx ON imports (id) WHERE status IN ('queued', 'running');

CREATE TABLE import_parts (
    import_id BIGINT NOT NULL,
    place INTEGER NOT NULL,
    data BYTEA NOT NULL,
    CONSTRAINT import_parts_pkey PRIMARY KEY (import_id, place),
    CONSTRAINT import_parts_import_id_fkey FOREIGN KEY(import_id) REFERENCES imports (id)
);
