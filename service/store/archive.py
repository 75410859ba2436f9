"""The archive: see `service.usecases.ports.archive.ArchiveStore` for what each method promises.

A batch locks its tickets by id, passing over those in somebody's hands, and only then looks at their histories: who
writes a line has the ticket's lock, so what a batch sees of a history stays so. It waits for nobody, and nobody waits
for it but who would change or create one of these very tickets, until it commits.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Row, Table, text

from service.domain.errors import TicketArchived
from service.domain.model import TicketStatus
from service.store.engine import statement, transaction
from service.store.tables import archived_ticket_events, archived_tickets
from service.usecases.ports.archive import PURGED, READERS, TICKETS, Batch, Due, Place, SweepState


def _names(table: Table, *besides: str) -> str:
    return ", ".join(column.name for column in table.columns if column.name not in besides)


_TICKET_NAMES = _names(archived_tickets, "archived_at")
_EVENT_NAMES = _names(archived_ticket_events)

# The condition of tickets_archivable_idx, word for word.
_MAY_BE_OLD = "(status IN ('closed', 'sold') OR deleted_at IS NOT NULL)"
_CUTOFF = "now() - CAST(:older_than_s AS double precision) * interval '1 second'"
_OLD = f"{_MAY_BE_OLD} AND updated_at < {_CUTOFF}"

DUE = text(f"""
SELECT count(*) AS tickets, min(updated_at) AS oldest_at
FROM (SELECT updated_at FROM tickets WHERE {_OLD} ORDER BY updated_at, id LIMIT :limit) AS due
""")  # noqa: S608 - the conditions are our own

CANDIDATES = text(f"""
SELECT id, updated_at, customer_id FROM tickets
WHERE {_OLD} AND (updated_at, id) > (CAST(:after_at AS timestamptz), :after_id)
ORDER BY updated_at, id LIMIT :limit
""")  # noqa: S608 - the conditions are our own

# The archive refers to customers. Locked first, and never waited for: an erasure locks them before the tickets, too.
CUSTOMERS = text("""
SELECT id FROM customers WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id FOR KEY SHARE SKIP LOCKED
""")

LOCK = text(f"""
SELECT id FROM tickets
WHERE id = ANY (CAST(:ids AS bigint[])) AND {_OLD}
  AND (customer_id IS NULL OR customer_id = ANY (CAST(:customer_ids AS bigint[])))
ORDER BY id FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - the conditions are our own

# A statement of its own, after the locks: its snapshot has every line that was written before them. A reader who has
# never read anything has everything still to read.
SETTLED = text(f"""
WITH told AS MATERIALIZED (
    SELECT coalesce(c.xact, '0') AS xact, coalesce(c.event_id, 0) AS event_id
    FROM unnest(CAST(:readers AS text[])) AS r (reader) LEFT JOIN event_cursors c ON c.reader = r.reader
    ORDER BY 1, 2 LIMIT 1
)
SELECT t.id FROM unnest(CAST(:ids AS bigint[])) AS t (id) CROSS JOIN told
WHERE NOT EXISTS (
    SELECT FROM ticket_events e
    WHERE e.ticket_id = t.id AND (e.at >= {_CUTOFF} OR (e.xact, e.id) > (told.xact, told.event_id))
)
ORDER BY t.id
""")  # noqa: S608 - the condition is our own

COPY_TICKETS = text(f"""
INSERT INTO archived_tickets ({_TICKET_NAMES})
SELECT {_TICKET_NAMES} FROM tickets WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id
""")  # noqa: S608 - the names are our own
COPY_EVENTS = text(f"""
INSERT INTO archived_ticket_events ({_EVENT_NAMES})
SELECT {_EVENT_NAMES} FROM ticket_events WHERE ticket_id = ANY (CAST(:ids AS bigint[])) ORDER BY id
""")  # noqa: S608 - the names are our own
DROP_EVENTS = text("DELETE FROM ticket_events WHERE ticket_id = ANY (CAST(:ids AS bigint[]))")
DROP_TICKETS = text("DELETE FROM tickets WHERE id = ANY (CAST(:ids AS bigint[]))")

PURGE_TICKETS = text(f"""
WITH old AS MATERIALIZED (
    SELECT id FROM archived_tickets WHERE updated_at < {_CUTOFF}
    ORDER BY updated_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM archived_tickets a USING old WHERE a.id = old.id
RETURNING a.id
""")  # noqa: S608 - the condition is our own
PURGE_EVENTS = text("DELETE FROM archived_ticket_events WHERE ticket_id = ANY (CAST(:ids AS bigint[]))")

PURGEABLE = text(f"SELECT EXISTS (SELECT FROM archived_tickets WHERE updated_at < {_CUTOFF})")  # noqa: S608 - our own

COUNT = text("""
INSERT INTO sweeps AS s (what, done) VALUES (:what, :done)
ON CONFLICT (what) DO UPDATE SET done = s.done + excluded.done
""")
ENDED = text("""
INSERT INTO sweeps (what, waiting, oldest_at, finished_at)
VALUES (:what, :waiting, CAST(:oldest_at AS timestamptz) + interval '1 second' * CAST(:older_than_s AS float8),
        clock_timestamp())
ON CONFLICT (what) DO UPDATE
SET waiting = excluded.waiting, oldest_at = excluded.oldest_at, finished_at = excluded.finished_at
""")
STATES = text("""
SELECT what, done, waiting, extract(epoch FROM clock_timestamp() - oldest_at)::double precision AS behind_s,
       extract(epoch FROM clock_timestamp() - finished_at)::double precision AS ended_s
FROM sweeps ORDER BY what
""")

FIND = text("SELECT agent_id, status FROM archived_tickets WHERE id = :id AND deleted_at IS NULL")
LOCK_ARCHIVED = text("SELECT status FROM archived_tickets WHERE id = :id AND deleted_at IS NULL FOR UPDATE")

# Nobody is told of these lines once more: they name no transaction, and not this one either.
BACK_EVENTS = text(f"""
INSERT INTO ticket_events ({_EVENT_NAMES}, xact) OVERRIDING SYSTEM VALUE
SELECT {_EVENT_NAMES}, NULL FROM archived_ticket_events WHERE ticket_id = :id ORDER BY id
""")  # noqa: S608 - the names are our own
FORGET_EVENTS = text("DELETE FROM archived_ticket_events WHERE ticket_id = :id")
# By one statement, and out of the archive first: the external id is looked for there.
BACK_TICKET = text(f"""
WITH back AS (DELETE FROM archived_tickets WHERE id = :id RETURNING {_TICKET_NAMES})
INSERT INTO tickets ({_TICKET_NAMES}) OVERRIDING SYSTEM VALUE SELECT {_TICKET_NAMES} FROM back
""")  # noqa: S608 - the names are our own


class LostInTheMove(Exception):
    """What was copied and what was removed are not the same: the transaction must not commit."""


class PostgresArchive:
    """Move tickets to the archive, and out of it for good."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, *, older_than_s: float, limit: int) -> Due:
        """Count along the index."""
        with statement(self._engine) as connection:
            return _due(connection, older_than_s, limit)

    def move(self, *, older_than_s: float, after: Place | None, limit: int) -> Batch:
        """Move a batch in one transaction; how many were moved is counted in it, too."""
        with transaction(self._engine) as connection:
            found = connection.execute(
                CANDIDATES,
                {
                    "older_than_s": older_than_s,
                    "after_at": "-infinity" if after is None else after.updated_at,
                    "after_id": 0 if after is None else after.ticket_id,
                    "limit": limit,
                },
            ).all()
            ids = _settled(connection, found, older_than_s)
            events = _move(connection, ids) if ids else 0
        last = Place(found[-1].updated_at, found[-1].id) if len(found) == limit else None
        return Batch(moved=len(ids), events=events, left=len(found) - len(ids), last=last)

    def has_expired(self, *, older_than_s: float) -> bool:
        """Look at the index."""
        with statement(self._engine) as connection:
            return bool(connection.execute(PURGEABLE, {"older_than_s": older_than_s}).scalar_one())

    def purge(self, *, older_than_s: float, limit: int) -> int:
        """Remove the tickets first: their lines may go only after them."""
        with transaction(self._engine) as connection:
            values = {"older_than_s": older_than_s, "limit": limit}
            ids = list(connection.execute(PURGE_TICKETS, values).scalars())
            if ids:
                connection.execute(PURGE_EVENTS, {"ids": ids})
                connection.execute(COUNT, {"what": PURGED, "done": len(ids)})
        return len(ids)

    def ended(self, *, older_than_s: float, limit: int) -> None:
        """Write one row."""
        with statement(self._engine) as connection:
            due = _due(connection, older_than_s, limit)
            values = {"waiting": due.tickets, "oldest_at": due.oldest_at, "older_than_s": older_than_s}
            connection.execute(ENDED, {"what": TICKETS, **values})

    def states(self) -> list[SweepState]:
        """Read all rows."""
        with statement(self._engine) as connection:
            return [SweepState(**row) for row in connection.execute(STATES).mappings()]


def _due(connection: Connection, older_than_s: float, limit: int) -> Due:
    row = connection.execute(DUE, {"older_than_s": older_than_s, "limit": limit + 1}).one()
    return Due(tickets=min(row.tickets, limit), is_exact=row.tickets <= limit, oldest_at=row.oldest_at)


def _settled(connection: Connection, found: Sequence[Row[tuple[object, ...]]], older_than_s: float) -> list[int]:
    """Lock what can be had at once, and name what of it has a history that is old and read by all."""
    bought = sorted({row.customer_id for row in found if row.customer_id is not None})
    customers = list(connection.execute(CUSTOMERS, {"ids": bought}).scalars()) if bought else []
    wanted = {"ids": [row.id for row in found], "customer_ids": customers, "older_than_s": older_than_s}
    locked = list(connection.execute(LOCK, wanted).scalars()) if found else []
    if not locked:
        return []
    values = {"ids": locked, "readers": list(READERS), "older_than_s": older_than_s}
    return list(connection.execute(SETTLED, values).scalars())


def _move(connection: Connection, ids: list[int]) -> int:
    """Copy, then remove. Raises `LostInTheMove` unless exactly what was copied is removed."""
    wanted = {"ids": ids}
    copied = [connection.execute(copy, wanted).rowcount for copy in (COPY_TICKETS, COPY_EVENTS)]
    dropped = [connection.execute(drop, wanted).rowcount for drop in (DROP_EVENTS, DROP_TICKETS)]
    if copied != dropped[::-1] or copied[0] != len(ids):
        raise LostInTheMove(f"{copied} copied, {dropped[::-1]} removed, {len(ids)} wanted")
    connection.execute(COUNT, {"what": TICKETS, "done": len(ids)})
    return copied[1]


def refusal(connection: Connection, ticket_id: int, *, asker_id: int | None = None) -> TicketArchived | None:
    """Say that a ticket is in the archive, if it is: to anybody, or only to the agent who had it last."""
    row = connection.execute(FIND, {"id": ticket_id}).mappings().one_or_none()
    if row is None or asker_id not in (None, row["agent_id"]):
        return None
    status = row["status"]
    remedy = "an admin can reopen it" if status == TicketStatus.CLOSED else "what is sold stays sold"
    detail = f"Ticket {ticket_id} is '{status}' and in the archive, where nothing changes; {remedy}"
    return TicketArchived(detail, state=status)


def take_back(connection: Connection, ticket_id: int) -> None:
    """Bring a closed ticket back with its history, in the caller's transaction; others stay where they are."""
    row = connection.execute(LOCK_ARCHIVED, {"id": ticket_id}).one_or_none()
    if row is None:
        return
    if row.status != TicketStatus.CLOSED:
        return
    wanted = {"id": ticket_id}
    back = connection.execute(BACK_EVENTS, wanted).rowcount
    forgotten = connection.execute(FORGET_EVENTS, wanted).rowcount
    if back != forgotten or connection.execute(BACK_TICKET, wanted).rowcount != 1:
        raise LostInTheMove(f"ticket {ticket_id}: {back} lines brought back, {forgotten} removed")
