"""Open lists of the admins: what changed is counted, told once, and shown when asked for."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from service.dashboard.news import count
from service.domain.model import Availability
from service.usecases.ports.tickets import TicketChanges
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]


def news(seen: Visitor, *, etag: str | None = None) -> tuple[int, str]:
    """Ask as an open list does; what it says, if it is anything new."""
    found = re.search(r'data-etag="([^"]+)" hx-get="([^"]+)"', seen.text)
    assert found, "no list that asks"
    presented = found[1] if etag is None else etag
    answer = seen.client.get(html.unescape(found[2]), headers={"If-None-Match": f'"{presented}"', "HX-Request": "true"})
    return answer.status_code, " ".join(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)).split())


def test_nothing_changed_costs_no_answer(visitor: Visit, root: int, tickets: Any) -> None:
    tickets(3)
    assert news(visitor("root")) == (304, "")


def test_changes_are_counted_and_the_list_stays_as_it_is(
    visitor: Visit, root: int, tickets: Any, container: Any
) -> None:
    first, second, third, _ = tickets(4)
    seen = visitor("root")
    container.tickets.update(first.id, TicketChanges(subject="Reworded"), actor_id=root)
    container.tickets.delete(second.id, actor_id=root)
    container.tickets.update(third.id, TicketChanges(subject=third.subject), actor_id=root)  # nothing, in truth
    assert news(seen) == (200, "2 tickets changed since you looked. Show")
    assert "Reworded" not in seen.text


def test_new_tickets_are_told_on_a_full_page_and_on_an_empty_one(visitor: Visit, root: int, tickets: Any) -> None:
    seen = visitor("root")
    tickets(1)
    assert news(seen) == (200, "1 ticket changed since you looked. Show")
    tickets(59)
    seen.get("/app/tickets")
    tickets(2)
    assert news(seen)[1] == "2 tickets changed since you looked. Show"


def test_it_is_about_the_page_that_is_shown(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    made = tickets(60)
    seen = visitor("root").get("/app/tickets?q=printer&sort=id")
    following = re.search(r'href="([^"]+)" rel="next"', seen.text)
    assert following
    seen.get(html.unescape(following[1]))
    container.tickets.update(made[0].id, TicketChanges(subject="Printer on the first page"), actor_id=root)
    assert news(seen)[0] == 304
    container.tickets.update(made[-1].id, TicketChanges(subject="Printer on this page"), actor_id=root)
    assert news(seen)[1].startswith("1 ticket changed")


def test_agents_too(visitor: Visit, root: int, ann: int, container: Any) -> None:
    seen = visitor("root").get("/app/agents")
    assert news(seen)[0] == 304
    container.agents.set_availability(ann, Availability.AWAY)
    assert news(seen) == (200, "1 agent changed since you looked. Show")


def test_what_was_told_is_not_told_again(visitor: Visit, root: int, tickets: Any) -> None:
    seen = visitor("root")
    tickets(1)
    told = re.search(r'hx-get="([^"]+)"', seen.text)
    assert told
    answer = seen.client.get(html.unescape(told[1]))
    assert news(seen, etag=answer.headers["ETag"].strip('"'))[0] == 304


@pytest.mark.parametrize("shown", ["", ",", "1", "x.y,z", "1.2.3," * 99])
def test_nonsense_about_what_is_shown_does_no_harm(visitor: Visit, root: int, tickets: Any, shown: str) -> None:
    tickets(1)
    assert visitor("root").get(f"/app/tickets/news?shown={shown}").status == 200


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [({}, {}, 0), ({"1": "a"}, {"1": "b"}, 1), ({"1": "a"}, {"2": "a"}, 1), ({"1": "a"}, {"2": "a", "3": "a"}, 2)],
)
def test_one_that_came_and_pushed_another_off_counts_once(
    before: dict[str, str], now: dict[str, str], changed: int
) -> None:
    assert count(before, now) == changed
