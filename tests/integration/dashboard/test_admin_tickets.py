"""Admins and tickets: the table, one ticket's page, and the forms to write and reword one."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from service.domain.model import Principal, Priority, Role, Ticket
from service.store import paging
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketFilter
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]


def listed(seen: Visitor) -> list[int]:
    """List the tickets of the table in its order."""
    return [int(number) for number in re.findall(r'name="ticket" value="(\d+)"', seen.text)]


def link(seen: Visitor, rel: str) -> str:
    """Find the link to the page beside this one."""
    found = re.search(rf'href="([^"]+)" rel="{rel}"', seen.text)
    assert found, f"no link to the {rel} page"
    return found[1].replace("&amp;", "&")


def everything(container: Any, root: int) -> list[Ticket]:
    """Read all tickets, the oldest first."""
    viewer = Principal(user_id=root, username="root", role=Role.ADMIN, session_id=root)  # type: ignore[arg-type]
    return list(container.tickets.page(TicketFilter(), PageRequest(limit=100), viewer=viewer).items)


def test_an_admin_begins_at_the_tickets_and_sees_the_newest_first(visitor: Visit, root: int, tickets: Any) -> None:
    made = tickets(3)
    seen = visitor("root")
    assert seen.path == "/app/tickets"
    assert listed(seen) == [ticket.id for ticket in reversed(made)]
    assert "3 tickets" in seen.text


def test_no_tickets_at_all_lead_to_the_first(visitor: Visit, root: int) -> None:
    seen = visitor("root")
    assert "There are no tickets yet" in seen.text
    assert "/app/tickets/new" in seen.text


def test_pages_by_keyset_show_every_ticket_once(visitor: Visit, root: int, tickets: Any) -> None:
    made = [ticket.id for ticket in tickets(120)]
    seen, found = visitor("root"), []
    for _ in range(3):
        found += listed(seen)
        following = re.search(r'href="([^"]+)" rel="next"', seen.text)
        if following is None:
            break
        seen.get(following[1].replace("&amp;", "&"))
        assert "First page" in seen.text
    assert found == made[::-1]
    assert "120 tickets, 20 on this page" in seen.text


def test_pages_lead_back_to_the_first(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    made = [ticket.id for ticket in tickets(120)][::-1]
    seen = visitor("root")
    assert ('rel="prev"' in seen.text, "First page" in seen.text) == (False, False)
    seen.get(link(seen, "next"))
    seen.get(link(seen, "next"))
    seen.get(link(seen, "prev"))
    assert listed(seen) == made[50:100]
    seen.get(link(seen, "prev"))
    assert (listed(seen), seen.path) == (made[:50], "/app/tickets")
    assert 'rel="prev"' not in seen.text


def test_a_page_that_nothing_comes_before_any_more_is_the_first(
    visitor: Visit, root: int, tickets: Any, container: Any
) -> None:
    made = [ticket.id for ticket in tickets(60)][::-1]
    seen = visitor("root")
    before = link(seen.get(link(seen, "next")), "prev")
    for ticket_id in made[:50]:
        container.tickets.delete(ticket_id, actor_id=root)
    assert listed(seen.get(before)) == made[50:]


def test_what_is_overdue_says_so_in_its_row(
    visitor: Visit, root: int, ann: int, tickets: Any, container: Any, engine: Any
) -> None:
    late, fresh, sold = tickets(3)
    container.lifecycle.assign(late.id, agent_id=ann, actor_id=root)
    container.lifecycle.assign(sold.id, agent_id=ann, actor_id=root)
    container.lifecycle.sell(ann, sold.id, Buyer(name="Kim", email="kim@example.com"))
    with engine.begin() as connection:
        aged = text("UPDATE tickets SET created_at = now() - interval '50 hours' WHERE id IN (:late, :sold)")
        connection.execute(aged, {"late": late.id, "sold": sold.id})
    rows = visitor("root").text.split("<tr>")[2:]
    told = {int(re.findall(r'value="(\d+)"', row)[0]): re.findall(r"data-due.*?>", row) for row in rows}
    assert (len(told[late.id]), "hidden" in told[late.id][0]) == (1, False)
    assert (len(told[fresh.id]), "hidden" in told[fresh.id][0]) == (1, True)  # shown by a script when the time has come
    assert told[sold.id] == []
    assert re.search(r'class="overdue" data-due="[^"]+" title="[^"]+">Overdue<', visitor("ann").text)


def test_filters_narrow_the_list_and_stay_filled_in(
    visitor: Visit, ann: int, root: int, tickets: Any, container: Any
) -> None:
    low, high, held, other = (
        *tickets(1, subject="Low one", priority=Priority.LOW),
        *tickets(1, subject="High one", priority=Priority.HIGH),
        *tickets(1, subject="Held one"),
        *tickets(1, subject="100% other", description="hidden words"),
    )
    container.lifecycle.assign(held.id, agent_id=ann, actor_id=root)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    seen = visitor("root")
    for query, expected in (
        ("q=one", [held, high, low]),
        ("q=hidden", [other]),
        ("q=100%25", [other]),
        ("status=assigned", [held]),
        ("status=assigned&status=open&priority=high", [high]),
        ("agent=ANN", [held]),
        ("overdue=yes", []),
        ("overdue=no&sort=subject", [other, held, high, low]),
        (f"created_from={today}&created_to={today}&sort=id", [low, high, held, other]),
        ("created_to=2020-01-01", []),
        ("external_id=x", []),
        ("customer_id=1", []),
        ("sort=-subject", [low, high, held, other]),
    ):
        seen.get(f"/app/tickets?{query}")
        assert (query, listed(seen)) == (query, [ticket.id for ticket in expected])
    seen.get('/app/tickets?q="held"&status=assigned')
    assert "&#34;held&#34;" in seen.text
    assert "No ticket is like that" in seen.text
    assert 'value="assigned" checked' in seen.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("agent=nobody-here", "there is no agent called"),
        ("created_from=yesterday", "must be a day such as"),
        ("created_to=9999-12-31", "must be a day such as"),
        ("customer_id=x", "must be a positive whole number"),
        ("q=%00", "must not contain a NUL"),
    ],
)
def test_what_is_wrong_with_a_filter_is_said_beside_it(visitor: Visit, root: int, query: str, said: str) -> None:
    seen = visitor("root").get(f"/app/tickets?{query}")
    assert seen.status == 400
    assert said in seen.text.replace("There", "there")
    assert 'aria-invalid="true"' in seen.text


def test_a_search_among_many_looks_through_a_part_at_a_time(
    visitor: Visit, root: int, tickets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "LOOK", 2)
    [oldest, *_] = tickets(5)
    seen = visitor("root").get(f"/app/tickets?q={quote(oldest.subject)}&sort=-id")
    for _ in range(2):
        assert "No ticket so far" in seen.text
        [further] = re.findall(r'href="([^"]+)" rel="next">Look further', seen.text)
        seen = seen.get(html.unescape(further))
    assert listed(seen) == [oldest.id]
    assert "Look further" not in seen.text


def test_a_cursor_that_is_not_ours_is_refused_with_a_page(visitor: Visit, root: int) -> None:
    seen = visitor("root").get("/app/tickets?cursor=bm90")
    assert seen.status == 400
    assert "Sign out" in seen.text


def test_the_export_holds_what_the_list_shows(visitor: Visit, root: int, tickets: Any) -> None:
    tickets(2, priority=Priority.LOW)
    high = tickets(60, priority=Priority.HIGH)
    seen = visitor("root").get("/app/tickets?priority=high")
    address = re.search(r'href="(/app/tickets/export[^"]+format=csv[^"]*)"', seen.text)
    assert address is not None
    answer = seen.client.get(address[1].replace("&amp;", "&"))
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [int(row["id"]) for row in rows] == [ticket.id for ticket in high]
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = seen.client.get("/app/tickets/export?format=ndjson&priority=low").get_data(as_text=True).splitlines()
    assert len(lines) == 2
    assert seen.get("/app/tickets/export?format=xlsx").status == 400
    assert seen.get("/app/tickets/export?format=csv&agent=nobody-here").status == 400


def test_a_ticket_is_created_and_queues_itself(visitor: Visit, root: int, ann: int, container: Any) -> None:
    seen = visitor("root").get("/app/tickets/new")
    seen.send("/app/tickets/new", subject=" ", description="Kept words", priority="high")
    assert seen.status == 400
    assert "Subject must not be empty." in seen.text
    assert "Kept words" in seen.text
    assert '<option value="high" selected>' in seen.text
    seen.send("/app/tickets/new", subject="Lift stuck")
    assert "it waits in the queue." in seen.text
    (made,) = everything(container, root)
    assert (made.subject, made.description, made.priority) == ("Lift stuck", "Kept words", Priority.HIGH)
    assert made.created_by == root
    assert container.assignments.fetch(ann).assigned_now == 1


def test_no_two_tickets_share_an_external_id(visitor: Visit, root: int, container: Any) -> None:
    for _ in range(2):
        seen = visitor("root").get("/app/tickets/new").send("/app/tickets/new", subject="From SAP", external_id="SAP-1")
    assert seen.status == 400
    assert "External id is taken already" in seen.text
    assert [ticket.external_id for ticket in everything(container, root)] == ["SAP-1"]


def test_a_form_sent_twice_creates_one_ticket(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get("/app/tickets/new")
    body = seen.filled("/app/tickets/new", None, {"subject": "Once"})
    seen.post("/app/tickets/new", body)
    first = seen.path
    assert seen.post("/app/tickets/new", body).path == first
    assert len(everything(container, root)) == 1


def test_editing_changes_what_was_changed_and_leaves_what_others_changed(
    visitor: Visit, root: int, tickets: Any, container: Any
) -> None:
    (ticket,) = tickets(1, description="\nLine one\r\nline two\n", priority=Priority.LOW)
    seen = visitor("root").get(f"/app/tickets/{ticket.id}/edit")
    container.tickets.update(ticket.id, TicketChanges(priority=Priority.HIGH), actor_id=None)
    seen.send(seen.path, subject="New words", description="Line one\r\nline two\r\n")
    assert f"Ticket {ticket.id} is changed." in seen.text
    (now,) = everything(container, root)
    assert (now.subject, now.priority, now.description) == ("New words", Priority.HIGH, "\nLine one\r\nline two\n")
    seen.get(f"/app/tickets/{ticket.id}/edit").send(seen.path)
    assert "Nothing was changed." in seen.text


def test_a_bad_edit_keeps_what_was_typed_and_what_had_been_shown(
    visitor: Visit, root: int, tickets: Any, container: Any
) -> None:
    (ticket,) = tickets(1)
    edit = f"/app/tickets/{ticket.id}/edit"
    seen = visitor("root").get(edit).send(edit, subject="x" * 201, description="Mine")
    assert seen.status == 400
    assert "must be at most 200 characters" in seen.text
    seen.send(edit, subject="Short")
    (now,) = everything(container, root)
    assert (now.subject, now.description) == ("Short", "Mine")


def test_the_ticket_page_tells_all_there_is(visitor: Visit, root: int, ann: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1, subject="S" * 200, description="What happened\nto whom", priority=Priority.HIGH)
    container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    container.lifecycle.release(ann, ticket.id, reason="Not mine")
    container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    container.lifecycle.sell(ann, ticket.id, Buyer(name="Kim", email="kim@example.com"))
    seen = visitor("root").get(f"/app/tickets/{ticket.id}")
    for words in ("What happened\nto whom", "S" * 200, "Given back by ann", "Not mine", "Sold by ann", "Kim</a>",
                  "Assigned by root", "Why it is where it is", "First assignment", "Met", "been sold for"):  # fmt: skip
        assert words in seen.text
    seen.send(f"/app/tickets/{ticket.id}", note=" ")
    assert seen.status == 400
    assert "Add a note must not be empty." in seen.text
    assert "First line\nsecond" in seen.send(f"/app/tickets/{ticket.id}", note="First line\r\nsecond").text


def test_a_long_history_has_pages(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1)
    seen = visitor("root")
    author = Principal(user_id=root, username="root", role=Role.ADMIN, session_id=root)  # type: ignore[arg-type]
    for n in range(105):
        container.history.note(ticket.id, f"note number {n}.", author=author)
    seen.get(f"/app/tickets/{ticket.id}")
    assert "note number 98." in seen.text
    assert "note number 100." not in seen.text
    following = re.search(r'href="([^"]+)" rel="next"', seen.text)
    assert following is not None
    assert "note number 104." in seen.get(following[1]).text


def test_a_ticket_that_is_not_there_is_said_so(visitor: Visit, root: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1)
    container.tickets.delete(ticket.id, actor_id=root)
    seen = visitor("root")
    for path in (f"/app/tickets/{ticket.id}", f"/app/tickets/{ticket.id}/edit", "/app/tickets/999999"):
        assert seen.get(path).status == 404
        assert "There is no ticket" in seen.text
