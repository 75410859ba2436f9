"""What others changed since the agent looked is told until it is read; what the agent did is no news."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from service.domain.model import Priority, TicketStatus
from service.store.hold_limit import PostgresHoldLimit
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.tickets import TicketChanges
from tests.integration.dashboard.visitor import Visitor
from tests.integration.waiting import LIMIT, let_pass, lose_untouched

Visit = Callable[..., Visitor]
CHANGED = "Changed since you looked"


def desk_of_three(visitor: Visit, tickets: Any) -> tuple[Visitor, list[int]]:
    """Have the agent fetch three tickets and look at them."""
    made = tickets(3)
    seen = visitor("ann").send("/app/desk/fetch")
    assert CHANGED not in seen.get("/app/desk").text
    return seen, [ticket.id for ticket in made]


def test_a_ticket_taken_back_is_told_with_who_and_why_until_it_is_read(
    visitor: Visit, ann: int, root: int, tickets: Any, container: Any
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    container.lifecycle.return_one(ids[1], actor_id=root, reason="VIP, I take it")
    for _ in range(2):
        text = seen.get("/app/desk").text
        assert CHANGED in text
        assert f"<strong>{ids[1]}</strong> Printer 2 is on fire was taken back to the queue by root" in text
        assert "VIP, I take it" in text
    seen.send("/app/desk/seen")
    assert CHANGED not in seen.text
    assert CHANGED not in seen.get("/app/desk").text


def test_a_raised_priority_is_told(visitor: Visit, ann: int, root: int, tickets: Any, container: Any) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    container.lifecycle.start(ann, ids[0])
    container.tickets.update(ids[0], TicketChanges(priority=Priority.HIGH), actor_id=root)
    container.lifecycle.resolve(ann, ids[0])
    container.lifecycle.start(ann, ids[0])
    text = seen.get("/app/desk").text
    assert "priority changed from medium to <strong>high</strong> by root" in text
    assert 'class="changed"' in text


def test_a_ticket_given_and_one_reassigned_are_told(
    visitor: Visit, ann: int, root: int, person: Any, tickets: Any, container: Any
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    (new,) = tickets(1, subject="Brought by hand")
    container.lifecycle.assign(new.id, agent_id=ann, actor_id=root)
    container.lifecycle.assign(ids[2], agent_id=person("bob"), actor_id=root)
    container.tickets.delete(ids[0], actor_id=root)
    text = seen.get("/app/desk").text
    assert "Brought by hand was given to you by root" in text
    assert "Printer 3 is on fire was given to somebody else by root" in text
    assert "Printer 1 is on fire was deleted by root" in text


def test_what_changed_between_the_look_and_the_answer_is_told_next(
    visitor: Visit, ann: int, root: int, tickets: Any, container: Any
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    container.lifecycle.return_one(ids[0], actor_id=root)
    body = seen.get("/app/desk").filled("/app/desk/seen", None, {})
    container.lifecycle.return_one(ids[1], actor_id=root)
    text = seen.post("/app/desk/seen", body).text
    assert "Printer 1 is on fire" not in text
    assert "Printer 2 is on fire was taken back" in text


def test_what_the_agent_did_elsewhere_is_no_news(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    container.lifecycle.start(ann, ids[0])
    container.lifecycle.release(ann, ids[1], reason="not mine")
    tickets(2)
    container.assignments.fetch(ann)
    assert CHANGED not in seen.get("/app/desk").text


def test_a_first_look_is_no_news_and_neither_is_one_after_somebody_else(
    visitor: Visit, ann: int, person: Any, tickets: Any
) -> None:
    seen, _ = desk_of_three(visitor, tickets)
    person("bob")
    assert CHANGED not in seen.send("/app/sign-out").sign_in("bob").text


def test_the_longest_look_fits_in_a_cookie(visitor: Visit, ann: int, root: int, tickets: Any, container: Any) -> None:
    seeded = random.Random(1)
    made = [
        tickets(1, subject="".join(chr(seeded.randint(0x20000, 0x2A6DF)) for _ in range(200)))[0] for _ in range(15)
    ]
    seen = visitor("ann").send("/app/desk/fetch").get("/app/desk")
    assert len(seen.client.get_cookie("fairdeal_look", path="/app").value) < 4_000  # browsers drop what is over 4,096
    container.lifecycle.return_one(made[7].id, actor_id=root)
    assert made[7].subject[:39] in seen.get("/app/desk").text


def test_a_look_that_was_tampered_with_counts_for_nothing(visitor: Visit, ann: int, tickets: Any) -> None:
    seen, _ = desk_of_three(visitor, tickets)
    seen.client.set_cookie("fairdeal_look", "WzEsW11d.forged", path="/app")
    assert CHANGED not in seen.get("/app/desk").text
    token = dict(seen.form("/app/desk/fetch").fields)["csrf"]
    assert seen.post("/app/desk/seen", f"csrf={token}&shown=forged").status == 200


def test_nothing_new_is_answered_by_304_and_anything_new_is_not(
    visitor: Visit, ann: int, root: int, tickets: Any, container: Any
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    etag = seen.get("/app/desk").answer.headers["ETag"]
    same = seen.client.get("/app/desk", headers={"If-None-Match": etag})
    assert (same.status_code, same.data) == (304, b"")
    changes = (
        lambda: container.lifecycle.start(ann, ids[0]),
        lambda: container.tickets.update(ids[0], TicketChanges(priority=Priority.HIGH), actor_id=root),
        lambda: container.lifecycle.resolve(ann, ids[0]),
        lambda: container.lifecycle.close(ann, ids[0]),
        lambda: container.lifecycle.return_one(ids[1], actor_id=root),
        lambda: container.tickets.update(ids[2], TicketChanges(subject="Reworded"), actor_id=root),
        lambda: container.agents.set_availability(ann, "away"),
    )
    for change in changes:
        change()
        fresh = seen.client.get("/app/desk", headers={"If-None-Match": etag})
        assert fresh.status_code == 200
        etag = fresh.headers["ETag"]
        assert f'data-etag="{etag[1:-1]}"' in fresh.get_data(as_text=True)
        assert seen.client.get("/app/desk", headers={"If-None-Match": etag}).status_code == 304


def test_htmx_gets_the_main_part_alone(visitor: Visit, ann: int) -> None:
    part = visitor("ann").client.get("/app/desk", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "<main id=" in part
    assert "<html" not in part
    assert "<title>" in part


def test_a_ticket_that_goes_back_soon_says_so(
    visitor: Visit, ann: int, tickets: Any, container: Any, engine: Engine
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    etag = seen.get("/app/desk").answer.headers["ETag"]
    container.lifecycle.start(ann, ids[0])
    let_pass(engine, LIMIT.limit_s - LIMIT.warning_s + 1)
    PostgresHoldLimit(engine).apply(LIMIT, agent_id=ann)
    fresh = seen.client.get("/app/desk", headers={"If-None-Match": etag})
    assert fresh.get_data(as_text=True).count("Goes back soon") == 2
    assert CHANGED not in fresh.get_data(as_text=True)
    seen.get("/app/desk").press(f"start:{ids[1]}")
    assert seen.text.count("Goes back soon") == 1


def test_what_was_finished_too_late_may_still_be_told(
    visitor: Visit, ann: int, tickets: Any, container: Any, engine: Engine, queue: RedisTicketQueue
) -> None:
    seen, ids = desk_of_three(visitor, tickets)
    assert lose_untouched(engine, queue) == 3
    text = seen.get("/app/desk").text
    assert text.count("you had not begun it in time") == 3
    assert f"Ticket {ids[0]} is resolved." in seen.press(f"resolve:{ids[0]}").text
    seen.press(f"sell:{ids[1]}")
    assert "Printer 2 is on fire" in seen.text
    assert f"Ticket {ids[1]} is sold to Kim." in seen.send("/app/desk/sell", name="Kim", email="kim@example.com").text
    assert container.explanations.explain(ids[1]).ticket.status is TicketStatus.SOLD
