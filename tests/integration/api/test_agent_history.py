"""An agent's history over HTTP, on real stores."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

KIM = {"name": "Kim", "email": "kim@example.com"}


def told(client: FlaskClient, agent: int, query: str = "") -> list[tuple[int, str, str | None]]:
    answer = client.get(f"/api/agents/{agent}/history{query}")
    assert answer.status_code == 200
    return [(event["ticket_id"], event["cause"], event["hand"]) for event in answer.json["items"]]


def a_day(admin: FlaskClient, ann: Any, bob: Any) -> list[int]:
    tickets = [admin.post("/api/tickets", json={"subject": f"Ticket {n}"}).json["id"] for n in range(4)]
    ann.post("/api/tickets/fetch", json={"limit": 3})
    ann.post(f"/api/tickets/{tickets[0]}/sell", json={"customer": KIM})
    ann.post(f"/api/tickets/{tickets[1]}/release", json={"reason": "lunch"})
    admin.post(f"/api/tickets/{tickets[2]}/assign", json={"agent_id": bob.user_id})
    admin.patch(f"/api/tickets/{tickets[2]}", json={"priority": "high"})
    return tickets


def test_an_agents_history_tells_what_came_and_what_went_the_newest_first(
    admin: FlaskClient, ann: Any, bob: Any
) -> None:
    first, second, third, _ = a_day(admin, ann, bob)
    of_ann = [
        (third, "reassign", "went"),
        (second, "release", "went"),
        (first, "sell", "went"),
        (third, "fetch", "came"),
        (second, "fetch", "came"),
        (first, "fetch", "came"),
    ]
    assert told(admin, ann.user_id) == told(ann, ann.user_id) == of_ann
    assert told(bob, bob.user_id) == [(third, "edit", None), (third, "reassign", "came")]
    assert ann.get(f"/api/agents/{bob.user_id}/history").status_code == 403


def test_an_agents_history_is_paged(admin: FlaskClient, ann: Any, bob: Any) -> None:
    a_day(admin, ann, bob)
    seen: list[int] = []
    path = f"/api/agents/{ann.user_id}/history?limit=4"
    while path:
        answer = admin.get(path)
        assert answer.json["total"] == 6
        seen += [event["id"] for event in answer.json["items"]]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)


def test_there_is_no_history_of_nobody(admin: FlaskClient, ann: Any) -> None:
    assert admin.get("/api/agents/4711/history").status_code == 404
    assert admin.get(f"/api/agents/{admin.user_id}/history").status_code == 404
    assert admin.get(f"/api/agents/{ann.user_id}/history?cursor=nonsense").status_code == 400


def test_events_name_who_lost_the_ticket_and_its_priority(admin: FlaskClient, ann: Any, bob: Any) -> None:
    tickets = a_day(admin, ann, bob)
    history = admin.get(f"/api/tickets/{tickets[2]}/history").json["items"]
    assert [
        (event["cause"], event["agent_id"], event["from_agent_id"], event["actor_id"], event["priority"])
        for event in history
    ] == [
        ("create", None, None, admin.user_id, "medium"),
        ("fetch", ann.user_id, None, ann.user_id, None),
        ("reassign", bob.user_id, ann.user_id, admin.user_id, None),
        ("edit", bob.user_id, None, admin.user_id, "high"),
    ]
