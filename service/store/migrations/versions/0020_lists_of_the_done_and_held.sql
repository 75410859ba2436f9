-- Migration 0020: lists at a million tickets and customers, second part. Frozen: change the schema by a new migration.
-- On a large table in use, build these by hand beforehand (CREATE INDEX CONCURRENTLY, same names): docs/adr/0038.

-- By their last change, those in hand and those done: neither behind all the others. What is open has an index already.
CREATE INDEX IF NOT EXISTS tickets_held_changed_idx ON tickets (updated_at, id)
    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS tickets_done_changed_idx ON tickets (status, updated_at, id)
    WHERE status IN ('closed', 'sold') AND deleted_at IS NULL;

CREATE INDEX IF NOT EXISTS customers_name_idx ON customers (name, id);
CREATE INDEX IF NOT EXISTS customers_email_idx ON customers (email, id);
CREATE INDEX IF NOT EXISTS customers_created_idx ON customers (created_at, id);
