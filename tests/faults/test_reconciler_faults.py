"""The reconciler and its clock are killed, frozen and doubled, and Redis is poisoned: repairs never do harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scripts.waiting import wait_until
from service.ticket_queue.scripts import script
from service.usecases.ports.reconcile import RunStatus, Tier
from tests.faults.fault import Fault, Kind
from tests.faults.load import Load
from tests.faults.misfortunes import LateHints, Poisoner, plant_dead_claim, plant_missing, plant_phantoms, queue_late
from tests.faults.parts import Part
from tests.faults.proxy import Proxy
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean
from tests.faults.verdict import judge

OpenStand = Callable[..., Stand]

TAKE_OVER_S = 60.0
"""A lease of 15 s, the silence of 15 s after which a job counts as dead, a full run, and a busy machine."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(seed=41) as running:
        yield running


def _verdict(stand: Stand, load: Load, scenario: str, what: str, *, ordered: bool = True) -> None:
    verdict = judge(stand, load, scenario, what=what, converge_within_s=2 * TAKE_OVER_S, ordered=ordered)
    check_clean(stand, load)
    assert verdict.holds, verdict.problems


@pytest.mark.faults
def test_hints_may_come_twice_and_late(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(120)
    load = Load(stand, agents=6, creators=2, admins=1, seed=42)
    load.add(LateHints(stand))
    with load, load.fault():
        load.acknowledge(400)
    _verdict(stand, load, "hints-late-and-doubled", "hints repeated, out of date, and for tickets long sold or deleted")


@pytest.mark.faults
def test_every_key_may_be_poisoned(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(120)
    poisoner = Poisoner(stand, times=120)
    load = Load(stand, agents=6, creators=2, admins=1, seed=43)
    load.add(poisoner)
    with load, load.fault():
        assert wait_until(lambda: poisoner.left == 0, 60)
        load.acknowledge(60)
    what = "text, floats, negatives, huge numbers and wrong types, in every key"
    _verdict(stand, load, "poison-in-every-key", what, ordered=False)  # poison has no order to speak of


IDLE = 999
"""An agent that there is not: nobody else touches its held set."""

PLANTS: dict[str, Callable[[Stand, list[int]], object]] = {
    "remove": lambda stand, _ids: plant_phantoms(stand, 60),
    "enqueue": lambda stand, ids: plant_missing(stand, ids),
    "end_claim": lambda stand, ids: plant_dead_claim(stand, ids),
    "publish": lambda stand, _ids: stand.redis_call("DEL", stand.keys.generation),
    "evict_held_poison": lambda stand, _ids: stand.redis_call("SADD", stand.keys.held(IDLE), "poison"),
    "set_aside": lambda stand, _ids: stand.redis_call("HSET", stand.keys.quarantine, "poison", 1),
    "snapshot": lambda _stand, _ids: None,
}
"""The scripts of a repair, and the drift that calls for each."""


@pytest.mark.faults
@pytest.mark.parametrize("kind", [Kind.HOLD, Kind.DROP_REPLY], ids=["before", "after"])
@pytest.mark.parametrize("name", PLANTS)
def test_a_worker_may_be_killed_in_the_middle_of_a_repair(
    open_stand: OpenStand, proxy: Proxy, name: str, kind: Kind
) -> None:
    """Before a script has run, which it then does for nobody, long after; or after it, before the worker knows."""
    stand = open_stand(reconciling=False)
    _teach_scripts(stand)
    ids = stand.make_tickets(500)[350:410]
    worker = _by_way_of(proxy, stand, "worker-by-proxy", stand.worker.command)
    with Load(stand, agents=4, creators=2, seed=44, think_s=0.1, seconds=180) as load:
        load.acknowledge(20)
        with load.fault():
            PLANTS[name](stand, ids)
            caught = proxy.inject(Fault(kind=kind, matching=_sha(name)))
            worker.start()
            stand.clock.start()
            caught.await_hits(timeout_s=TAKE_OVER_S)
            worker.kill()
            load.pass_by(20)
            proxy.heal()
            worker.start()
            load.acknowledge(20)
        load.acknowledge(20)
    stand.reconciling = True
    when = "before" if kind is Kind.HOLD else "after"
    _verdict(
        stand, load, f"worker-killed-{when}-{name.replace('_', '-')}", f"kill -9 of the worker {when} {name}.lua ran"
    )


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_reconciler_may_wake_up_after_another_has_taken_over(
    open_stand: OpenStand, proxy: Proxy, moment: str
) -> None:
    """It froze while it took out phantoms, which have been given back since, and so are none any more.

    Its removal comes before the other reconciler's run, or after it: then only the next run can mend that.
    """
    stand = open_stand(reconciling=False)
    _teach_scripts(stand)
    stand.make_tickets(500)
    frozen = _by_way_of(proxy, stand, "frozen", ["service", "reconcile", "--json"])
    with Load(stand, agents=4, creators=2, seed=45, think_s=0.1, seconds=180) as load:
        load.acknowledge(20)
        with load.fault():
            hands = _phantoms_in_hands(stand)
            caught = proxy.inject(Fault(kind=Kind.HOLD, matching=_sha("remove")))
            frozen.begin()
            caught.await_hits(timeout_s=TAKE_OVER_S)
            frozen.pause()
            for ticket_id, agent_id in hands.items():
                stand.container.lifecycle.release(agent_id, ticket_id, reason="given back meanwhile")
            if moment == "before":
                proxy.lift(caught)
            assert wait_until(lambda: _full_run(stand) is RunStatus.DONE, TAKE_OVER_S), "the lease was never free"
            proxy.heal()
            frozen.resume()
            assert wait_until(lambda: not frozen.is_running, TAKE_OVER_S)
        stand.worker.start()
        stand.clock.start()
        load.acknowledge(20)
    assert [run.status for run in stand.sql("SELECT status FROM reconciliations WHERE trigger = 'cli'")] == ["failed"]
    stand.reconciling = True
    what = f"SIGSTOP of a reconciler in the middle of a removal, which runs {moment} another one has taken over"
    _verdict(stand, load, f"reconciler-frozen-removal-{moment}-takeover", what)


def _phantoms_in_hands(stand: Stand) -> dict[int, int]:
    """Queue tickets that agents outside of the traffic hold, at the far end of the queue; say who has which."""
    ids, idle = stand.make_tickets(40), [person.id for person in stand.people.agents[20:24]]
    hands = {ticket_id: idle[number % len(idle)] for number, ticket_id in enumerate(ids)}
    for ticket_id, agent_id in hands.items():
        stand.container.lifecycle.assign(ticket_id, agent_id=agent_id, actor_id=stand.people.admin.id)
    queue_late(stand, ids)
    return hands


def _full_run(stand: Stand) -> RunStatus:
    return stand.container.reconciler.run(tier=Tier.FULL, trigger="second").status


@pytest.mark.faults
def test_there_may_be_two_workers_and_two_clocks(open_stand: OpenStand) -> None:
    stand = open_stand()
    for name in ("worker", "clock"):
        stand._describe(f"{name}-2", ["workers", name]).start()
    ids = stand.make_tickets(400)
    with Load(stand, agents=4, creators=2, admins=1, seed=46, think_s=0.05) as load:
        load.acknowledge(20)
        with load.fault():
            plant_missing(stand, ids[300:340])
            plant_phantoms(stand, 40)
            for _ in range(3):
                stand.redis_call("DEL", stand.keys.generation)
                _full_run(stand)
                load.acknowledge(40)
        load.acknowledge(20)
    failed = stand.sql("SELECT error FROM reconciliations WHERE status NOT IN ('done', 'skipped', 'running', 'queued')")
    # A run that finds the queue lost under its hands says so and leaves it to the next.
    assert not [row.error for row in failed if "flushed during the run" not in row.error]
    what = "two workers, two clocks and a third reconciler by hand, with drift of several kinds and a lost queue"
    _verdict(stand, load, "reconcilers-doubled", what)


@pytest.mark.faults
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_the_clock_may_fail_while_another_waits_in_reserve(open_stand: OpenStand, how: str) -> None:
    stand = open_stand()
    ids = stand.make_tickets(400)
    stand._describe("clock-2", ["workers", "clock"]).start()
    with Load(stand, agents=4, creators=2, seed=47, think_s=0.05) as load:
        load.acknowledge(20)
        with load.fault():
            if how == "killed":
                stand.clock.kill()
            else:
                stand.clock.pause()
            plant_missing(stand, ids[300:340])
            assert wait_until(lambda: _are_queued(stand, ids[330:340]), TAKE_OVER_S), "nobody kept the clock"
            if how == "frozen":
                stand.clock.resume()
            load.acknowledge(20)
        load.acknowledge(20)
    _verdict(stand, load, f"clock-{how}", f"the clock {how} while another waits in reserve, and drift planted then")


def _are_queued(stand: Stand, ids: list[int]) -> bool:
    """Say whether tickets that were missing are queued again; those that somebody has taken were so too."""
    opened = {str(ticket_id) for ticket_id in stand.open_ids("medium")} & {str(ticket_id) for ticket_id in ids}
    return opened <= set(stand.queue_ids("medium"))


def _sha(name: str) -> bytes:
    return script(name).sha.encode()


def _teach_scripts(stand: Stand) -> None:
    """Make the scripts known: a call that is answered NOSCRIPT has done nothing."""
    for name in PLANTS:
        stand.redis_call("SCRIPT", "LOAD", script(name).source)


def _by_way_of(proxy: Proxy, stand: Stand, name: str, command: list[str]) -> Part:
    """Describe a process that alone reaches Redis through the proxy."""
    port = proxy.listen(stand.redis.port)
    url = stand.worker.environ["REDIS_URL"].replace(f":{stand.redis.port}/", f":{port}/")
    return stand._describe(name, command, REDIS_URL=url)
