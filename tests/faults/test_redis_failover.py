"""Redis is several servers, and the one in service goes: the next one goes on, and nothing comes out wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from scripts.waiting import wait_until
from service.ticket_queue.keys import Keys
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.verdict import judge
from tests.redis_nodes import cluster, watched

OpenStand = Callable[..., Stand]

KEY = Keys("fairdeal").generation

in_cluster: Callable[[Path], object] = partial(cluster, key=KEY, replicated=True)


def _through(stand: Stand, trouble: Callable[[], object]) -> Load:
    """Let agents and creators work before, during and after the trouble, until the queue serves again."""
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=51) as load:
        load.acknowledge(40)
        with load.fault():
            trouble()
            after_s = time.time()
            assert wait_until(lambda: _served_by_queue(load, after_s), 60), "the queue did not come back"
        load.acknowledge(60)
    return load


def _served_by_queue(load: Load, after_s: float) -> bool:
    return any(
        op.kind == "fetch" and op.outcome == "ok" and op.served_by == "queue" and op.tickets and op.began_s > after_s
        for op in load.history.ended()
    )


TROUBLES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "sentinel-failover": (watched, "kill_master", "kill -9 of the master; Sentinels promote its replica"),
    "cluster-failover": (
        in_cluster,
        "kill_master",
        "kill -9 of the Cluster's node with the keys; a replica goes on",
    ),
    "cluster-resharded": (in_cluster, "move_slot", "the keys' slot moves to another node of the Cluster"),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", TROUBLES)
def test_redis_may_go_on_elsewhere(open_stand: OpenStand, name: str, reconciling: bool) -> None:
    nodes, trouble, what = TROUBLES[name]
    stand = open_stand(redis_nodes=nodes, reconciling=reconciling)
    load = _through(stand, getattr(stand.nodes, trouble))
    verdict = judge(stand, load, name, what=what)
    assert verdict.holds, verdict.problems
