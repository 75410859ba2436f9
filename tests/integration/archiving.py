"""What tests of the archive share: tickets that grow old, and readers who have read it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container
from service.usecases.archive import DAY_S, Sweep
from service.usecases.ports.archive import READERS
from service.usecases.ports.tickets import Buyer

OLD_S = 90 * DAY_S
PASSWORD = "Correct-horse-7"
KIM = Buyer(name="Kim", email="kim@example.com")

AGE_TICKETS = text("""
UPDATE tickets
SET created_at = created_at - s.span, updated_at = updated_at - s.span, assigned_at = assigned_at - s.span,
    resolved_at = resolved_at - s.span, sold_at = sold_at - s.span, deleted_at = deleted_at - s.span
FROM (SELECT CAST(:days AS double precision) * interval '1 day' AS span) AS s WHERE id = ANY (CAST(:ids AS bigint[]))
""")
AGE_EVENTS = text("""
UPDATE ticket_events SET at = at - CAST(:days AS double precision) * interval '1 day'
WHERE ticket_id = ANY (CAST(:ids AS bigint[]))
""")
READ_ALL = text("""
INSERT INTO event_cursors (reader, xact, event_id)
SELECT reader, pg_snapshot_xmax(pg_current_snapshot()), 0 FROM unnest(CAST(:readers AS text[])) AS reader
ON CONFLICT (reader) DO UPDATE SET xact = excluded.xact, event_id = excluded.event_id
""")
WHERE = text("""
SELECT (SELECT count(*) FROM tickets WHERE id = :id) AS tickets,
       (SELECT count(*) FROM ticket_events WHERE ticket_id = :id) AS events,
       (SELECT count(*) FROM archived_tickets WHERE id = :id) AS archived,
       (SELECT count(*) FROM archived_ticket_events WHERE ticket_id = :id) AS archived_events
""")


def grow_old(engine: Engine, ticket_ids: Sequence[int], *, days: float = 100, told: bool = True) -> None:
    """Let tickets and their histories be so many days older; unless told otherwise, all readers have read them."""
    values = {"ids": list(ticket_ids), "days": days}
    with engine.begin() as connection:
        # History is written once; a superuser's replica role passes the guard.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(AGE_TICKETS, values)
        connection.execute(AGE_EVENTS, values)
    if told:
        all_told(engine)


def all_told(engine: Engine, readers: Sequence[str] = READERS) -> None:
    """Move the cursors of readers behind everything."""
    with engine.begin() as connection:
        connection.execute(READ_ALL, {"readers": list(readers)})


def archive(container: Container) -> Sweep:
    """Archive all that is older than ninety days."""
    return container.archiving.run(older_than_s=OLD_S)


def where(engine: Engine, ticket_id: int) -> tuple[int, int, int, int]:
    """Count the rows of a ticket: itself and its lines, and the same in the archive."""
    with engine.connect() as connection:
        row = connection.execute(WHERE, {"id": ticket_id}).one()
    return row.tickets, row.events, row.archived, row.archived_events


def signed_in(container: Container, username: str) -> FlaskClient:
    client = create_app(container).test_client()
    token = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()
