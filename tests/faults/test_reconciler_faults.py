"""The reconciler and its clock are killed, frozen and doubled, and Redis is poisoned: repairs never do harm."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest

from scripts.waiting import wait_until
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.queue import RedisTicketQueue
from service.ticket_queue.scripts import script
from service.usecases.ports.reconcile import RunStatus, Tier
from tests.faults.fault import Fault, Injected, Kind
from tests.faults.load import Load
from tests.faults.misfortunes import LateHints, Poisoner, plant_dead_claim, plant_missing, plant_phantoms
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


def _verdict(stand: Stand, load: Load, scenario: str, what: str) -> None:
    verdict = judge(stand, load, scenario, what=what, converge_within_s=2 * TAKE_OVER_S)
    check_clean(stand, load)
    assert verdict.holds, verdict.problems


def _sha(name: str) -> bytes:
    return script(name).sha.encode()


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
    load.sampler.out_of_order.clear()  # a queue with poison in it has no order to speak of
    _verdict(stand, load, "poison-in-every-key", "text, floats, negatives, huge numbers and wrong types, in every key")


PLANTS: dict[str, Callable[[Stand, list[int]], object]] = {
    "evict": lambda stand, _ids: plant_phantoms(stand, 60),
    "enqueue": lambda stand, ids: plant_missing(stand, ids),
    "end_claim": lambda stand, ids: plant_dead_claim(stand, ids),
    "publish": lambda stand, _ids: stand.redis_call("DEL", stand.keys.generation),
    "evict_poison": lambda stand, _ids: stand.redis_call("RPUSH", stand.keys.queue(Priority.MEDIUM), "poison"),
    "set_aside": lambda stand, _ids: stand.redis_call("HSET", stand.keys.quarantine, "poison", 1),
    "snapshot": lambda _stand, _ids: None,
}
"""The scripts of a repair, and the drift that calls for each."""


def _caught_at(proxy: Proxy, name: str, kind: Kind) -> Injected:
    return proxy.inject(Fault(kind=kind, matching=_sha(name)))


@pytest.mark.faults
@pytest.mark.parametrize("kind", [Kind.HOLD, Kind.DROP_REPLY], ids=["before", "after"])
@pytest.mark.parametrize("name", PLANTS)
def test_a_worker_may_be_killed_in_the_middle_of_a_repair(
    open_stand: OpenStand, proxy: Proxy, name: str, kind: Kind
) -> None:
    """Before a script has run, which it then does for nobody, long after; or after it, before the worker knows."""
    stand = open_stand(reconciling=False)
    ids = stand.make_tickets(300)[150:210]
    worker = _through(proxy, stand, stand.worker)
    with contextlib.closing(_Stopped(worker)), Load(stand, agents=4, creators=2, seed=44, seconds=180) as load:
        load.acknowledge(20)
        with load.fault():
            PLANTS[name](stand, ids)
            caught = _caught_at(proxy, name, kind)
            worker.start()
            stand.clock.start()
            caught.await_hits(timeout_s=TAKE_OVER_S)
            worker.kill()
            load.pass_by(20)
            proxy.heal()
        worker.start()
        load.acknowledge(60)
        stand.reconciling = True
        when = "before" if kind is Kind.HOLD else "after"
        load.acknowledge(20)
    # The worker is needed until the queue has come right: hence a verdict while it runs.
    worker.start() if not worker.is_running else None
    _verdict(stand, load, f"worker-killed-{when}-{name.replace('_', '-')}", f"kill -9 of the worker {when} {name}.lua")


class _Stopped:
    """Ends a process that the stand does not know of."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def close(self) -> None:
        self._part.kill()


def _through(proxy: Proxy, stand: Stand, part: Part, command: list[str] | None = None) -> Part:
    """Describe the same process once more, with a way to Redis of its own, through the proxy."""
    port = proxy.listen(stand.redis.port)
    url = part.environ["REDIS_URL"].replace(f":{stand.redis.port}/", f":{port}/")
    log = part.log.with_name(f"other-{part.name}.log")
    return Part(f"other {part.name}", command or part.command, {**part.environ, "REDIS_URL": url}, log=log)
