"""Admins and several tickets at once: asked first, in numbers, then done on exactly what was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.model import Priority, TicketStatus
from service.usecases.ports.tickets import Buyer
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]
ACT = "/app/tickets/act"


def asked(seen: Visitor, act: str, *ticket_ids: int, back: str = "/app/tickets?status=open") -> Visitor:
    """Press a button of the table with these tickets ticked."""
    picked = "".join(f"&ticket={ticket_id}" for ticket_id in ticket_ids)
    return seen.get(f"{ACT}?act={act}{picked}&back={back.replace('?', '%3F').replace('=', '%3D')}")


def status_of(container: Any, ticket_id: int) -> TicketStatus:
    return TicketStatus(container.explanations.explain(ticket_id).ticket.status)


@pytest.fixture
def mixed(ann: int, root: int, tickets: Any, container: Any) -> list[int]:
    """Lay one open, one assigned, one in progress, one resolved and one sold ticket."""
    ids = [ticket.id for ticket in tickets(5)]
    for ticket_id in ids[1:]:
        container.lifecycle.assign(ticket_id, agent_id=ann, actor_id=root)
    container.lifecycle.start(ann, ids[2])
    container.lifecycle.resolve(ann, ids[3])
    container.lifecycle.sell(ann, ids[4], Buyer(name="Kim", email="kim@example.com"))
    return ids


def test_deleting_says_in_numbers_what_it_will_do_and_does_it(
    visitor: Visit, root: int, mixed: list[int], container: Any, ann: int
) -> None:
    seen = asked(visitor("root"), "delete", *mixed)
    for words in ("Delete 5 tickets", "1 ticket leaves the queue.",
                  "2 tickets leave the hands of 1 agent; 1 of them is in progress.",
                  "1 ticket is resolved or closed already.", "1 ticket is sold; its sale goes with it."):  # fmt: skip
        assert words in seen.text
    assert container.assignments.held(ann).held == 2
    seen.send(ACT)
    assert seen.path == "/app/tickets?status=open"
    assert "5 tickets are deleted." in seen.text
    assert container.assignments.held(ann).held == 0
    assert seen.get(f"/app/tickets/{mixed[0]}").status == 404


def test_asking_changes_nothing(visitor: Visit, root: int, mixed: list[int], container: Any) -> None:
    seen = visitor("root")
    before = [status_of(container, ticket_id) for ticket_id in mixed]
    for act in ("assign", "priority", "return", "reopen", "delete"):
        assert asked(seen, act, *mixed).status == 200
    assert [status_of(container, ticket_id) for ticket_id in mixed] == before


def test_tickets_are_assigned_each_on_its_own(
    visitor: Visit, root: int, mixed: list[int], person: Any, container: Any
) -> None:
    bob = person("bob", capacity=2)
    seen = asked(visitor("root"), "assign", *mixed)
    for words in ("1 ticket leaves the queue.", "2 tickets leave the hands of 1 agent",
                  "2 tickets are resolved, closed or sold", "bob: senior, 0 of 2 in hand"):  # fmt: skip
        assert words in seen.text
    seen.send(ACT, agent="")
    assert (seen.status, "Agent must be chosen." in seen.text) == (400, True)
    seen.send(ACT, agent="nobody-here")
    assert "must be an agent&#39;s username" in seen.text
    seen.send(ACT, agent="bob")
    assert "2 tickets are assigned to bob." in seen.text
    assert seen.text.count('class="notice error"') == 3
    assert [ticket.id for ticket in container.assignments.held(bob).tickets] == mixed[:2]


def test_priorities_change_together(visitor: Visit, root: int, mixed: list[int], container: Any) -> None:
    seen = asked(visitor("root"), "priority", *mixed[:3])
    assert "1 waiting ticket moves to the place that its age gives" in seen.text
    seen.send(ACT, priority="")
    assert (seen.status, "Priority must be one of" in seen.text) == (400, True)
    assert "3 tickets are of high priority now." in seen.send(ACT, priority="high").text
    assert {container.explanations.explain(ticket_id).ticket.priority for ticket_id in mixed[:3]} == {Priority.HIGH}


def test_tickets_are_returned_with_a_reason(visitor: Visit, root: int, mixed: list[int], container: Any) -> None:
    seen = asked(visitor("root"), "return", *mixed[:3])
    assert (
        "2 tickets go from the hands of 1 agent back to their places in the queue; 1 of them is in progress."
        in seen.text
    )
    assert "1 ticket is in nobody&#39;s hand" in seen.text or "1 ticket is in nobody's hand" in seen.text
    seen.send(ACT, reason="x" * 1001)
    assert seen.status == 400
    assert "x" * 1001 in seen.text
    seen.send(ACT, reason="Reorganised")
    assert "2 tickets are back in the queue." in seen.text
    assert status_of(container, mixed[2]) is TicketStatus.OPEN
    assert "Reorganised" in seen.get(f"/app/tickets/{mixed[2]}").text


def test_finished_tickets_are_reopened(visitor: Visit, root: int, mixed: list[int], container: Any) -> None:
    seen = asked(visitor("root"), "reopen", mixed[3], mixed[4], back=f"/app/tickets/{mixed[3]}")
    assert "1 ticket goes back to its place in the queue." in seen.text
    seen.send(ACT)
    assert seen.path == f"/app/tickets/{mixed[3]}"
    assert f"Ticket {mixed[3]} is open again." in seen.text
    assert status_of(container, mixed[4]) is TicketStatus.SOLD


def test_what_changed_hands_after_the_question_is_left_alone(
    visitor: Visit, root: int, ann: int, tickets: Any, container: Any
) -> None:
    stays, moves = tickets(2)
    seen = asked(visitor("root"), "delete", stays.id, moves.id)
    container.lifecycle.assign(moves.id, agent_id=ann, actor_id=root)
    seen.send(ACT)
    assert f"Ticket {stays.id} is deleted." in seen.text
    assert 'class="notice error"' in seen.text
    assert status_of(container, moves.id) is TicketStatus.ASSIGNED


def test_deleting_from_a_tickets_own_page_leads_to_the_list(visitor: Visit, root: int, tickets: Any) -> None:
    (ticket,) = tickets(1)
    seen = asked(visitor("root"), "delete", ticket.id, back=f"/app/tickets/{ticket.id}").send(ACT)
    assert seen.path == "/app/tickets"
    assert f"Ticket {ticket.id} is deleted." in seen.text


def test_nothing_ticked_and_nothing_left_are_said(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1)
    seen = visitor("root")
    assert "No ticket is selected." in asked(seen, "delete").text
    container.tickets.delete(ticket.id, actor_id=root)
    assert "None of these tickets is there any more." in asked(seen, "assign", ticket.id).text
    assert asked(seen, "burn", 1).status == 400


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/app/tickets", "/app/tickets\\@evil", "/app/desk"]
)
def test_the_way_back_is_ours(visitor: Visit, root: int, tickets: Any, back: str) -> None:
    (ticket,) = tickets(1)
    seen = asked(visitor("root"), "return", ticket.id, back=back)
    assert f'href="{back}"' not in seen.text
    assert seen.send(ACT).path == "/app/tickets"


@pytest.mark.parametrize("seen_field", ["", "1", "x:1", "1:x", "1:-1", "99999999999999999999:1"])
def test_picks_that_no_page_made_are_refused(visitor: Visit, root: int, tickets: Any, seen_field: str) -> None:
    (ticket,) = tickets(1)
    seen = asked(visitor("root"), "delete", ticket.id).send(ACT, seen=seen_field)
    assert seen.status == 400


def test_a_confirmation_sent_twice_does_its_work_once(
    visitor: Visit, root: int, ann: int, tickets: Any, container: Any
) -> None:
    (ticket,) = tickets(1)
    container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    seen = asked(visitor("root"), "return", ticket.id)
    body = seen.filled(ACT, None, {})
    seen.post(ACT, body)
    assert f"Ticket {ticket.id} is back in the queue." in seen.post(ACT, body).text
    assert 'class="notice error"' not in seen.text


def test_where_agents_are_many_their_name_is_typed(
    visitor: Visit, root: int, mixed: list[int], person: Any, monkeypatch: pytest.MonkeyPatch, container: Any
) -> None:
    bob = person("bob")
    monkeypatch.setattr("service.dashboard.agent_choice.FEW", 1)
    seen = asked(visitor("root"), "assign", mixed[0])
    assert "<select" not in seen.text
    assert '<option value="ann">senior, 2 of 15 in hand</option>' in seen.text
    seen.send(ACT, agent="bo")
    assert (seen.status, 'value="bo"' in seen.text) == (400, True)
    assert f"Ticket {mixed[0]} is assigned to bob." in seen.send(ACT, agent=" BOB ").text
    assert container.assignments.held(bob).held == 1
