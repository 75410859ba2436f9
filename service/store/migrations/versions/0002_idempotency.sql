-- Migration 0002: repeated requests. Frozen: change the schema by a new migration.

CREATE TABLE idempotency_keys (
    user_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    operation_id UUID NOT NULL,
    fingerprint TEXT NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE NOT NULL,
    status SMALLINT,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- A repeated creation finds the ticket of the first by this.
ALTER TABLE tickets ADD COLUMN operation_id UUID;
CREATE UNIQUE INDEX tickets_operation_key ON tickets (operation_id) WHERE operation_id IS NOT NULL;

-- The claims table names a fetch by its operation; the columns meant for this were never used.
DROP INDEX claims_idempotency_key;
ALTER TABLE claims DROP COLUMN idempotency_key, DROP COLUMN fingerprint;
