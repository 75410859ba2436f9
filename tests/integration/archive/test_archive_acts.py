"""What would change an archived ticket is refused, or brings it back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.store.engine import transaction
from service.store.event_feed import read_on
from service.usecases.ports.people import AgentDraft
from tests.integration.archiving import PASSWORD, all_told, archive, get, signed_in, where

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
