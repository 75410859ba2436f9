"""Every process on a host of its own, in network namespaces: each link between two of them is cut in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from scripts.waiting import wait_until
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

WEBS = ("web", "web-2")
UNFELT_S = 5.0
"""How long a link is cut at least: longer than a claim's lease here, or what a worker waits for."""

pytestmark = pytest.mark.faults


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if not Hosts.can_be_made():
        pytest.skip("network namespaces cannot be made here: that takes root, ip and setpriv")
    with Hosts() as made:
        yield made


def _felt(load: Load, host: str, other: str) -> int:
    """Count what a web server without PostgreSQL refused, or without Redis dealt from PostgreSQL."""
    if host in WEBS and other == "postgres":
        return refused(load)
    return sum(op.served_by == "database" for op in load.history.ended())


def _has_been_felt(load: Load, host: str, other: str, before: int) -> bool:
    return _felt(load, host, other) > before


@pytest.mark.timeout(400)
def test_each_link_between_two_hosts_may_be_cut(open_stand: OpenStand, hosts: Hosts) -> None:
    stand = open_stand(hosts=hosts, web_hosts=("web", "web-2"))
    stand.make_tickets(150)
    with Load(stand, agents=8, creators=2, admins=1, seed=54, seconds=300, timeout_s=20) as load:
        load.acknowledge(40)
        for one, other in LINKS:
            before = _felt(load, one, other)
            with load.fault():
                hosts.cut(one, other)
                load.go_on(UNFELT_S)
                if one in WEBS:
                    assert wait_until(partial(_has_been_felt, load, one, other, before), 30), f"{one}-{other}"
                hosts.mend()
                load.acknowledge(30)
    verdict = judge(stand, load, "links-cut", what="five hosts, each link between two of them cut in turn")
    check_clean(stand, load)
    assert verdict.holds, verdict.problems
