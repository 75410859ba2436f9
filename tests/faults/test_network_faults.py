"""The way to a store loses, delays, cuts or refuses: no unknown outcome becomes a ticket dealt twice or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from scripts.waiting import wait_until
from service.ticket_queue.scripts import script
from tests.faults.clients import Client, History
from tests.faults.fault import Fault, Kind, Way
from tests.faults.load import Load
from tests.faults.proxy import Proxy
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean, refused
from tests.faults.verdict import broken_promises, differences, judge

OpenStand = Callable[..., Stand]

ARBITER = b"EXECUTE fairdeal_claim"
COMMIT = b"COMMIT\0"
CLAIM, ENQUEUE = (script(name).sha.encode() for name in ("claim", "enqueue"))
CONFIRM = b"ZREM"
HAND = 15

LATE_FOR_REDIS_S, LATE_FOR_POSTGRESQL_S = 0.7, 5.0
"""Beyond the stand's 0.5 s for Redis; beyond the 2 s of its statements and the 2 s of grace."""

FAULT_S = 10.0
"""Longest time to let requests run into a fault: more than twice what one to a silent PostgreSQL takes."""

STRUCK = 8
"""How often a fault must have struck at the least: the circuit breaker keeps messages out of harm's way."""

REDIS = {
    "claim-reply-lost": Fault(kind=Kind.DROP_REPLY, matching=CLAIM, times=8),
    "claim-reply-lost-and-closed": Fault(kind=Kind.DROP_REPLY, matching=CLAIM, times=8, hang=False),
    "claim-request-lost": Fault(kind=Kind.DROP_REQUEST, matching=CLAIM, times=8),
    "enqueue-reply-lost": Fault(kind=Kind.DROP_REPLY, matching=ENQUEUE, times=8),
    "enqueue-request-lost": Fault(kind=Kind.DROP_REQUEST, matching=ENQUEUE, times=8),
    "confirmation-lost": Fault(kind=Kind.DROP_REQUEST, matching=CONFIRM, times=8, hang=False),
    "blackhole": Fault(kind=Kind.BLACKHOLE),
    "late": Fault(kind=Kind.DELAY, way=Way.REPLY, delay_s=LATE_FOR_REDIS_S, jitter_s=0.3),
    "slow": Fault(kind=Kind.DELAY, delay_s=0.02, jitter_s=0.2),
    "reset": Fault(kind=Kind.RESET, times=40),
    "cut": Fault(kind=Kind.CUT, way=Way.REPLY, cut_at=3, times=40),
    "refused": Fault(kind=Kind.REFUSE),
}
POSTGRESQL = {
    "arbiter-reply-lost": Fault(kind=Kind.DROP_REPLY, matching=ARBITER, times=8),
    "arbiter-reply-lost-and-closed": Fault(kind=Kind.DROP_REPLY, matching=ARBITER, times=8, hang=False),
    "arbiter-request-lost": Fault(kind=Kind.DROP_REQUEST, matching=ARBITER, times=8),
    "commit-reply-lost": Fault(kind=Kind.DROP_REPLY, matching=COMMIT, times=8),
    "commit-reply-lost-and-closed": Fault(kind=Kind.DROP_REPLY, matching=COMMIT, times=8, hang=False),
    "commit-request-lost": Fault(kind=Kind.DROP_REQUEST, matching=COMMIT, times=8),
    "blackhole": Fault(kind=Kind.BLACKHOLE),
    "late": Fault(kind=Kind.DELAY, way=Way.REPLY, delay_s=LATE_FOR_POSTGRESQL_S, jitter_s=1.0, times=12),
    "slow": Fault(kind=Kind.DELAY, delay_s=0.02, jitter_s=0.2),
    "reset": Fault(kind=Kind.RESET, times=40),
    "cut": Fault(kind=Kind.CUT, way=Way.REPLY, cut_at=30, times=40),
    "refused": Fault(kind=Kind.REFUSE),
}
MAY_COST_NOTHING = frozenset({"slow", "arbiter-reply-lost", "arbiter-reply-lost-and-closed", "refused"})
"""PostgreSQL's faults after which perhaps no client was refused: known by claim id, or no connection was needed."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(seed=31) as running:
        yield running


def _under(stand: Stand, proxy: Proxy, fault: Fault) -> Load:
    """Drive traffic through a fault and out of it again."""
    stand.make_tickets(100)
    with Load(stand, agents=6, creators=3, seed=32, timeout_s=20) as load:
        load.acknowledge(40)
        with load.fault():
            injected = proxy.inject(fault)
            if fault.kind is Kind.REFUSE:
                proxy.reset_all()
            load.pass_by(80, within_s=FAULT_S)
            if fault.kind is not Kind.REFUSE:
                injected.await_hits(min(fault.times or 1, STRUCK), timeout_s=30)
            proxy.heal()
            load.acknowledge(30)
        load.acknowledge(30)
    return load


def _words(store: str, name: str, fault: Fault) -> str:
    times = "all messages" if fault.times is None else f"{fault.times} messages"
    return f"proxy before {store}: {name.replace('-', ' ')} ({fault.kind.replace('_', ' ')}, {times})"


@pytest.mark.faults
@pytest.mark.parametrize("name", REDIS)
def test_the_way_to_redis_may_break(open_stand: OpenStand, proxy: Proxy, name: str, reconciling: bool) -> None:
    stand = open_stand(redis_via=proxy.listen, reconciling=reconciling)
    load = _under(stand, proxy, REDIS[name])
    verdict = judge(stand, load, f"way-to-redis-{name}", what=_words("Redis", name, REDIS[name]))
    check_clean(stand, load)
    assert refused(load) == 0, "PostgreSQL was there all the time"
    assert verdict.holds, verdict.problems


@pytest.mark.faults
@pytest.mark.parametrize("name", POSTGRESQL)
def test_the_way_to_postgresql_may_break(open_stand: OpenStand, proxy: Proxy, name: str, reconciling: bool) -> None:
    stand = open_stand(database_via=proxy.listen, reconciling=reconciling)
    load = _under(stand, proxy, POSTGRESQL[name])
    what = _words("PostgreSQL", name, POSTGRESQL[name])
    verdict = judge(stand, load, f"way-to-postgresql-{name}", what=what)
    check_clean(stand, load)
    assert refused(load) > 0 or name in MAY_COST_NOTHING
    assert verdict.holds, verdict.problems


@pytest.mark.parametrize("hang", [True, False], ids=["hangs", "closes"])
def test_an_assignment_whose_answer_was_lost_is_found_by_its_claim_id(
    open_stand: OpenStand, proxy: Proxy, hang: bool
) -> None:
    stand = open_stand(database_via=proxy.listen, reconciling=False)
    ids = stand.make_tickets(40)
    with closing(_agent(stand)) as client:
        lost = proxy.inject(Fault(kind=Kind.DROP_REPLY, matching=ARBITER, times=1, hang=hang))
        operation, hand = client.do("fetch", "POST", "/api/tickets/fetch", {})
        assert lost.hits == 1
        assert (operation.status, operation.tickets, hand["assigned_now"]) == (200, tuple(ids[:HAND]), HAND)
        assert [row.n for row in stand.sql("SELECT count(*) AS n FROM claims")] == [1]
        again, _ = client.do("fetch", "POST", "/api/tickets/fetch", {})
        assert again.tickets == operation.tickets
    assert wait_until(lambda: not differences(stand), 10), differences(stand)
    assert list(broken_promises(stand)) == []


@pytest.mark.parametrize("kind", [Kind.DROP_REPLY, Kind.DROP_REQUEST])
def test_a_pop_whose_fate_is_unknown_is_not_tried_again(open_stand: OpenStand, proxy: Proxy, kind: Kind) -> None:
    """PostgreSQL serves instead; what was popped for nobody is in the ledger, and no client saw it."""
    stand = open_stand(redis_via=proxy.listen, reconciling=False)
    ids = stand.make_tickets(40)
    with closing(_agent(stand)) as client:
        client.do("ready", "GET", "/readyz")  # the server knows the script from now on
        lost = proxy.inject(Fault(kind=kind, matching=CLAIM))
        operation, _ = client.do("fetch", "POST", "/api/tickets/fetch", {})
        assert (operation.status, operation.tickets, operation.served_by) == (200, tuple(ids[:HAND]), "database")
        assert lost.hits == 1, "the script was called again"
    left = [str(ticket_id) for ticket_id in ids[HAND:]]
    assert wait_until(lambda: stand.queue_ids("medium") == left, 10)
    assert stand.redis_call("ZCARD", stand.keys.claims) == (1 if kind is Kind.DROP_REPLY else 0)
    assert list(broken_promises(stand)) == []


def _agent(stand: Stand) -> Client:
    return Client(stand.web_port, stand.people.agents[0], History(), timeout_s=30)
