"""Admins and all tickets that a list finds: told in numbers, confirmed, done part by part, and safe to repeat."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from service.domain.errors import StoreUnavailable
from service.domain.model import Principal, Priority, Role, TicketStatus
from service.usecases import sweep
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketChanges, TicketFilter
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]
ALL = "/app/tickets/act-all"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PART", 4)


def asked(seen: Visitor, act: str, query: str = "", back: str = "/app/tickets?sort=id") -> Visitor:
    return seen.get(f"{ALL}?act={act}&list={quote(query)}&back={quote(back)}")


def go_on(seen: Visitor) -> int:
    """Send part after part, as the script does, and count them."""
    parts = 0
    while "/act-all/progress" in seen.path:
        seen.send(ALL)
        parts += 1
    return parts


def count(container: Any, root: int, **wanted: Any) -> int:
    viewer = Principal(user_id=root, username="root", role=Role.ADMIN, session_id=root)  # type: ignore[arg-type]
    return int(container.tickets.page(TicketFilter(**wanted), PageRequest(limit=1), viewer=viewer).total)


def test_a_list_of_several_pages_offers_all_that_match(visitor: Visit, root: int, tickets: Any) -> None:
    tickets(50)
    seen = visitor("root")
    assert "that match" not in seen.text
    tickets(1)
    seen.get("/app/tickets?q=printer")
    assert "All 51 tickets that match" in seen.text
    seen.get(f"/app/tickets/act?act=delete&all=yes&list={quote('q=printer')}&back=/app/tickets")
    assert "Delete all 51 tickets that match" in seen.text


def test_it_says_in_numbers_what_it_will_do_and_does_it_part_by_part(
    visitor: Visit, root: int, tickets: Any, container: Any
) -> None:
    tickets(11)
    others = tickets(2, subject="Other {n}")
    seen = asked(visitor("root"), "delete", "q=printer")
    for words in ("Delete all 11 tickets that match", "11 tickets leave the queue.", "<dd>printer</dd>"):
        assert words in seen.text
    assert count(container, root) == 13  # asking changes nothing
    seen.send(ALL)
    assert "4 of 11 tickets done" in seen.text
    assert count(container, root) == 9
    assert go_on(seen) == 2
    assert (seen.path, "11 tickets are deleted." in seen.text) == ("/app/tickets?sort=id", True)
    assert count(container, root) == len(others)


def test_without_a_filter_it_warns_that_these_are_all(visitor: Visit, root: int, tickets: Any) -> None:
    tickets(3)
    assert "these are all tickets there are" in asked(visitor("root"), "delete").text


def test_priorities_are_changed_once_one_is_chosen(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    tickets(6)
    seen = asked(visitor("root"), "priority")
    seen.send(ALL)
    assert (seen.status, "must be one of" in seen.text) == (400, True)
    seen.send(ALL, priority="high")
    go_on(seen)
    assert "6 tickets are of high priority now." in seen.text
    assert count(container, root, priorities=(Priority.HIGH,)) == 6


def test_only_those_in_a_state_for_it_are_concerned(
    visitor: Visit, root: int, ann: int, tickets: Any, container: Any
) -> None:
    held, resolved, _ = tickets(3)
    for ticket in (held, resolved):
        container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    container.lifecycle.resolve(ann, resolved.id)
    seen = asked(visitor("root"), "return")
    assert "1 ticket goes from the hands of 1 agent back to its place in the queue" in seen.text
    seen.send(ALL, reason="Clearing up")
    assert "1 ticket is back in the queue." in seen.text
    asked(seen, "reopen").send(ALL)
    assert "1 ticket is open again." in seen.text
    assert "None of the tickets that match can be back in the queue" in asked(seen, "return", "status=open").text
    assert count(container, root, statuses=(TicketStatus.OPEN,)) == 3
    explained = container.explanations.explain(held.id)
    assert explained.ticket.epoch == 2


def test_what_changes_after_the_question_is_left_alone(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    first, *_, last = tickets(6)
    seen = asked(visitor("root"), "delete")
    tickets(1, subject="New")
    container.tickets.update(first.id, TicketChanges(subject="Reworded"), actor_id=root)
    seen.send(ALL)
    container.tickets.update(last.id, TicketChanges(subject="Reworded too"), actor_id=root)
    go_on(seen)
    assert "4 tickets are deleted." in seen.text
    assert "2 tickets were changed by somebody meanwhile" in seen.text
    assert count(container, root) == 3


def test_a_part_sent_twice_is_done_once(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    tickets(6)
    seen = asked(visitor("root"), "delete")
    body = seen.filled(ALL, None, {})
    first = seen.post(ALL, body).path
    assert (seen.post(ALL, body).path, count(container, root)) == (first, 2)
    seen.get(asked(seen, "delete").path)  # and begun again, it finds the rest
    assert "Delete all 2 tickets" in seen.text


def test_a_part_that_postgresql_left_alone_can_be_sent_again(
    visitor: Visit, root: int, tickets: Any, container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets(3)
    seen = asked(visitor("root"), "delete")
    body = seen.filled(ALL, None, {})
    delete = container.tickets.delete

    def fail(ticket_id: int, **values: Any) -> None:
        if ticket_id == 3:
            raise StoreUnavailable("PostgreSQL does not answer")
        delete(ticket_id, **values)

    with monkeypatch.context() as patched:
        patched.setattr(container.tickets, "delete", fail)
        assert seen.post(ALL, body).status == 503
    assert count(container, root) == 1
    assert "1 ticket is deleted." in seen.post(ALL, body).text
    assert count(container, root) == 0


def test_assigning_is_for_those_ticked(visitor: Visit, root: int, tickets: Any) -> None:
    tickets(1)
    assert "tick the tickets to be assigned" in asked(visitor("root"), "assign").text


def test_where_it_has_come_to_is_nobody_elses_and_cannot_be_made_up(
    visitor: Visit, root: int, person: Callable[..., int], tickets: Any, container: Any
) -> None:
    person("eve", Role.ADMIN)
    tickets(6)
    state = dict(asked(visitor("root"), "delete").form(ALL).fields)["state"]
    other = asked(visitor("eve"), "delete")
    for forged in (state, "forged", ""):
        assert other.send(ALL, state=forged).status == 400
        asked(other, "delete")
    assert other.get(f"{ALL}/progress?state={state}").status == 400
    assert count(container, root) == 6


def test_a_long_reason_is_refused_beside_its_field(
    visitor: Visit, root: int, ann: int, tickets: Any, container: Any
) -> None:
    (ticket,) = tickets(1)
    container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    seen = asked(visitor("root"), "return").send(ALL, reason="x" * 301)
    assert (seen.status, "may have 300 characters" in seen.text) == (400, True)
    assert re.search(r"<textarea[^>]*>x{301}<", seen.text)
