"""What is due when, on a clock of our own."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from service.domain.errors import QueueUnavailable
from service.usecases.ports.reconcile import Lease
from service.usecases.reconciliation.schedule import OnDemand, Schedule
from tests.fakes.clock import FakeClock
from tests.fakes.queue import MemoryTicketQueue


class Jobs:
    """Remember what was enqueued; `busy` ids are waiting or running already."""

    def __init__(self) -> None:
        self.enqueued: list[tuple[object, ...]] = []
        self.busy: set[str] = set()
        self.is_down = False

    def enqueue(self, name: str, *args: str | int | bool | None, unique_id: str | None = None) -> bool:
        if self.is_down:
            raise QueueUnavailable("away")
        assert name == ("workers.jobs.reconcile" if args else "sweep")
        if unique_id in self.busy:
            return False
        self.enqueued.append((*args, unique_id))
        return True

    def drain(self) -> list[tuple[object, ...]]:
        drained, self.enqueued = self.enqueued, []
        return drained


class MemoryLeases:
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.lease: Lease | None = None
        self.until = 0.0

    def acquire(self, name: str, *, holder: str, ttl_s: float) -> Lease | None:
        if self.lease is not None and self._clock() < self.until:
            return None
        token = self.lease.token + 1 if self.lease else 1
        self.lease, self.until = Lease(name=name, holder=holder, token=token), self._clock() + ttl_s
        return self.lease

    def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        if lease != self.lease or self._clock() > self.until:
            return False
        self.until = self._clock() + ttl_s
        return True

    def release(self, lease: Lease) -> None:
        if lease == self.lease:
            self.until = 0.0

    def holder(self, name: str) -> str | None:
        return self.lease.holder if self.lease else None


class Server:
    def __init__(self) -> None:
        self.name = "one"

    def identity(self) -> str:
        return self.name


class Setting:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = MemoryTicketQueue()
        self.server = Server()
        self.jobs = Jobs()
        self.leases = MemoryLeases(self.clock)
        self.resumed: list[float] = []
        self.sampled: list[float] = []
        self.wanted = False
        self.looks: list[float] = []

    def resume_imports(self) -> None:
        self.resumed.append(self.clock())

    def sample(self) -> float:
        self.sampled.append(self.clock())
        return 60.0

    def is_wanted(self) -> bool:
        self.looks.append(self.clock())
        return self.wanted

    def schedule(self, holder: str = "ann", chores: dict[str, float] | None = None) -> Schedule:
        return Schedule(
            queue=self.queue,
            audit=self.server,  # type: ignore[arg-type]
            jobs=self.jobs,
            leases=self.leases,
            fast_s=2,
            full_s=60,
            chores=chores or {},
            holder=holder,
            clock=self.clock,
            resume_imports=self.resume_imports,
            sample=self.sample,
            on_demand=(OnDemand(job="sweep", jobs=self.jobs, is_wanted=self.is_wanted),),
        )


@pytest.fixture
def setting() -> Setting:
    return Setting()


FAST = ("fast", "clock", "reconcile-fast")
FULL = ("full", "clock", "reconcile-full")


def run_for(setting: Setting, schedule: Schedule, seconds: float) -> list[tuple[object, ...]]:
    until = setting.clock() + seconds
    while setting.clock() < until:
        setting.clock.sleep(max(0.01, schedule.tick()))
    return setting.jobs.drain()


def test_both_tiers_run_at_once_and_then_in_their_turn(setting: Setting) -> None:
    schedule = setting.schedule()
    schedule.tick()
    assert setting.jobs.drain() == [FAST, FULL]
    enqueued = run_for(setting, schedule, 120)
    assert enqueued.count(FULL) in {1, 2}
    assert 58 <= enqueued.count(FAST) <= 61


def test_a_tick_never_sleeps_past_what_is_due(setting: Setting) -> None:
    schedule = setting.schedule()
    assert schedule.tick() == 1.0
    setting.clock.sleep(1.7)
    assert schedule.tick() == pytest.approx(0.3)


def test_a_lost_queue_is_rebuilt_at_once_and_ever_less_often(setting: Setting) -> None:
    schedule = setting.schedule()
    schedule.tick()
    setting.jobs.drain()
    setting.queue.trusted = False
    setting.clock.sleep(0.5)
    schedule.tick()
    assert setting.jobs.drain() == [("full", "untrusted", "reconcile-full")]
    urgent = [job for job in run_for(setting, schedule, 60) if job[1] == "untrusted"]
    assert 4 <= len(urgent) <= 6
    setting.queue.trusted = True
    schedule.tick()
    setting.queue.trusted = False
    setting.jobs.drain()
    schedule.tick()
    assert ("full", "untrusted", "reconcile-full") in setting.jobs.drain()


def test_another_server_is_looked_over_at_once(setting: Setting) -> None:
    schedule = setting.schedule()
    schedule.tick()
    setting.jobs.drain()
    setting.server.name = "two"
    schedule.tick()
    schedule.tick()
    assert setting.jobs.drain() == [("full", "failover", "reconcile-full")]


def test_a_failover_during_a_run_is_looked_over_after_it(setting: Setting) -> None:
    schedule = setting.schedule()
    schedule.tick()
    setting.jobs.drain()
    setting.server.name, setting.jobs.busy = "two", {"reconcile-full"}
    schedule.tick()
    schedule.tick()
    assert setting.jobs.drain() == []
    setting.jobs.busy = set()
    schedule.tick()
    schedule.tick()
    assert setting.jobs.drain() == [("full", "failover", "reconcile-full")]


@pytest.mark.parametrize("later", ["two", "one"])  # or back again: what was queued on the other is missing here
def test_a_failover_that_could_not_be_enqueued_is_looked_over_still(setting: Setting, later: str) -> None:
    schedule = setting.schedule()
    schedule.tick()
    setting.jobs.drain()
    setting.server.name, setting.jobs.is_down = "two", True
    with pytest.raises(QueueUnavailable):
        schedule.tick()
    setting.jobs.is_down = False
    setting.server.name = later
    schedule.tick()
    schedule.tick()
    assert setting.jobs.drain() == [("full", "failover", "reconcile-full")]


def test_a_run_under_way_is_enough(setting: Setting) -> None:
    schedule = setting.schedule()
    setting.jobs.busy = {"reconcile-fast", "reconcile-full"}
    assert run_for(setting, schedule, 10) == []


def test_one_of_two_clocks_keeps_time_and_the_other_takes_over(setting: Setting) -> None:
    ann, bob = setting.schedule("ann"), setting.schedule("bob")
    ann.tick()
    setting.jobs.drain()
    assert bob.tick() == 1.0
    assert setting.jobs.drain() == []
    ann.close()
    bob.tick()
    assert setting.jobs.drain() == [FAST, FULL]


def test_a_clock_that_died_is_replaced_when_its_lease_runs_out(setting: Setting) -> None:
    setting.schedule("ann").tick()
    setting.jobs.drain()
    bob = setting.schedule("bob")
    assert run_for(setting, bob, 9) == []
    assert FAST in run_for(setting, bob, 3)


def test_what_could_not_be_enqueued_is_due_still(setting: Setting) -> None:
    schedule = setting.schedule()
    setting.jobs.is_down = True
    with pytest.raises(QueueUnavailable):
        schedule.tick()
    setting.jobs.is_down = False
    schedule.tick()
    assert setting.jobs.drain() == [FAST, FULL]


def test_imports_that_nobody_carries_on_are_looked_for_every_ten_seconds(setting: Setting) -> None:
    run_for(setting, setting.schedule(), 35)
    assert len(setting.resumed) == 4
    assert all(9.9 < after - before < 12 for before, after in itertools.pairwise(setting.resumed))


def test_a_clock_in_reserve_leaves_imports_alone(setting: Setting) -> None:
    setting.schedule("ann").tick()
    setting.resumed.clear()
    setting.schedule("bob").tick()
    assert setting.resumed == []


def test_chores_are_enqueued_at_their_own_pace_and_one_at_a_time(setting: Setting) -> None:
    schedule = setting.schedule(chores={"sweep": 7.0})
    assert run_for(setting, schedule, 6.9).count(("sweep",)) == 1
    assert run_for(setting, schedule, 14).count(("sweep",)) == 2
    setting.jobs.busy.add("sweep")
    assert ("sweep",) not in run_for(setting, schedule, 20)


def test_samples_are_taken_while_redis_is_away(setting: Setting) -> None:
    schedule = setting.schedule()
    setting.jobs.is_down = True
    for _ in range(130):
        with contextlib.suppress(QueueUnavailable):
            schedule.tick()
        setting.clock.sleep(1)
    assert setting.sampled == [1_000.0, 1_060.0, 1_120.0]


def test_what_is_done_on_demand_is_enqueued_only_when_it_is_wanted(setting: Setting) -> None:
    schedule = setting.schedule()
    assert ("sweep",) not in run_for(setting, schedule, 5)
    setting.wanted = True
    assert ("sweep",) in run_for(setting, schedule, 1)
    setting.wanted = False
    assert ("sweep",) not in run_for(setting, schedule, 5)


def test_whether_something_is_wanted_is_asked_once_a_second(setting: Setting) -> None:
    run_for(setting, setting.schedule(chores={"sweep": 0.25}), 20)
    assert 17 <= len(setting.looks) <= 21
    assert all(after - before >= 1.0 for before, after in itertools.pairwise(setting.looks))
