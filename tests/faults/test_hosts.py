"""Every process on a host of its own, in network namespaces: each link between two of them is cut in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.hosts import Hosts
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean, refused
from tests.faults.verdict import judge

OpenStand = Callable[..., Stand]

LINKS = (
    ("web", "redis"),
    ("web", "postgres"),
    ("web-2", "redis"),
    ("web-2", "postgres"),
    ("worker", "redis"),
    ("worker", "postgres"),
    ("clock", "redis"),
    ("clock", "postgres"),
)

pytestmark = pytest.mark.faults


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if not Hosts.can_be_made():
        pytest.skip("network namespaces cannot be made here: that takes root, ip and setpriv")
    with Hosts() as made:
        yield made


@pytest.mark.timeout(400)
def test_each_link_between_two_hosts_may_be_cut(open_stand: OpenStand, hosts: Hosts) -> None:
    stand = open_stand(hosts=hosts, web_hosts=("web", "web-2"))
    stand.make_tickets(150)
    with Load(stand, agents=8, creators=2, admins=1, seed=54, seconds=300, timeout_s=20) as load:
        load.acknowledge(40)
        for one, other in LINKS:
            with load.fault():
                hosts.cut(one, other)
                load.pass_by(60, within_s=8)
                hosts.mend()
                load.acknowledge(30)
    verdict = judge(stand, load, "links-cut", what="five hosts, each link between two of them cut in turn")
    check_clean(stand, load)
    assert refused(load) > 0, "requests met a PostgreSQL that could not be reached"
    ways = {op.served_by for op in load.history.ended() if op.kind == "fetch" and op.outcome == "ok"}
    assert ways >= {"queue", "database"}, "fetches met a Redis that could not be reached"
    assert verdict.holds, verdict.problems
