-- Migration 0016: indexes for lists at a million tickets. Frozen: change the schema by a new migration.

-- By their age and by their last change, whatever their state: a page of fifty would else sort all there are.
CREATE INDEX IF NOT EXISTS tickets_created_idx ON tickets (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS tickets_updated_idx ON tickets (updated_at, id) WHERE deleted_at IS NULL;

-- Few closed or sold tickets among many open ones, and few urgent or lowly ones among many of the usual priority. Where
-- there are many, the lists above and the primary key serve as well.
CREATE INDEX IF NOT EXISTS tickets_done_idx ON tickets (status, id) WHERE status IN ('closed', 'sold') AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS tickets_unusual_idx ON tickets (priority, id) WHERE priority <> 'medium' AND deleted_at IS NULL;
