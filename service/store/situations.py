"""One ticket and what stands around it: see `service.usecases.ports.explanation.SituationStore`."""

from __future__ import annotations

from sqlalchemy import Engine, RowMapping, text

from service.domain.model import Cause, Level
from service.store import archive_reads, rows
from service.store.dispatch import TAKERS_AS_JSON, takers_from
from service.store.engine import statement
from service.usecases.ports.explanation import AHEAD_LIMIT, Act, Situation

_TICKET = ", ".join(f"t.{column.name}" for column in rows.TICKET_COLUMNS)

_ROOM = "SELECT count(*) FROM agents WHERE is_active AND availability = 'available' AND held < capacity AND level ="


def _act(name: str) -> str:
    columns = ("cause", "actor_id", "at", "note")
    return ", ".join(
        [
            *(f"{name}.{column} AS {name}_{column}" for column in columns),
            f"{name}_by.username AS {name}_actor",
            f"extract(epoch FROM now() - {name}.at)::float8 AS {name}_age_s",
        ]
    )


# The epoch rises with every change of hands: the first event with the present one is that change.
# Places are compared as rows, so that the index of open tickets is entered and left at the right spot.
_SITUATION = f"""
SELECT {_TICKET}, NULL AS archived_at, holder.username AS agent, {_act("handed")}, {_act("entered")}, {_act("warned")},
       CASE WHEN t.status = 'open' THEN (
           SELECT count(*) FROM (
               SELECT FROM tickets o
               WHERE (o.priority, o.id) < (t.priority, t.id) AND o.priority >= t.priority
                 AND o.status = 'open' AND o.deleted_at IS NULL
               ORDER BY o.priority, o.id LIMIT :ahead_limit + 1
           ) AS older
       ) END AS ahead,
       ({_ROOM} 'junior') AS juniors, ({_ROOM} 'senior') AS seniors, takers.by_level AS takers
FROM tickets t
CROSS JOIN ({TAKERS_AS_JSON}) AS takers
LEFT JOIN users holder ON holder.id = t.agent_id
LEFT JOIN LATERAL (SELECT * FROM ticket_events e WHERE e.ticket_id = t.id AND e.epoch = t.epoch
                   ORDER BY e.id LIMIT 1) AS handed ON true
LEFT JOIN users handed_by ON handed_by.id = handed.actor_id
LEFT JOIN LATERAL (SELECT * FROM ticket_events e WHERE e.ticket_id = t.id AND e.cause NOT IN ({rows.QUIET_CAUSES})
                   ORDER BY e.id DESC LIMIT 1) AS entered ON true
LEFT JOIN users entered_by ON entered_by.id = entered.actor_id
LEFT JOIN LATERAL (SELECT * FROM ticket_events e
                   WHERE e.ticket_id = t.id AND e.id > entered.id AND e.cause = 'hold_warning'
                   ORDER BY e.id DESC LIMIT 1) AS warned ON true
LEFT JOIN users warned_by ON warned_by.id = warned.actor_id
WHERE t.id = :ticket_id AND t.deleted_at IS NULL
"""  # noqa: S608 - the names are our own
SITUATION = text(_SITUATION)
_ARCHIVED = text(
    _SITUATION.replace("FROM tickets t\n", "FROM archived_tickets t\n")
    .replace("FROM ticket_events e", "FROM archived_ticket_events e")
    .replace("NULL AS archived_at", "t.archived_at")
)
_PLACES = (SITUATION, _ARCHIVED, SITUATION)
"""Where to look, one after the other: the ticket may come back from the archive between two looks."""


class PostgresSituations:
    """Read situations, each by one statement."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def situation(self, ticket_id: int) -> Situation | None:
        """Read one."""
        if not 1 <= ticket_id <= rows.MAX_BIGINT:
            return None
        values = {"ticket_id": ticket_id, "ahead_limit": AHEAD_LIMIT}
        with statement(self._engine) as connection:
            for place in _PLACES:
                row = connection.execute(place, values).mappings().one_or_none()
                if row is not None:
                    return _situation(row)
        return None


def _situation(row: RowMapping) -> Situation:
    return Situation(
        ticket=archive_reads.ticket(row),
        agent=row["agent"],
        handed=_read_act(row, "handed"),
        entered=_read_act(row, "entered"),
        warned=_read_act(row, "warned"),
        ahead=row["ahead"],
        with_room={Level.JUNIOR: row["juniors"], Level.SENIOR: row["seniors"]},
        takers=takers_from(row["takers"]),
    )


def _read_act(row: RowMapping, name: str) -> Act | None:
    if row[f"{name}_cause"] is None:
        return None
    return Act(
        cause=Cause(row[f"{name}_cause"]),
        actor_id=row[f"{name}_actor_id"],
        actor=row[f"{name}_actor"],
        at=row[f"{name}_at"],
        age_s=max(0.0, row[f"{name}_age_s"]),
        note=row[f"{name}_note"],
    )
