"""Archived tickets are read as before."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.bootstrap import Container
from service.domain.model import TicketStatus
from service.usecases.ports.people import AgentDraft
from service.usecases.ports.tickets import TicketDraft, TicketFilter
from tests.integration.archiving import PASSWORD, archive, get, grow_old, signed_in, where

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


def test_a_filter_finds_it_by_number(container: Container, pair: tuple[int, int]) -> None:
    archive(container)
    assert container.tickets.count(TicketFilter(archived=True)).by_status[TicketStatus.SOLD] == 1
