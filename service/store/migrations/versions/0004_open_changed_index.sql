-- Migration 0004: rows of one import share their time; paging through them needs the id as well.

DROP INDEX tickets_open_changed_idx;
CREATE INDEX tickets_open_changed_idx ON tickets (updated_at, id) WHERE status = 'open' AND deleted_at IS NULL;
