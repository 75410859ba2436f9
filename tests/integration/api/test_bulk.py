"""Many tickets at once over HTTP: each on its own, and dry runs that leave no trace."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.usecases.ports.tickets import TicketDraft
from tests.integration.desk import as_decided, as_hinted


@pytest.fixture
def ids(container: Container) -> list[int]:
    drafts = [TicketDraft(subject=f"Ticket {n}") for n in range(20)]
    return [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]


def state(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM tickets ORDER BY id")).all()
        events = connection.execute(text("SELECT count(*) FROM ticket_events")).scalar_one()
        agents = connection.execute(text("SELECT id, held FROM agents ORDER BY id")).all()
    return [list(map(tuple, rows)), events, list(map(tuple, agents))]


def fetch(agent: Any, limit: int) -> list[int]:
    return [ticket["id"] for ticket in agent.post("/api/tickets/fetch", json={"limit": limit}).json["tickets"]]


def codes(answer: Any) -> list[str | None]:
    return [item["error"] and item["error"]["code"] for item in answer.json["results"]]


def test_many_tickets_are_given_each_on_its_own(
    admin: FlaskClient, ann: Any, bob: Any, ids: list[int], redis_client: Redis, keys: Keys
) -> None:
    [mine] = fetch(bob, 1)
    wanted = [
        {"ticket_id": ids[3], "agent_id": ann.user_id},
        {"ticket_id": 999, "agent_id": ann.user_id},
        {"ticket_id": mine, "agent_id": ann.user_id},
        {"ticket_id": ids[5], "agent_id": 998},
    ]
    answer = admin.post("/api/tickets/assign", json={"assignments": wanted})
    assert (answer.status_code, answer.json["changed"]) == (200, 2)
    assert codes(answer) == [None, "not_found", None, "not_found"]
    assert [item["ticket_id"] for item in answer.json["results"]] == [ids[3], 999, mine, ids[5]]
    assert answer.json["results"][0]["ticket"]["agent_id"] == ann.user_id
    assert [ticket["id"] for ticket in ann.get("/api/tickets/held").json["tickets"]] == [mine, ids[3]]
    queued = list(map(int, redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)))
    assert queued == [ticket_id for ticket_id in ids if ticket_id not in (mine, ids[3])]


def test_what_does_not_fit_is_refused_ticket_by_ticket(admin: FlaskClient, ann: Any, ids: list[int]) -> None:
    wanted = [{"ticket_id": ticket_id, "agent_id": ann.user_id} for ticket_id in ids]
    answer = admin.post("/api/tickets/assign", json={"assignments": wanted})
    assert codes(answer) == [None] * 15 + ["agent_at_capacity"] * 5


def test_many_tickets_change_queues_at_once(
    admin: FlaskClient, ids: list[int], redis_client: Redis, keys: Keys
) -> None:
    chosen = [ids[9], ids[2], 999, ids[15]]
    answer = admin.post("/api/tickets/priority", json={"ticket_ids": chosen, "priority": "high"})
    assert (answer.json["changed"], codes(answer)) == (3, [None, None, "not_found", None])
    assert list(map(int, redis_client.lrange(keys.queue(Priority.HIGH), 0, -1))) == [ids[2], ids[9], ids[15]]
    medium = list(map(int, redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)))
    assert medium == [ticket_id for ticket_id in ids if ticket_id not in chosen]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("assign", {"assignments": []}, "assignments"),
        ("assign", {"assignments": [{"ticket_id": n, "agent_id": 2} for n in range(1, 502)]}, "assignments"),
        ("assign", {"assignments": [{"ticket_id": 7, "agent_id": 2}] * 2}, "assignments.1.ticket_id"),
        ("assign", {"assignments": [{"ticket_id": 7}]}, "assignments.0.agent_id"),
        ("priority", {"ticket_ids": [7, 8, 7], "priority": "low"}, "ticket_ids.2"),
        ("priority", {"ticket_ids": [7], "priority": "urgent"}, "priority"),
        ("priority", {"ticket_ids": list(range(1, 502)), "priority": "low"}, "ticket_ids"),
    ],
)
def test_bad_lists_are_refused_by_name(admin: FlaskClient, path: str, body: Any, field: str) -> None:
    answer = admin.post(f"/api/tickets/{path}", json=body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, field)


def test_a_repeated_request_is_carried_out_once(admin: FlaskClient, ann: Any, ids: list[int], engine: Engine) -> None:
    body = {"assignments": [{"ticket_id": ids[0], "agent_id": ann.user_id}]}
    first = admin.post("/api/tickets/assign", json=body, headers={"Idempotency-Key": "k"})
    before = state(engine)
    again = admin.post("/api/tickets/assign", json=body, headers={"Idempotency-Key": "k"})
    assert (again.json, again.headers["Idempotency-Replayed"]) == (first.json, "true")
    assert state(engine) == before


@pytest.mark.parametrize("by_lower_id", [True, False])
def test_everything_an_agent_holds_goes_to_another_as_far_as_it_fits(
    admin: FlaskClient, ann: Any, bob: Any, ids: list[int], engine: Engine, by_lower_id: bool
) -> None:
    giver, receiver = (ann, bob) if by_lower_id else (bob, ann)
    held, others = fetch(giver, 8), fetch(receiver, 10)
    before = state(engine)
    path, body = f"/api/agents/{giver.user_id}/reassign-tickets", {"to_agent_id": receiver.user_id}
    rehearsed = admin.post(path, json={**body, "dry_run": True})
    assert state(engine) == before
    assert (rehearsed.json["dry_run"], rehearsed.json["changed"]) == (True, 5)
    done = admin.post(path, json=body)
    assert (done.json["dry_run"], done.json["changed"]) == (False, 5)
    assert codes(done) == codes(rehearsed) == [None] * 5 + ["agent_at_capacity"] * 3
    assert [item["ticket_id"] for item in done.json["results"]] == held
    assert [item["error"] for item in done.json["results"]] == [item["error"] for item in rehearsed.json["results"]]
    assert [ticket["id"] for ticket in receiver.get("/api/tickets/held").json["tickets"]] == sorted(held[:5] + others)
    assert [ticket["id"] for ticket in giver.get("/api/tickets/held").json["tickets"]] == held[5:]


def test_an_agent_who_is_away_is_given_nothing(admin: FlaskClient, ann: Any, bob: Any, ids: list[int]) -> None:
    fetch(ann, 2)
    bob.post(f"/api/agents/{bob.user_id}/availability", json={"availability": "away"})
    for dry_run in (True, False):
        body = {"to_agent_id": bob.user_id, "dry_run": dry_run}
        answer = admin.post(f"/api/agents/{ann.user_id}/reassign-tickets", json=body)
        assert codes(answer) == ["agent_away"] * 2
    assert len(ids) == 20


def test_reassigning_needs_two_agents(admin: FlaskClient, ann: Any, operator: Any) -> None:
    path = f"/api/agents/{ann.user_id}/reassign-tickets"
    same = admin.post(path, json={"to_agent_id": ann.user_id})
    assert (same.status_code, same.json["errors"][0]["field"]) == (400, "to_agent_id")
    assert admin.post(path, json={"to_agent_id": operator.user_id}).status_code == 404
    assert admin.post("/api/agents/999/reassign-tickets", json={"to_agent_id": ann.user_id}).status_code == 404


def test_returning_everything_can_be_tried_first(
    admin: FlaskClient, ann: Any, ids: list[int], engine: Engine, redis_client: Redis, keys: Keys
) -> None:
    held = fetch(ann, 4)
    before = state(engine)
    path = f"/api/agents/{ann.user_id}/return-tickets"
    tried = admin.post(path, json={"dry_run": True})
    assert tried.json == {"dry_run": True, "returned": 4, "ticket_ids": held}
    assert state(engine) == before
    assert redis_client.lrange(keys.queue(Priority.MEDIUM), 0, 0) != [str(held[0]).encode()]
    assert admin.post(path, json={}).json == {"dry_run": False, "returned": 4, "ticket_ids": held}
    assert list(map(int, redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1))) == ids


def test_one_ticket_can_be_given_or_taken_as_a_trial(
    admin: FlaskClient, ann: Any, bob: Any, ids: list[int], engine: Engine
) -> None:
    [held] = fetch(ann, 1)
    give, take = {"agent_id": bob.user_id}, {"reason": "mistake"}
    for act, body, moved in (
        ("assign", give, {"status": "assigned", "agent_id": bob.user_id, "epoch": 2}),
        ("return", take, {"status": "open", "agent_id": None, "epoch": 2}),
    ):
        before = state(engine)
        tried = admin.post(f"/api/tickets/{held}/{act}", json={**body, "dry_run": True}, headers={"If-Match": '"1"'})
        assert (tried.status_code, tried.json["dry_run"], "ETag" in tried.headers) == (200, True, False)
        assert moved.items() <= tried.json.items()
        assert state(engine) == before
    assert [ticket["id"] for ticket in ann.get("/api/tickets/held").json["tickets"]] == [held]
    done = admin.post(f"/api/tickets/{held}/assign", json=give)
    assert (done.json["dry_run"], done.json["agent_id"], done.headers["ETag"]) == (False, bob.user_id, '"2"')
    for act, body in (("return", take), ("assign", give)):
        refused = admin.post(f"/api/tickets/{ids[-1] + 1}/{act}", json={**body, "dry_run": True})
        assert refused.status_code == 404
    refused = admin.post(f"/api/tickets/{ids[1]}/return", json={"dry_run": True})
    assert (refused.status_code, refused.json["state"]) == (409, "open")
    stale = admin.post(f"/api/tickets/{held}/return", json={"dry_run": True}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


@pytest.mark.parametrize("act", ["delete an agent", "delete a user", "deactivate", "another role"])
def test_whoever_stops_working_loses_everything_at_once_and_nothing_is_lost(
    admin: FlaskClient, ann: Any, ids: list[int], engine: Engine, redis_client: Redis, keys: Keys, act: str
) -> None:
    held = fetch(ann, 10)
    ann.post(f"/api/tickets/{held[3]}/start")
    path = f"/api/users/{ann.user_id}"
    answer = {
        "delete an agent": lambda: admin.delete(f"/api/agents/{ann.user_id}"),
        "delete a user": lambda: admin.delete(path),
        "deactivate": lambda: admin.patch(path, json={"is_active": False}),
        "another role": lambda: admin.patch(path, json={"role": "operator"}),
    }[act]()
    assert answer.status_code in {200, 204}
    assert as_hinted(redis_client, keys) == as_decided(engine) == ({"high": [], "medium": ids, "low": []}, {})
