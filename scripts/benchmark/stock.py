"""Tickets to be dealt, and hands to be emptied, outside of what is timed."""

from __future__ import annotations

from collections import defaultdict

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from service.bootstrap import Container
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.queue import RedisTicketQueue

_BATCH = 1_000

_FILL = """
WITH made AS (
    INSERT INTO tickets (subject)
    SELECT 'Printer ' || n || ' is on fire' FROM generate_series(1, %(count)s) AS n ORDER BY n
    RETURNING id, epoch
), told AS (
    INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)
    SELECT id, 'import', 'open', epoch FROM made ORDER BY id
)
SELECT min(id), max(id) FROM made
"""
_OPEN = "SELECT count(*) FROM tickets WHERE status = 'open' AND deleted_at IS NULL"
_CLEAR = """
WITH sold AS (
    UPDATE tickets SET status = 'sold', sold_at = now(), updated_at = now()
    WHERE status = 'assigned' AND deleted_at IS NULL
    RETURNING id, agent_id, epoch
), told AS (
    INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch)
    SELECT id, 'sell', 'assigned', 'sold', agent_id, agent_id, epoch FROM sold ORDER BY id
)
SELECT agent_id, id FROM sold
"""


def add_tickets(connection: Connection, count: int) -> range:
    """Write open tickets with their history, in one statement; the queue is not told. Return their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"count": count})
        first, last = cursor.fetchone() or (1, 0)
    return range(first, last + 1)


def lay_backlog(connection: Connection, count: int) -> None:
    """Write many open tickets as `add_tickets` does, sooner: triggers see nothing in them to do."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        add_tickets(connection, count)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")


def open_count(connection: Connection) -> int:
    """Count the open tickets."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        return int((cursor.fetchone() or (0,))[0])


def enqueue(queue: RedisTicketQueue, ids: range) -> None:
    """Tell the queue of tickets."""
    for first in range(ids.start, ids.stop, _BATCH):
        few = range(first, min(first + _BATCH, ids.stop))
        queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in few])


def clear_hands(connection: Connection, queue: RedisTicketQueue | None) -> int:
    """Sell whatever anybody holds, in one statement, and tell the queue; return how many tickets that were."""
    with connection.cursor() as cursor:
        cursor.execute(_CLEAR)
        rows = cursor.fetchall()
    hands: dict[int, list[int]] = defaultdict(list)
    for agent_id, ticket_id in rows:
        hands[agent_id].append(ticket_id)
    for agent_id, ticket_ids in hands.items():
        if queue is not None:
            queue.unhold(agent_id, ticket_ids)
    return len(rows)


def rebuild(container: Container) -> None:
    """Have the queue built from PostgreSQL, so that it is trusted."""
    container.queue_rebuild.run()
