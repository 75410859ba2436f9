"""Behind PgBouncer in transaction mode: each transaction may be on another connection, and all still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine, make_url, text

from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.errors import StoreUnavailable
from service.store.engine import make_engine, statement, transaction
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.invariants import all_hold
from service.usecases.ports.reconcile import Tier
from service.usecases.ports.tickets import TicketDraft
from tests import pgbouncer
from tests.fakes.clock import FakeClock
from tests.integration.working_day import checker, work_for_a_day

pytestmark = pytest.mark.skipif(pgbouncer.BINARY is None, reason="no PgBouncer is installed")

AGENTS = 12


@pytest.fixture(scope="module")
def pooled_url(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pgbouncer.before(database_url, tmp_path_factory.mktemp("pgbouncer")) as pooler:
        yield make_url(database_url).set(port=pooler.port).render_as_string(hide_password=False)


@pytest.fixture
def pooled(pooled_url: str) -> Iterator[Engine]:
    made = make_engine(
        pooled_url, statement_timeout_ms=500, pool_size=4, application_name="fairdeal-pooled", pooled=True
    )
    yield made
    made.dispose()


@pytest.fixture
def behind(pooled_url: str, settings: Settings, engine: Engine, queue: RedisTicketQueue) -> Iterator[Container]:
    """Everything wired by way of the pooler."""
    built = build_container(settings.model_copy(update={"database_url": pooled_url, "database_pooler": "transaction"}))
    yield built
    built.close()


def test_a_whole_day_keeps_all_invariants(
    behind: Container, make_agent: Callable[..., int], engine: Engine, redis_client: Redis, keys: Keys
) -> None:
    work_for_a_day(behind, make_agent)
    behind.reconciler.run(tier=Tier.FULL, trigger="test")
    results = checker(engine, redis_client, keys, FakeClock()).check(at_rest=True)
    assert all_hold(results), results


def test_more_agents_than_connections_fetch_at_once(behind: Container, make_agent: Callable[..., int]) -> None:
    agents = [make_agent(f"agent-{n}") for n in range(AGENTS)]
    behind.tickets.create_many([TicketDraft(subject=f"{n}") for n in range(AGENTS * 15)], actor_id=None)
    with ThreadPoolExecutor(AGENTS) as pool:
        hands = list(pool.map(lambda agent_id: behind.assignments.fetch(agent_id), agents))
    dealt = [ticket.id for hand in hands for ticket in hand.tickets]
    assert len(dealt) == len(set(dealt)) == AGENTS * 15


def test_fetches_that_begin_at_once_are_each_opened_for_who_asks(
    behind: Container, engine: Engine, make_agent: Callable[..., int]
) -> None:
    session_ids = {make_agent(f"agent-{n}"): uuid4() for n in range(AGENTS)}
    opening = text("INSERT INTO sessions (id, user_id, refresh_jti, expires_at) VALUES (:id, :user, :id, 'infinity')")
    with engine.begin() as connection:
        for agent_id, session_id in session_ids.items():
            connection.execute(opening, {"id": session_id, "user": agent_id})
    with ThreadPoolExecutor(AGENTS) as pool:
        for _ in range(10):
            found = list(pool.map(behind.sessions.principal_and_hand, session_ids.values()))
            assert [principal.user_id for principal, _ in found] == list(session_ids)
            assert [hand.agent.id for _, hand in found if hand is not None] == list(session_ids)


@pytest.mark.parametrize("lend", [statement, transaction])
def test_statements_end_in_time(pooled: Engine, lend: Callable[..., object]) -> None:
    with pytest.raises(StoreUnavailable), lend(pooled) as connection:  # type: ignore[attr-defined]
        connection.execute(text("SELECT pg_sleep(20)"))


@pytest.mark.parametrize("lend", [statement, transaction])
def test_nothing_is_left_on_a_connection_for_the_next_one_who_has_it(
    pooled: Engine, pooled_url: str, lend: Callable[..., object]
) -> None:
    with lend(pooled) as connection:  # type: ignore[attr-defined]
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "500ms"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
    bare = make_engine(
        pooled_url, statement_timeout_ms=500, pool_size=1, application_name="other", watched=False, pooled=True
    )
    for _ in range(2 * pgbouncer.SERVER_CONNECTIONS):
        with statement(bare) as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
    bare.dispose()
