"""The balancer of docs/ops, the real HAProxy, before web servers that are restarted, and one killed, under load."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.ports import free_port
from tests import haproxy
from tests.faults.clients import Client, Operation
from tests.faults.load import Agent, Creator, Load
from tests.faults.stand import Stand
from tests.faults.verdict import judge

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(420),
    pytest.mark.skipif(haproxy.BINARY is None, reason="no HAProxy is installed"),
]

AGENTS, CREATORS = 6, 2
BETWEEN = 60


def _load(stand: Stand, port: int) -> Load:
    load = Load(stand, agents=0, creators=0, seed=63, seconds=300, operations=100_000)
    for person in stand.people.agents[:AGENTS]:
        load.add(Agent(Client(port, person, load.history, timeout_s=40)))
    for number in range(CREATORS):
        load.add(Creator(Client(port, stand.people.admin, load.history, timeout_s=40), number))
    return load


def _refused(load: Load) -> Counter[tuple[int | None, str | None]]:
    """Count what came to nothing, or to who knows what, by status and code."""

    def came_to_nothing(operation: Operation) -> bool:
        return operation.outcome == "unknown" or not operation.status or operation.status >= 500

    return Counter((each.status, each.code) for each in load.history.ended() if came_to_nothing(each))


def test_web_servers_come_and_go_behind_the_balancer(open_stand: Callable[..., Stand], tmp_path: Path) -> None:
    stand = open_stand(TRUSTED_PROXIES="1")
    stand.make_tickets(200)
    other = stand.describe_web("web-2", free_port(avoid=frozenset({stand.web_port})))
    other.start()
    with haproxy.HaProxy(tmp_path, [stand.web_port, other.port]) as balancer, _load(stand, balancer.port) as load:
        load.acknowledge(BETWEEN)
        assert all(int(balancer.figure(server, "stot")) > 0 for server in ("web1", "web2"))
        for server, web in (("web1", stand.web), ("web2", other)):
            balancer.take_out(server)
            assert web.stop(signal.SIGTERM) == 0
            load.acknowledge(BETWEEN)
            web.start()
            balancer.put_in(server)
            load.acknowledge(BETWEEN)
        assert _refused(load) == Counter()

        with load.fault():
            other.kill()
            load.acknowledge(BETWEEN)
        # Who was just being served there cannot know what became of it; nobody else notices.
        assert _refused(load).total() <= AGENTS + CREATORS, _refused(load)
        other.start()
        balancer.await_well("web2")
        load.acknowledge(BETWEEN)
    verdict = judge(
        stand, load, "web-servers-behind-haproxy",
        what="two web servers behind HAProxy restarted in turn, then one killed (-9)",
    )  # fmt: skip
    assert verdict.holds, verdict.problems
