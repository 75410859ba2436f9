"""The whole queue in a real Redis Cluster of three nodes, of which one has the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.invariants import all_hold
from service.usecases.ports.queue import Popped
from service.usecases.ports.reconcile import Tier
from tests.fakes.clock import FakeClock
from tests.integration.reconciling import World
from tests.integration.working_day import checker, work_for_a_day
from tests.redis_nodes import Cluster, cluster

KEYS = Keys("in-cluster")
TICKETS = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in range(1, 11)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), KEYS.generation) as running:
        yield running


@pytest.fixture
def client(nodes: Cluster) -> Iterator[Redis]:
    """A client on an emptied Cluster with a trusted queue."""
    nodes.owner.client.flushall()
    made = make_client(nodes.url, timeout_ms=5_000, keys=KEYS)
    made.set(KEYS.generation, "1")
    yield made
    made.close()


@pytest.fixture
def in_cluster(client: Redis, nodes: Cluster, settings: Settings, engine: Engine) -> Iterator[Container]:
    """Everything wired, the queue in the Cluster and the jobs on the one server."""
    changes = {"redis_url": nodes.url, "jobs_redis_url": settings.redis_url, "queue_prefix": KEYS.prefix}
    built = build_container(settings.model_copy(update=changes))
    yield built
    built.close()


def pop(queue: RedisTicketQueue) -> Popped:
    return queue.claim(claim_id=uuid4(), agent_id=1, wanted=3, capacity=15, priorities=(Priority.MEDIUM,))


def test_a_whole_day_keeps_all_invariants(
    in_cluster: Container, make_agent: Callable[..., int], engine: Engine, client: Redis
) -> None:
    work_for_a_day(in_cluster, make_agent)
    results = checker(engine, client, KEYS, FakeClock()).check(at_rest=True)
    assert all_hold(results), results


def test_what_was_lost_is_found_again(in_cluster: Container, engine: Engine, client: Redis) -> None:
    world = World(engine, client, KEYS)
    world.sql(
        "INSERT INTO tickets (subject, created_at, updated_at)"
        " SELECT 'old', now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, 50)"
    )
    client.rpush(KEYS.queue(Priority.MEDIUM), "poison")
    run = world.reconciler().run(tier=Tier.FULL, trigger="test")
    world.check_in_line()
    assert sum(run.repaired.values()) >= 50


def test_the_keys_are_where_any_node_says_they_are(nodes: Cluster, client: Redis) -> None:
    account, _, hosts = nodes.url.partition("@")
    for host in hosts.split(","):
        by_this = make_client(f"{account}@127.0.0.1:1,{host}", timeout_ms=5_000, keys=KEYS)
        assert by_this.get(KEYS.generation) == "1"
        by_this.close()


def test_the_client_goes_after_keys_that_move(nodes: Cluster, client: Redis) -> None:
    queue = RedisTicketQueue(client, KEYS)
    queue.enqueue(TICKETS)
    target = nodes.move_slot()
    with pytest.raises(QueueUnavailable):
        pop(queue)
    assert [ticket.id for ticket in pop(queue).tickets] == [1, 2, 3], "the node that was asked first has done nothing"
    assert nodes.owner is target


def test_a_cluster_needs_the_name_of_its_keys(nodes: Cluster) -> None:
    with pytest.raises(ValueError, match="hash tag"):
        make_client(nodes.url, timeout_ms=100)
