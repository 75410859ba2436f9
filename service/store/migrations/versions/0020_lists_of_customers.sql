-- Migration 0020: lists at a million customers. Frozen: change the schema by a new migration.
-- On a large table in use, build these by hand beforehand (CREATE INDEX CONCURRENTLY, same names): docs/adr/0038.

CREATE INDEX IF NOT EXISTS customers_name_idx ON customers (name, id);
CREATE INDEX IF NOT EXISTS customers_email_idx ON customers (email, id);
CREATE INDEX IF NOT EXISTS customers_created_idx ON customers (created_at, id);
