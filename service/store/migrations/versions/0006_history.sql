-- Migration 0006: what the history needs to answer questions. Frozen: change the schema by a new migration.

-- A repeated note finds the first by this.
ALTER TABLE ticket_events ADD COLUMN operation_id UUID;
CREATE UNIQUE INDEX ticket_events_operation_key ON ticket_events (operation_id) WHERE operation_id IS NOT NULL;

-- Who lost a ticket that went from hand to hand; an agent's history is read along both columns.
ALTER TABLE ticket_events ADD COLUMN from_agent_id BIGINT;
CREATE INDEX ticket_events_agent_idx ON ticket_events (agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX ticket_events_from_agent_idx ON ticket_events (from_agent_id, id) WHERE from_agent_id IS NOT NULL;

-- The priority that an event gave its ticket; NULL where it left it as it was, and in lines older than this column.
ALTER TABLE ticket_events ADD COLUMN priority TEXT;

-- Tickets that are not done, in creation order: lists of what is overdue, open or in hand need not walk what was done.
CREATE INDEX tickets_unresolved_idx ON tickets (id)
    WHERE status IN ('open', 'assigned', 'in_progress') AND deleted_at IS NULL;
