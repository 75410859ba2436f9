"""What else must know of the archive: erasure, promises, mails, figures; and who must not be slowed by it."""

from __future__ import annotations

from flask.testing import FlaskClient
from sqlalchemy import Engine, event, text

from service.bootstrap import Container
from service.store.open_tickets import PostgresOpenTickets
from service.store.webhook_deliveries import events_of
from service.usecases.ports.tickets import TicketDraft
from tests.integration.archiving import KIM, archive, get, grow_old


def test_what_is_worked_on_is_read_without_a_look_at_the_archive(
    container: Container, engine: Engine, ann: int, pair: tuple[int, int], root: FlaskClient
) -> None:
    archive(container)
    (held,) = (ticket.id for ticket in container.tickets.create_many([TicketDraft(subject="Held")], actor_id=None))
    asked: list[str] = []

    def listen(_c: object, _cursor: object, query: str, *_: object) -> None:
        asked.append(query)

    for part in (container.tickets._store, container.history._store, container.lifecycle._store):
        event.listen(part._engine, "before_cursor_execute", listen)  # type: ignore[attr-defined]
    container.assignments.fetch(ann)
    for path in ("", "/history", "/explain", "/service-levels"):
        get(root, f"/api/tickets/{held}{path}")
    get(root, "/api/tickets")
    root.post(f"/api/tickets/{held}/notes", json={"note": "Mine"})
    container.lifecycle.start(ann, held)
    container.lifecycle.sell(ann, held, KIM)
    assert [query for query in asked if "archived_tickets" in query or "archived_ticket_events" in query] == []
    assert asked


def test_what_is_told_again_after_long_finds_its_lines(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    with engine.connect() as connection:
        ids = list(connection.execute(text("SELECT id FROM ticket_events ORDER BY id")).scalars())
        before = events_of(connection, ids)
    archive(container)
    with engine.connect() as connection:
        assert events_of(connection, ids) == before


def test_an_archived_ticket_in_a_queue_is_no_unknown_id(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    before = PostgresOpenTickets(engine).known_epochs(list(pair))
    archive(container)
    assert PostgresOpenTickets(engine).known_epochs(list(pair)) == before
    assert len(before) == 2


def test_an_erasure_reaches_the_archive(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    _, sold = pair
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE tickets SET description = 'Write to kim@example.com' WHERE id = :id"), {"id": sold}
        )
        connection.execute(
            text(
                "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, note)"
                " SELECT id, 'note', status, status, agent_id, epoch, 'Kim@example.com' FROM tickets WHERE id = :id"
            ),
            {"id": sold},
        )
    grow_old(engine, [sold], days=0.0)
    grow_old(engine, [sold])
    archive(container)
    customer = container.erasures.find(KIM.email)
    before = container.erasures.erase(customer, dry_run=True)
    assert (before.tickets, before.kept_texts) == (1, 2)
    done = container.erasures.erase(customer, texts=True)
    assert (done.tickets, done.texts, done.kept_texts) == (1, 1, 1)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT subject, description FROM archived_tickets WHERE id = :id"), {"id": sold}
        )
        assert tuple(found.one()) == ("Erased", "")


def test_a_customer_of_archived_tickets_stays(container: Container, root: FlaskClient, pair: tuple[int, int]) -> None:
    archive(container)
    customer = container.erasures.find(KIM.email)
    answer = root.delete(f"/api/customers/{customer}")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "conflict")
    assert "has bought 1 ticket," in answer.get_json()["detail"]
    assert [ticket["id"] for ticket in get(root, f"/api/tickets?archived=true&customer_id={customer}")["items"]] == [
        pair[1]
    ]


def broken(container: Container) -> set[str]:
    return {result.code for result in container.invariants.check(at_rest=True) if result.ok is False}


def test_the_promises_are_checked_in_the_archive_too(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    archive(container)
    assert all(result.ok is not False for result in container.invariants.check(at_rest=True))
    with engine.begin() as connection:
        connection.execute(text("UPDATE archived_tickets SET status = 'sold' WHERE id = :id"), {"id": pair[0]})
    assert broken(container) == {"I11"}


def test_a_ticket_in_two_places_is_found(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    archive(container)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tickets (id, subject) OVERRIDING SYSTEM VALUE VALUES (:id, 'x')"),
                           {"id": pair[0]})  # fmt: skip
    assert "I1" in broken(container)


def test_lines_left_behind_are_found(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    archive(container)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (:id, 'note', 1)"),
                           {"id": pair[0]})  # fmt: skip
    assert broken(container) == {"I3"}


def test_mails_name_what_is_archived(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    from service.store.mail_statements import LINES

    lines = {"lines": [{"ticket_id": ticket, "cause": "fetch", "actor_id": None, "note": ""} for ticket in pair]}
    archive(container)
    with engine.connect() as connection:
        assert [row.subject for row in connection.execute(LINES, lines)] == ["Closed one", "Sold one"]


def test_figures_of_the_past_stay_as_they_were_counted(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    """Samples are counted within a day, and nothing leaves that is younger than eight."""
    container.sampling.take()
    count = text("SELECT count(*), coalesce(sum(created), 0), coalesce(sum(sold), 0) FROM samples")
    with engine.connect() as connection:
        before = connection.execute(count).one()
    archive(container)
    container.sampling.take()
    with engine.connect() as connection:
        assert connection.execute(count).one() == before
