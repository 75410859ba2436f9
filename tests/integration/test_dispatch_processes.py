"""Dispatch by the real worker and clock: woken by changes, and by the clock where whoever changed something died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.model import Availability, Priority
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.tickets import TicketDraft
from tests.integration.test_workers_processes import PREFIX, Stage, _eventually, stage

__all__ = ["stage"]

pytestmark = pytest.mark.slow

HELD = text(
    "SELECT agent_id, count(*) AS n FROM tickets WHERE status = 'assigned' AND deleted_at IS NULL GROUP BY agent_id"
)


@pytest.fixture
def web(stage: Stage, settings: Settings) -> Iterator[Container]:
    """The use cases as the web process has them, on the stage's Redis."""
    changed = {"redis_url": stage.redis_url, "queue_prefix": PREFIX}
    container = build_container(settings.model_copy(update=changed))
    stage.client.set(stage.keys.generation, "1")
    yield container
    container.close()


def held(stage: Stage) -> dict[int, int]:
    with stage.engine.connect() as connection:
        return {row.agent_id: row.n for row in connection.execute(HELD)}


def draft(subject: str = "Printer on fire") -> TicketDraft:
    return TicketDraft(subject=subject)


def test_whatever_makes_work_or_room_wakes_dispatch(
    stage: Stage, web: Container, make_agent: Callable[..., int]
) -> None:
    """There is no clock here: each step is seen because it woke the worker."""
    stage.spawn("worker")
    ann = make_agent("ann", auto_assign=True, capacity=2, availability="away")
    first = put(stage, 2)
    web.agents.set_availability(ann, Availability.AVAILABLE)
    _eventually(lambda: held(stage) == {ann: 2}, stage)
    web.tickets.create_many([draft(), draft(), draft()], actor_id=None)
    web.lifecycle.sell(ann, first[0], None)
    _eventually(lambda: len(_of(stage, "dispatch")) == 3, stage)
    web.lifecycle.resolve(ann, first[1])
    _eventually(lambda: len(_of(stage, "dispatch")) == 4, stage)
    web.agents.update(ann, AgentChanges(capacity=3), actor_id=None)
    _eventually(lambda: held(stage) == {ann: 3}, stage)

    ben = make_agent("ben")
    put(stage, 1)
    web.agents.update(ben, AgentChanges(auto_assign=True), actor_id=None)
    _eventually(lambda: held(stage) == {ann: 3, ben: 1}, stage)
    web.lifecycle.return_one(_of(stage, "dispatch")[-1], actor_id=None)
    _eventually(lambda: held(stage) == {ann: 3, ben: 1} and len(_of(stage, "dispatch")) == 7, stage)
    web.agents.update(ann, AgentChanges(is_active=False), actor_id=None)
    _eventually(lambda: held(stage) == {ben: 4}, stage)


def test_creating_a_ticket_that_nobody_can_be_given_is_no_error(
    stage: Stage, web: Container, make_agent: Callable[..., int]
) -> None:
    stage.spawn("worker")
    make_agent("ann", auto_assign=True, availability="away")
    ids = [web.tickets.create(draft(), actor_id=None).id for _ in range(2)]
    assert held(stage) == {}
    assert stage.queued() == ids


def put(stage: Stage, count: int) -> list[int]:
    """Queue new tickets without ringing for them."""
    query = text("INSERT INTO tickets (subject) SELECT 'x' FROM generate_series(1, :count) RETURNING id")
    with stage.engine.begin() as connection:
        ids = sorted(connection.execute(query, {"count": count}).scalars())
    stage.client.rpush(stage.keys.queue(Priority.MEDIUM), *ids)
    return ids


def _of(stage: Stage, cause: str) -> list[int]:
    query = text("SELECT ticket_id FROM ticket_events WHERE cause = :cause ORDER BY id")
    with stage.engine.connect() as connection:
        return list(connection.execute(query, {"cause": cause}).scalars())


def test_the_clock_finds_what_nobody_rang_for(stage: Stage, make_agent: Callable[..., int]) -> None:
    stage.client.set(stage.keys.generation, "1")
    ann = make_agent("ann", auto_assign=True)
    put(stage, 3)
    stage.spawn("worker")
    stage.spawn("clock", DISPATCH_EVERY_S="1")
    _eventually(lambda: held(stage) == {ann: 3}, stage)


def test_a_clock_with_nobody_to_dispatch_to_calls_no_job(stage: Stage, make_agent: Callable[..., int]) -> None:
    stage.client.set(stage.keys.generation, "1")
    make_agent("ann")
    put(stage, 3)
    stage.spawn("worker")
    stage.spawn("clock", DISPATCH_EVERY_S="1")
    _eventually(lambda: stage.runs(tier="fast", status="done") >= 1, stage)
    assert stage.client.get(f"{{{PREFIX}}}:turn:workers.jobs.dispatch") is None
    assert held(stage) == {}


def test_tickets_are_created_while_redis_is_away_and_dispatched_when_it_is_back(
    stage: Stage, web: Container, make_agent: Callable[..., int]
) -> None:
    ann = make_agent("ann", auto_assign=True)
    stage.kill_redis()
    web.tickets.create(draft(), actor_id=None)
    stage.start_redis()
    stage.spawn("worker")
    stage.spawn("clock", DISPATCH_EVERY_S="1")
    _eventually(lambda: held(stage) == {ann: 1}, stage)


def test_a_worker_killed_between_pop_and_commit_costs_no_ticket(
    stage: Stage, web: Container, make_agent: Callable[..., int]
) -> None:
    """The arbiter waits for the agent's row, which the test has locked; there the worker is killed."""
    ann = make_agent("ann", auto_assign=True, level="senior")
    worker = stage.spawn("worker")
    with stage.engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM agents WHERE id = :id FOR UPDATE"), {"id": ann})
        ids = [ticket.id for ticket in web.tickets.create_many([draft() for _ in range(4)], actor_id=None)]
        _eventually(lambda: stage.client.zcard(stage.keys.claims) == 1, stage)
        assert stage.queued() == [] or held(stage) == {}
        worker.kill()
        worker.wait()
        _end_statements(connection)
    assert held(stage) == {}
    stage.spawn("worker")
    stage.spawn("clock", DISPATCH_EVERY_S="1", CLAIM_LEASE_S="10")
    _eventually(lambda: held(stage) == {ann: 4}, stage)
    _eventually(lambda: stage.client.zcard(stage.keys.claims) == 0, stage)
    assert sorted(_of(stage, "dispatch") + _of(stage, "fetch")) == ids, "each once"
    assert {int(n) for n in stage.client.smembers(stage.keys.held(ann))} == set(ids)


def _end_statements(connection: Any) -> None:
    """End what the killed worker's session waits for: the server notices a lost client only when it answers."""
    connection.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )
