"""Where tickets are, as whoever has just hinted reads it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, text

from service.domain.model import InHand, InQueue, Priority
from service.store.places import PostgresPlaces

CHANGE = text("UPDATE tickets SET status = :status, agent_id = :agent, epoch = epoch + 1 WHERE id = :id")
DELETE = text("UPDATE tickets SET deleted_at = now() WHERE id = ANY (:ids)")


def test_an_open_ticket_is_in_its_queue_a_held_one_in_its_hand_and_any_other_nowhere(
    engine: Engine, make_agent: Callable[..., int], make_tickets: Callable[..., list[int]]
) -> None:
    ann = make_agent()
    assigned, started, resolved, closed, deleted_in_hand = make_tickets(5)
    high, deleted = make_tickets(2, "high")
    with engine.begin() as connection:
        for ticket_id, states in {
            assigned: ["assigned"],
            started: ["assigned", "in_progress"],
            resolved: ["assigned", "resolved"],
            closed: ["assigned", "resolved", "closed"],
            deleted_in_hand: ["assigned"],
        }.items():
            for status in states:
                connection.execute(CHANGE, {"id": ticket_id, "status": status, "agent": ann})
        connection.execute(DELETE, {"ids": [deleted, deleted_in_hand]})
    asked = [assigned, started, resolved, closed, deleted_in_hand, high, deleted, 10**9]
    assert PostgresPlaces(engine).places(asked) == {
        assigned: InHand(ann),
        started: InHand(ann),
        high: InQueue(Priority.HIGH),
    }


def test_tickets_are_all_open_while_none_has_left_its_queue(
    engine: Engine, make_agent: Callable[..., int], make_tickets: Callable[..., list[int]]
) -> None:
    places, ann = PostgresPlaces(engine), make_agent()
    ids = make_tickets(4)
    assert places.all_open(ids, Priority.MEDIUM)
    assert not places.all_open(ids, Priority.HIGH)
    assert not places.all_open([*ids, *make_tickets(1, "high")], Priority.MEDIUM)
    assert not places.all_open([*ids, 10**9], Priority.MEDIUM)
    with engine.begin() as connection:
        connection.execute(CHANGE, {"id": ids[0], "status": "assigned", "agent": ann})
        connection.execute(DELETE, {"ids": ids[1:2]})
    assert not places.all_open(ids[:1], Priority.MEDIUM)
    assert not places.all_open(ids[1:2], Priority.MEDIUM)
    assert places.all_open(ids[2:], Priority.MEDIUM)
