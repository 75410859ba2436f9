-- Migration 0022: schemas from between two versions. Frozen: change the schema by a new migration.

-- Checkouts of the main branch of 2026-11-21 made what 0018 to 0021 make now in another order, up to a 0022 of their own, which
-- left the schema as it is here. Who comes from one of their earlier revisions has an index of hands that planners prefer for
-- what it is not good for (0019), in place of the one that is there for all others.
DROP INDEX IF EXISTS tickets_held_changed_idx;
CREATE INDEX IF NOT EXISTS tickets_held_by_change_idx ON tickets (updated_at, id)
    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL AND updated_at > '-infinity';
