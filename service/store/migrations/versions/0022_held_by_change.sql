-- Migration 0022: hands are found by their agent. Frozen: change the schema by a new migration.
-- On a large table in use, build the new index by hand beforehand (CREATE INDEX CONCURRENTLY, same name): docs/adr/0038.

-- Both indexes of what is in hand would serve to find one agent's, and while statistics say that nobody holds anything, as
-- they do in the morning, the planner took the one by change and read all hands for each fetch. The condition on the time
-- says nothing, but only queries that name it, as lists by change do, can use the index.
CREATE INDEX IF NOT EXISTS tickets_held_by_change_idx ON tickets (updated_at, id)
    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL AND updated_at > '-infinity';
DROP INDEX tickets_held_changed_idx;
