"""Archived tickets answer as before; what would change them is refused, or brings them back; names stay taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, Engine, event, text

from scripts.waiting import wait_until
from service.api.app import create_app
from service.bootstrap import Container
from service.domain.errors import AlreadyExists, TicketArchived
from service.domain.model import Role, TicketStatus
from service.store import archive as archive_store
from service.store.engine import transaction
from service.store.event_feed import read_on
from service.store.open_tickets import PostgresOpenTickets
from service.store.webhook_deliveries import events_of
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.tickets import Buyer, TicketDraft, TicketFilter
from service.usecases.ticket_files import FileFormat
from tests.integration.archiving import OLD_S, all_told, archive, grow_old, where

PASSWORD = "Correct-horse-7"
KIM = Buyer(name="Kim", email="kim@example.com")
BLOCKED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def signed_in(container: Container, username: str) -> FlaskClient:
    client = create_app(container).test_client()
    token = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.fixture
def ann(container: Container) -> int:
    return container.agents.create(AgentDraft(username="ann", password=PASSWORD)).id


@pytest.fixture
def root(container: Container) -> FlaskClient:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    return signed_in(container, "root")


@pytest.fixture
def pair(container: Container, engine: Engine, ann: int) -> tuple[int, int]:
    """A closed ticket that another system calls A-1, and one sold to Kim; both are old enough to be archived."""
    drafts = [TicketDraft(subject="Closed one", external_id="A-1"), TicketDraft(subject="Sold one")]
    closed, sold = (ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None))
    container.assignments.fetch(ann)
    container.lifecycle.resolve(ann, closed)
    container.lifecycle.close(ann, closed)
    container.lifecycle.sell(ann, sold, KIM)
    grow_old(engine, [closed, sold])
    return closed, sold


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


READINGS = ("", "/history", "/history?limit=1", "/notes", "/service-levels")


def readings(client: FlaskClient, ticket: int) -> list[Any]:
    found = [get(client, f"/api/tickets/{ticket}{path}") for path in READINGS]
    for one in found:
        one.pop("archived_at", None)
        for name in ("age_s",):
            one.pop(name, None)
    return found


def test_what_is_asked_of_one_ticket_is_answered_as_before(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    agent = signed_in(container, "ann")
    before = [readings(client, ticket) for client in (root, agent) for ticket in pair]
    assert archive(container).tickets == 2
    assert [readings(client, ticket) for client in (root, agent) for ticket in pair] == before
    assert get(root, f"/api/tickets/{pair[0]}")["archived_at"] is not None


def test_a_history_goes_on_in_the_archive_where_a_page_ended(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    closed, _ = pair
    whole = get(root, f"/api/tickets/{closed}/history")["items"]
    first = get(root, f"/api/tickets/{closed}/history?limit=2")
    archive(container)
    rest = get(root, f"/api/tickets/{closed}/history?cursor={first['next']}")
    assert [*first["items"], *rest["items"]] == whole


def test_an_agent_sees_their_own_archived_tickets_and_no_others(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    container.agents.create(AgentDraft(username="bob", password=PASSWORD))
    archive(container)
    bob = signed_in(container, "bob")
    assert bob.get(f"/api/tickets/{pair[0]}").status_code == 404
    assert bob.get(f"/api/tickets/{pair[0]}/notes").status_code == 404
    assert get(bob, "/api/tickets?archived=true")["items"] == []
    assert len(get(signed_in(container, "ann"), "/api/tickets?archived=true")["items"]) == 2


def test_explain_says_that_it_is_archived(container: Container, root: FlaskClient, pair: tuple[int, int]) -> None:
    before = get(root, f"/api/tickets/{pair[0]}/explain")["words"]
    archive(container)
    after = get(root, f"/api/tickets/{pair[0]}/explain")["words"]
    assert [words for words in after if "archive" not in words] == before
    assert any(words.startswith("It went to the archive at ") for words in after)


def test_a_deleted_ticket_is_not_there_in_the_archive_either(
    container: Container, engine: Engine, root: FlaskClient, make_tickets: Callable[..., list[int]]
) -> None:
    (deleted,) = make_tickets(1)
    container.tickets.delete(deleted, actor_id=None)
    grow_old(engine, [deleted])
    archive(container)
    assert where(engine, deleted)[:3:2] == (0, 1)
    assert root.get(f"/api/tickets/{deleted}").status_code == 404
    assert root.post(f"/api/tickets/{deleted}/reopen", json={}).status_code == 404
    assert get(root, "/api/tickets?archived=true")["items"] == []


LISTED = (
    "",
    "&status=closed",
    "&external_id=A-1",
    "&q=closed",
    "&sort=-updated_at",
    "&sort=subject",
    "&priority=medium",
    "&created_before=2100-01-01T00:00:00Z",
    "&overdue=false",
)


@pytest.mark.parametrize("query", LISTED)
def test_lists_show_the_archive_when_asked(
    container: Container, root: FlaskClient, pair: tuple[int, int], query: str
) -> None:
    """The same filters and sorts find there what they found before."""
    before = get(root, f"/api/tickets?archived=false{query}")
    archive(container)
    assert get(root, f"/api/tickets?{query[1:]}")["items"] == []
    after = get(root, f"/api/tickets?archived=true{query}")
    for ticket in after["items"]:
        assert ticket.pop("archived_at") is not None
    assert after["items"] == before["items"]
    assert (after["total"], after["next"]) == (before["total"], before["next"])


@pytest.mark.parametrize("query", ["overdue=true", "holder_away_s=0", "status=open", "q=nothing", "customer_id=99"])
def test_nothing_in_the_archive_waits_or_is_held(
    container: Container, root: FlaskClient, pair: tuple[int, int], query: str
) -> None:
    archive(container)
    assert get(root, f"/api/tickets?archived=true&{query}")["items"] == []


def test_pages_of_the_archive_are_the_whole_of_it(container: Container, engine: Engine, root: FlaskClient) -> None:
    made = container.tickets.create_many([TicketDraft(subject=f"No. {n}") for n in range(7)], actor_id=None)
    ids = [ticket.id for ticket in made]
    for ticket in ids:
        container.lifecycle.assign(ticket, agent_id=container.agents.create(
            AgentDraft(username=f"agent{ticket}", password=PASSWORD)).id, actor_id=None)  # fmt: skip
        container.lifecycle.set_status(ticket, TicketStatus.RESOLVED, actor_id=1)
        container.lifecycle.set_status(ticket, TicketStatus.CLOSED, actor_id=1)
    grow_old(engine, ids)
    archive(container)
    seen: list[int] = []
    cursor = ""
    while True:
        page = get(root, f"/api/tickets?archived=true&limit=3&q=no&sort=-id{cursor}")
        seen += [ticket["id"] for ticket in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids[::-1]


def test_an_export_writes_the_archive_when_asked(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    archive(container)
    rows = csv.DictReader(io.StringIO(root.get("/api/tickets/export?archived=true").text))
    assert [int(row["id"]) for row in rows] == list(pair)
    assert list(csv.DictReader(io.StringIO(root.get("/api/tickets/export").text))) == []


def test_what_an_agent_did_stays_in_their_history(
    container: Container, root: FlaskClient, ann: int, pair: tuple[int, int]
) -> None:
    before = get(root, f"/api/agents/{ann}/history")
    archive(container)
    assert get(root, f"/api/agents/{ann}/history") == before


ACTS = {
    "edit": lambda client, ticket: client.patch(f"/api/tickets/{ticket}", json={"priority": "high"}),
    "replace": lambda client, ticket: client.put(f"/api/tickets/{ticket}", json={"subject": "New"}),
    "delete": lambda client, ticket: client.delete(f"/api/tickets/{ticket}"),
    "assign": lambda client, ticket: client.post(f"/api/tickets/{ticket}/assign", json={"agent_id": 1}),
    "return": lambda client, ticket: client.post(f"/api/tickets/{ticket}/return", json={}),
    "note": lambda client, ticket: client.post(f"/api/tickets/{ticket}/notes", json={"note": "They called"}),
}
OWN = {
    "start": {},
    "resolve": {},
    "close": {},
    "release": {"reason": "lunch"},
    "sell": {"customer": {"name": "Bo", "email": "bo@example.com"}},
    "notes": {"note": "They called"},
}


@pytest.mark.parametrize("act", ACTS)
def test_what_would_change_an_archived_ticket_is_refused(
    container: Container, engine: Engine, root: FlaskClient, pair: tuple[int, int], act: str
) -> None:
    archive(container)
    answer = ACTS[act](root, pair[0])
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ticket_archived"), answer.text
    assert answer.get_json()["detail"].endswith("in the archive, where nothing changes; an admin can reopen it")
    assert answer.get_json()["state"] == "closed"
    assert where(engine, pair[0])[:3:2] == (0, 1)


@pytest.mark.parametrize("act", OWN)
def test_an_agent_is_told_of_their_own_archived_ticket_alone(
    container: Container, pair: tuple[int, int], act: str
) -> None:
    container.agents.create(AgentDraft(username="bob", password=PASSWORD))
    archive(container)
    own = signed_in(container, "ann").post(f"/api/tickets/{pair[1]}/{act}", json=OWN[act])
    assert (own.status_code, own.get_json()["code"]) == (409, "ticket_archived"), own.text
    assert own.get_json()["detail"].endswith("what is sold stays sold")
    other = signed_in(container, "bob").post(f"/api/tickets/{pair[1]}/{act}", json=OWN[act])
    assert (other.status_code, other.get_json()["code"]) == (404, "not_found")


def test_reopening_brings_a_closed_ticket_back_with_its_history(
    container: Container, engine: Engine, root: FlaskClient, pair: tuple[int, int]
) -> None:
    closed, _ = pair
    lines = get(root, f"/api/tickets/{closed}/history")["items"]
    archive(container)
    answer = root.post(f"/api/tickets/{closed}/reopen", json={"reason": "They called again"})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["status"] == "open"
    assert where(engine, closed) == (1, len(lines) + 1, 0, 0)
    assert get(root, f"/api/tickets/{closed}/history")["items"][:-1] == lines
    assert get(root, f"/api/tickets/{closed}")["external_id"] == "A-1"
    assert all(result.ok is not False for result in container.invariants.check(at_rest=True))


def test_what_came_back_is_told_once(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    """Readers have read its lines long ago; only the reopening is news."""
    archive(container)
    all_told(engine)
    container.lifecycle.reopen(pair[0], actor_id=None)

    def news() -> list[str]:
        with transaction(engine) as connection:
            return [line.cause.value for each in read_on(connection, "webhooks", limit=100) for line in each.events]

    found: list[str] = []
    assert wait_until(lambda: found.extend(news()) or bool(found), 30)
    assert found == ["reopen"]


def test_what_is_sold_does_not_come_back(
    container: Container, engine: Engine, root: FlaskClient, pair: tuple[int, int]
) -> None:
    archive(container)
    answer = root.post(f"/api/tickets/{pair[1]}/reopen", json={})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ticket_archived")
    assert where(engine, pair[1])[:3:2] == (0, 1)


def test_a_reopening_that_is_refused_leaves_the_ticket_archived(
    container: Container, engine: Engine, root: FlaskClient, pair: tuple[int, int]
) -> None:
    archive(container)
    answer = root.post(f"/api/tickets/{pair[0]}/reopen", json={}, headers={"If-Match": '"99"'})
    assert answer.status_code == 412, answer.text
    assert where(engine, pair[0])[:3:2] == (0, 1)


def test_two_who_reopen_bring_it_back_once(container: Container, engine: Engine, pair: tuple[int, int]) -> None:
    archive(container)

    def reopen(_: int) -> str:
        try:
            return container.lifecycle.reopen(pair[0], actor_id=None).status.value
        except Exception as exc:  # noqa: BLE001 - the kind is what the test is about
            return type(exc).__name__

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(reopen, range(2))) == ["IllegalMove", "open"]
    assert where(engine, pair[0])[:3:2] == (1, 0)


def test_the_external_id_of_an_archived_ticket_is_taken(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    def create() -> Any:
        answer = root.post("/api/tickets", json={"subject": "Again", "external_id": "A-1"})
        found = answer.get_json()
        found.pop("request_id")
        return answer.status_code, found

    before = create()
    archive(container)
    assert create() == before
    assert before[0] == 409
    assert before[1]["ticket_id"] == pair[0]


@pytest.mark.parametrize("content", [b"subject,external_id\nAgain,A-1\nNew,B-2\n"])
def test_an_import_passes_over_what_is_archived(
    container: Container, engine: Engine, pair: tuple[int, int], content: bytes
) -> None:
    archive(container)
    [batch] = container.ticket_import.batches(io.BytesIO(content), format=FileFormat.CSV, actor_id=None)
    assert [(row.ticket_id == pair[0], row.is_new) for row in batch.rows] == [(True, False), (False, True)]


@contextmanager
def being_archived(container: Container, engine: Engine) -> Iterator[None]:
    """Hold an archiver just before it commits, having moved the tickets."""
    moving: list[Connection] = []
    with engine.connect() as connection, connection.begin():
        found = connection.execute(
            archive_store.CANDIDATES, {"older_than_s": OLD_S, "after_at": "-infinity", "after_id": 0, "limit": 10}
        ).all()
        ids = archive_store._settled(connection, found, OLD_S)
        assert archive_store._move(connection, ids) > 0
        moving.append(connection)
        yield
        assert wait_until(lambda: _somebody_waits(engine), 30)


def _somebody_waits(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(BLOCKED).scalar_one())


def test_creating_what_is_just_being_archived_is_refused(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    """The unique index lets the row in once the archiver has committed; the guard behind it does not."""

    def create() -> None:
        container.tickets.create(TicketDraft(subject="Again", external_id="A-1"), actor_id=None)

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            creating: Future[None] = pool.submit(create)
        with pytest.raises(AlreadyExists) as raised:
            creating.result(30)
    assert raised.value.facts["ticket_id"] == pair[0]
    assert container.tickets._store.named(["A-1"]) == {"A-1": pair[0]}


def check_import_passes_over(archived: int, container: Container, engine: Engine) -> None:
    """Import A-1, which is being archived as this ticket meanwhile, and another one."""
    content = io.BytesIO(b"subject,external_id\nAgain,A-1\nNew,B-2\n")

    def load() -> list[Any]:
        return list(container.ticket_import.batches(content, format=FileFormat.CSV, actor_id=None))

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            loading = pool.submit(load)
        [batch] = loading.result(30)
    assert [(row.ticket_id == archived, row.is_new) for row in batch.rows] == [(True, False), (False, True)]


def test_importing_what_is_just_being_archived_finds_it_there(
    container: Container, engine: Engine, pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch did not see it when it looked, and is refused when it writes: it looks again."""
    from service.store import imports

    named, looks = imports.named, []

    def blind_at_first(connection: Connection, external_ids: Any) -> dict[str, int]:
        looks.append(external_ids)
        return {} if len(looks) == 1 else named(connection, external_ids)

    monkeypatch.setattr(imports, "named", blind_at_first)
    check_import_passes_over(pair[0], container, engine)


def test_an_import_that_waited_for_the_archiver_looks_once_more(
    container: Container, engine: Engine, pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement for such moments takes the ticket for free, too, when the archiver commits under its eyes."""
    from service.store import imports

    def lost_a_race(*_: object, **__: object) -> None:
        raise UniqueViolation

    monkeypatch.setattr(imports, "_copy_new", lost_a_race)
    check_import_passes_over(pair[0], container, engine)


def test_a_change_that_waited_for_the_archiver_is_told_where_the_ticket_is(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    admin = container.users.create(UserDraft(username="kit", password=PASSWORD, role=Role.ADMIN)).id

    def note() -> None:
        container.history._store.add_note(pair[0], "They called", actor_id=admin, operation_id=None)

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            noting = pool.submit(note)
        with pytest.raises(TicketArchived):
            noting.result(30)


def test_a_reopening_that_waited_for_the_archiver_brings_the_ticket_back(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            reopening = pool.submit(container.lifecycle.reopen, pair[0], actor_id=None)
        assert reopening.result(30).status is TicketStatus.OPEN
    assert where(engine, pair[0])[:3:2] == (1, 0)


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


def test_a_filter_finds_it_by_number(container: Container, pair: tuple[int, int]) -> None:
    archive(container)
    assert container.tickets.count(TicketFilter(archived=True)).by_status[TicketStatus.SOLD] == 1


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


def broken(container: Container) -> set[str]:
    return {result.code for result in container.invariants.check(at_rest=True) if result.ok is False}


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
