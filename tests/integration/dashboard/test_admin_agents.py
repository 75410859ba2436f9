"""Admins and agents: load, profile, and taking their work away with a preview."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.model import Availability, Level, TicketStatus
from service.usecases.ports.people import AgentChanges
from tests.integration.dashboard.visitor import PASSWORD, Visitor

Visit = Callable[..., Visitor]
NEW = {"username": "carl", "password": PASSWORD, "repeated": PASSWORD}


@pytest.fixture
def hand(ann: int, tickets: Any, container: Any) -> list[int]:
    """Give ann three tickets, the first of them in progress."""
    ids = [ticket.id for ticket in tickets(3)]
    container.assignments.fetch(ann)
    container.lifecycle.start(ann, ids[0])
    return ids


def names(seen: Visitor) -> list[str]:
    """List the agents of the table in its order."""
    return re.findall(r'<td class="name"><a href="[^"]+">([^<]+)</a>', seen.text)


def test_the_list_shows_load_against_capacity(visitor: Visit, root: int, hand: list[int], person: Any) -> None:
    person("bob", capacity=2)
    seen = visitor("root").get("/app/agents")
    assert names(seen) == ["ann", "bob"]
    assert "3 of 15" in seen.text
    assert seen.text.count('class="on"') == 3
    assert seen.text.count('class="off"') == 14


def test_the_list_is_searched_filtered_and_sorted(
    visitor: Visit, root: int, hand: list[int], person: Any, container: Any
) -> None:
    bob, cat = person("bob"), person("cat")
    container.agents.update(bob, AgentChanges(level=Level.JUNIOR), actor_id=None)
    container.agents.update(cat, AgentChanges(availability=Availability.AWAY, is_active=False), actor_id=None)
    seen = visitor("root")
    for query, expected in (
        ("q=an", ["ann"]), ("level=junior", ["bob"]), ("availability=away", ["cat"]), ("active=no", ["cat"]),
        ("active=yes&sort=-username", ["bob", "ann"]), ("sort=-held", ["ann", "cat", "bob"]), ("q=zz", []),
    ):  # fmt: skip
        assert names(seen.get(f"/app/agents?{query}")) == expected
    assert "No agent is like that" in seen.text


def test_no_agents_lead_to_the_first(visitor: Visit, root: int) -> None:
    assert "There are no agents yet" in visitor("root").get("/app/agents").text


def test_an_agent_is_created_and_can_sign_in(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get("/app/agents/new")
    seen.send("/app/agents/new", **{**NEW, "email": "carl at home", "capacity": "16", "first_name": "Carl"})
    assert seen.status == 400
    assert 'value="Carl"' in seen.text
    assert PASSWORD not in seen.text
    seen.send("/app/agents/new", **{**NEW, "email": "carl at home", "capacity": "15", "username": "c"})
    assert "must look like name@example.com" in seen.text
    assert "must be 3 to 64 letters" in seen.text
    seen.send("/app/agents/new", **{**NEW, "email": "", "repeated": "other"})
    assert "is not the same as the password" in seen.text
    seen.send("/app/agents/new", **NEW, email="", level="senior", availability="away", auto_assign="yes")
    assert "Agent carl is created and can sign in." in seen.text
    made = container.agents.named("carl")
    assert (made.level, made.availability, made.auto_assign, made.capacity, made.first_name) == (
        Level.SENIOR, Availability.AWAY, True, 15, "Carl",
    )  # fmt: skip
    assert visitor("carl").path == "/app/desk"
    seen.get("/app/agents/new").send("/app/agents/new", **NEW)
    assert "Username is taken already" in seen.text


def test_a_profile_is_changed_in_what_was_changed(
    visitor: Visit, root: int, hand: list[int], ann: int, container: Any
) -> None:
    edit = f"/app/agents/{ann}/edit"
    seen = visitor("root").get(edit)
    container.agents.update(ann, AgentChanges(level=Level.JUNIOR), actor_id=None)
    seen.send(edit, capacity="2")
    assert seen.status == 400
    assert "cannot be less than the 3 in hand" in seen.text
    seen.send(edit, capacity="3", auto_assign="yes", email="ann@example.com")
    assert "ann is changed." in seen.text
    now = container.agents.get(ann)
    assert (now.capacity, now.auto_assign, now.email, now.level) == (3, True, "ann@example.com", Level.JUNIOR)
    seen.get(edit).send(edit, auto_assign=(), email="")
    now = container.agents.get(ann)
    assert (now.auto_assign, now.email) == (False, None)


def test_an_agents_page_shows_hand_and_history(visitor: Visit, root: int, hand: list[int], ann: int) -> None:
    seen = visitor("root").get(f"/app/agents/{ann}")
    for words in ("3 of 15 in hand", "Printer 1 is on fire", "In progress", "Fetched, into the hand", "Return all…"):
        assert words in seen.text


def test_an_agent_is_set_away_and_back(visitor: Visit, root: int, ann: int, container: Any) -> None:
    act = f"/app/agents/{ann}/availability"
    seen = visitor("root").get(f"/app/agents/{ann}").send(act, ("availability", "away"))
    assert "ann is away now." in seen.text
    assert container.agents.get(ann).availability is Availability.AWAY
    assert "ann is available now." in seen.send(act, ("availability", "available")).text


def test_all_is_returned_after_a_preview(visitor: Visit, root: int, hand: list[int], ann: int, container: Any) -> None:
    path = f"/app/agents/{ann}/return"
    seen = visitor("root").get(path)
    assert "3 tickets go back to their places in the queue; 1 of them is in progress." in seen.text
    assert container.assignments.held(ann).held == 3
    seen.send(path, reason="y" * 1001)
    assert (seen.status, "y" * 1001 in seen.text) == (400, True)
    assert "3 tickets went back to the queue." in seen.send(path, reason="On leave").text
    assert container.assignments.held(ann).held == 0
    assert "On leave" in seen.get(f"/app/tickets/{hand[0]}").text
    assert "ann holds nothing." in seen.get(path).text


def test_all_is_reassigned_as_far_as_it_fits_after_a_preview(
    visitor: Visit, root: int, hand: list[int], ann: int, person: Any, container: Any
) -> None:
    bob = person("bob", capacity=2)
    path = f"/app/agents/{ann}/reassign"
    seen = visitor("root").get(path)
    assert "3 tickets are in hand." in seen.text
    seen.get(f"{path}?agent=ann")
    assert (seen.status, "must be another agent" in seen.text) == (400, True)
    assert "nobody is called" in seen.get(f"{path}?agent=zed").text
    seen.get(f"{path}?agent=bob")
    for words in ("2 tickets go to bob, who has 0 of 2 in hand.", "1 of them is in progress",
                  "1 ticket stays with ann: there is no room for more"):  # fmt: skip
        assert words in seen.text
    assert container.assignments.held(bob).held == 0
    seen.send(path)
    assert "2 tickets are given to bob." in seen.text
    assert [ticket.id for ticket in container.assignments.held(bob).tickets] == hand[:2]
    assert container.explanations.explain(hand[0]).ticket.status is TicketStatus.ASSIGNED


def test_nobody_by_that_id_is_said_so(visitor: Visit, root: int) -> None:
    seen = visitor("root")
    for path in ("", "/edit", "/return", "/reassign"):
        assert seen.get(f"/app/agents/{root}{path}").status == 404
