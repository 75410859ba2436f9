"""Tickets held for too long: see `service.usecases.ports.hold_limit.HoldLimitStore` for what each method promises.

PostgreSQL's clock alone decides, and under the agent's row lock, without which no ticket leaves a hand or is begun. The
warning is a line of history behind the one by which the ticket came into the hand: whoever looks after a crash, or at
the same time, finds it there.
"""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.domain.hold_limit import HoldLimit
from service.domain.model import Cause
from service.store.engine import statement, transaction
from service.store.returns import return_unbegun
from service.store.rows import QUIET_CAUSES
from service.usecases.ports.hold_limit import Limited


def _ago(name: str) -> str:
    return f"clock_timestamp() - CAST(:{name} AS double precision) * interval '1 second'"


# What changed the ticket last is how it came into the hand: it has not been begun since. A warning behind that is about
# this hold, one before it about an earlier one.
_DUE = f"""
FROM tickets t
CROSS JOIN LATERAL (
    SELECT coalesce(max(e.id), 0) AS id FROM ticket_events e
    WHERE e.ticket_id = t.id AND e.cause NOT IN ({QUIET_CAUSES})
) AS came
LEFT JOIN LATERAL (
    SELECT e.at FROM ticket_events e
    WHERE e.ticket_id = t.id AND e.id > came.id AND e.cause = 'hold_warning' ORDER BY e.id LIMIT 1
) AS warning ON true
WHERE t.status = 'assigned' AND t.deleted_at IS NULL AND t.assigned_at < {_ago("warned_after_s")}
  AND (warning.at IS NULL OR (t.assigned_at < {_ago("limit_s")} AND warning.at < {_ago("warning_s")}))
"""  # noqa: S608 - the conditions are our own

# Agent by agent, along the index of tickets in hand; in one join the planner would walk all that is open as well.
HOLDERS = text(f"""
SELECT a.id FROM agents a
CROSS JOIN LATERAL (SELECT 1 {_DUE} AND t.agent_id = a.id LIMIT 1) AS due
WHERE a.held > 0 ORDER BY a.id
""")  # noqa: S608

TICKETS = text(f"""
SELECT t.id, warning.at IS NULL AS unwarned {_DUE} AND t.agent_id = :agent_id ORDER BY t.id
""")

_LOCK = text("SELECT 1 FROM agents WHERE id = :agent_id FOR NO KEY UPDATE")

_WARN = text("""
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, note, at)
SELECT id, :cause, status, status, agent_id, epoch, :note, clock_timestamp()
FROM tickets WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id
""")


class PostgresHoldLimit:
    """Warn of what has been held for long, and take it back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, limit: HoldLimit) -> list[int]:
        """Find agents by one statement."""
        with statement(self._engine) as connection:
            return list(connection.execute(HOLDERS, _seconds(limit)).scalars())

    def apply(self, limit: HoldLimit, *, agent_id: int) -> Limited:
        """Lock the agent, look again, warn and take back."""
        with transaction(self._engine) as connection:
            connection.execute(_LOCK, {"agent_id": agent_id})
            found = connection.execute(TICKETS, {**_seconds(limit), "agent_id": agent_id}).all()
            warned = tuple(row.id for row in found if row.unwarned)
            over = [row.id for row in found if not row.unwarned]
            if warned:
                values = {"ids": list(warned), "cause": Cause.HOLD_WARNING.value, "note": limit.warning}
                connection.execute(_WARN, values)
            returned = (
                return_unbegun(connection, over, agent_id=agent_id, cause=Cause.HOLD_LIMIT, note=limit.note)
                if over
                else []
            )
        return Limited(warned=warned, returned=tuple(returned))


def _seconds(limit: HoldLimit) -> dict[str, int]:
    return {
        "limit_s": limit.limit_s,
        "warning_s": limit.warning_s,
        "warned_after_s": limit.limit_s - limit.warning_s,
    }
