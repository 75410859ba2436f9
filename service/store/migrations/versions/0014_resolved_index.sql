-- Migration 0014: a desk shows the newest of its agent's resolved tickets, and asks for them every few seconds.

CREATE INDEX IF NOT EXISTS tickets_resolved_idx ON tickets (agent_id, id) WHERE status = 'resolved' AND deleted_at IS NULL;
