"""Tickets explained over HTTP and by the command, on real stores."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from redis import Redis

from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.usecases.ports import explanation


def create(admin: FlaskClient, **values: Any) -> int:
    return int(admin.post("/api/tickets", json={"subject": "Printer on fire", **values}).json["id"])


def explain(client: FlaskClient, ticket: int) -> Any:
    answer = client.get(f"/api/tickets/{ticket}/explain")
    assert answer.status_code == 200
    return answer.json


def without_ages(words: list[str]) -> str:
    return re.sub(r"for \d+ s", "for SOME s", " ".join(words))


@pytest.fixture
def run(container: Container) -> Any:
    def invoke(*args: str) -> Result:
        return CliRunner().invoke(cli, args, obj=Setup({}, container=container))

    return invoke


def test_an_open_ticket_is_explained_by_its_place_and_by_who_may_take_it(
    admin: FlaskClient, ann: Any, bob: Any, operator: FlaskClient
) -> None:
    create(admin, priority="high")
    create(admin)
    ticket = create(admin)
    bob.post(f"/api/agents/{bob.user_id}/availability", json={"availability": "away"})
    told = explain(operator, ticket)
    assert told["queue"] == {
        "priority": "medium", "rank": 2, "rank_is_exact": True, "queued": True, "trusted": True
    }  # fmt: skip
    assert {one["level"]: one["with_room"] for one in told["may_take"]} == {"senior": 0, "junior": 1}
    assert (told["entered"]["cause"], told["entered"]["actor"], told["agent"]) == ("create", "root", None)
    assert told["entered"]["at"] == told["ticket"]["created_at"]
    words = without_ages(told["words"])
    for part in (
        "has been open for SOME s: it was created by root",
        "It is number 2",
        "1 is older",
        "Redis has it queued",
    ):
        assert part in words
    assert "no seniors, 1 junior available with room" in words


def test_high_tickets_are_for_seniors_alone(admin: FlaskClient, ann: Any) -> None:
    told = explain(admin, create(admin, priority="high"))
    assert told["may_take"] == [{"level": "senior", "with_room": 0}]
    assert (told["queue"]["rank"], told["words"][1]) == (1, "It is the next open high ticket: none is older.")


def test_an_agent_without_room_may_take_nothing(admin: FlaskClient, ann: Any) -> None:
    admin.patch(f"/api/agents/{ann.user_id}", json={"capacity": 1})
    create(admin)
    ann.post("/api/tickets/fetch")
    assert {one["level"]: one["with_room"] for one in explain(admin, create(admin))["may_take"]}["junior"] == 0


def test_a_held_ticket_is_explained_by_whoever_has_it_and_why(admin: FlaskClient, ann: Any, bob: Any) -> None:
    ticket = create(admin)
    ann.post("/api/tickets/fetch")
    admin.post(f"/api/tickets/{ticket}/assign", json={"agent_id": bob.user_id})
    bob.post(f"/api/tickets/{ticket}/start")
    admin.patch(f"/api/tickets/{ticket}", json={"subject": "Printer burnt"})
    told = explain(bob, ticket)
    assert (told["agent"], told["queue"], told["may_take"]) == ("bob", None, None)
    assert (told["handed"]["cause"], told["handed"]["actor"]) == ("reassign", "root")
    assert (told["entered"]["cause"], told["entered"]["actor_id"]) == ("start", bob.user_id)
    assert "has been in progress for SOME s: it was started by bob" in without_ages(told["words"])
    assert told["words"][1].startswith("Agent bob has it because it was assigned by root")
    for path, client in ((ticket, ann), (4711, admin)):
        assert client.get(f"/api/tickets/{path}/explain").status_code == 404


def test_a_ticket_that_came_back_waits_from_then_on_with_the_reason(admin: FlaskClient, ann: Any) -> None:
    ticket = create(admin)
    ann.post("/api/tickets/fetch")
    ann.post(f"/api/tickets/{ticket}/release", json={"reason": "lunch"})
    told = explain(admin, ticket)
    assert (told["handed"]["cause"], told["entered"]["note"], told["queue"]["rank"]) == ("release", "lunch", 1)
    assert "released by ann" in told["words"][0]
    assert '("lunch")' in told["words"][0]


def test_what_redis_does_not_have_or_cannot_say_is_told(admin: FlaskClient, redis_client: Redis, keys: Keys) -> None:
    ticket = create(admin)
    redis_client.delete(keys.queue(Priority.MEDIUM))
    told = explain(admin, ticket)
    assert (told["queue"]["queued"], told["queue"]["trusted"]) == (False, True)
    assert "does not have it queued" in " ".join(told["words"])
    redis_client.delete(keys.generation)
    told = explain(admin, ticket)
    assert (told["queue"]["queued"], told["queue"]["trusted"]) == (False, False)
    assert "is being rebuilt" in " ".join(told["words"])


def test_counting_those_ahead_ends_at_the_limit(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = [create(admin) for _ in range(5)]
    for module in ("service.store.situations", "service.usecases.explanation", "service.usecases.explanation_words"):
        monkeypatch.setattr(f"{module}.AHEAD_LIMIT", 3)
    assert explanation.AHEAD_LIMIT == 10_000
    places = [explain(admin, ticket)["queue"] for ticket in tickets]
    assert [(place["rank"], place["rank_is_exact"]) for place in places] == [
        (1, True), (2, True), (3, True), (4, True), (4, False),
    ]  # fmt: skip


def test_the_command_says_it_in_words_or_as_json(admin: FlaskClient, run: Any) -> None:
    ticket = create(admin)
    said = run("explain", str(ticket))
    assert said.exit_code == 0
    assert without_ages(said.output.splitlines()) == without_ages(explain(admin, ticket)["words"])
    assert json.loads(run("explain", str(ticket), "--json").output)["queue"]["rank"] == 1
    nobody = run("explain", "4711")
    assert (nobody.exit_code, nobody.stderr) == (1, "Error: There is no ticket 4711\n")
    assert run("explain", "x").exit_code == 2
