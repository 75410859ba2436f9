"""What an agent holds, given back at once: shared by all that ends holds (return, away, limit, deactivate, delete)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, TextClause, text

from service.domain.model import Cause, Priority, QueuedTicket

_LOCK_AGENT = text("SELECT 1 FROM agents WHERE id = :agent_id FOR NO KEY UPDATE")

_RETURN = """
WITH hand AS MATERIALIZED (
    SELECT id, status
    FROM tickets
    WHERE agent_id = :agent_id AND status IN ({states}) AND deleted_at IS NULL{among}
    ORDER BY id
    FOR NO KEY UPDATE
),
returned AS (
    UPDATE tickets t
    SET status = 'open', agent_id = NULL, epoch = t.epoch + 1,
        assigned_at = NULL, resolved_at = NULL, updated_at = now()
    FROM hand
    WHERE t.id = hand.id
    RETURNING t.id, t.priority, t.epoch, hand.status AS from_status
),
history AS (
    INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch, note)
    SELECT id, :cause, from_status, 'open', :agent_id, CAST(:actor_id AS bigint), epoch, :note FROM returned ORDER BY id
)
SELECT id, priority FROM returned ORDER BY id
"""
_RETURN_ALL = text(_RETURN.format(states="'assigned', 'in_progress'", among=""))
_RETURN_UNTOUCHED = text(_RETURN.format(states="'assigned'", among=""))
_RETURN_UNBEGUN = text(_RETURN.format(states="'assigned'", among=" AND id = ANY (CAST(:ids AS bigint[]))"))


def return_all(
    connection: Connection, *, agent_id: int, actor_id: int | None, cause: Cause, note: str = ""
) -> list[QueuedTicket]:
    """Open every ticket the agent holds, with its line of history, and list them in creation order.

    Runs in the caller's transaction and locks the agent's row, then the tickets by id; a caller that locks the user's
    row too has locked the agent's before. The queue is to be told after the commit.
    """
    connection.execute(_LOCK_AGENT, {"agent_id": agent_id})
    return _returned(connection, _RETURN_ALL, agent_id=agent_id, actor_id=actor_id, cause=cause.value, note=note)


def return_untouched(connection: Connection, *, agent_id: int, cause: Cause, note: str) -> list[QueuedTicket]:
    """Open what the agent holds and has not begun, as above. The caller has locked the agent's row."""
    return _returned(connection, _RETURN_UNTOUCHED, agent_id=agent_id, actor_id=None, cause=cause.value, note=note)


def return_unbegun(
    connection: Connection, ticket_ids: Sequence[int], *, agent_id: int, cause: Cause, note: str
) -> list[QueuedTicket]:
    """Open those of the tickets that the agent holds and has not begun, as above."""
    values = {"agent_id": agent_id, "actor_id": None, "cause": cause.value, "note": note}
    return _returned(connection, _RETURN_UNBEGUN, ids=list(ticket_ids), **values)


def _returned(connection: Connection, query: TextClause, **values: object) -> list[QueuedTicket]:
    return [QueuedTicket(row.id, Priority(row.priority)) for row in connection.execute(query, values)]
