"""The web process dies, is restarted, or is beset: nothing acknowledged is lost, nothing is dealt twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from scripts.ports import free_port
from scripts.waiting import wait_until
from tests.faults.clients import Client
from tests.faults.load import Actor, Agent, Creator, Load, Pause
from tests.faults.stand import CRASHING_APP, Stand
from tests.faults.verdict import judge

POP_TO_CONFIRM = (
    "before queue.claim",
    "after queue.claim",
    "before store.claim",
    "after store.claim",
    "before queue.settle",
    "after queue.settle",
    "before queue.confirm",
    "after queue.confirm",
)
COMMIT_TO_HINT = (
    "after store.create",
    "after queue.enqueue",
    "after store.sell",
    "after queue.unhold",
    "after store.move",
    "before queue.enqueue",
    "after store.delete",
    "before queue.remove",
    "before queue.hold",
    "after store.return_all",
)
QUICK = ("after queue.claim", "after store.claim", "after store.create")


def _kill_at(stand: Stand, step: str) -> None:
    """Let web die at a step under traffic, and judge it."""
    with Load(stand, agents=6, creators=2, admins=1, seed=11) as load:
        load.acknowledge(30)
        with load.fault():
            stand.arm(step, nth=3)
            stand.await_fired()
            load.acknowledge(60)
    name = "web-killed-" + step.replace(" ", "-").replace(".", "-")
    verdict = judge(stand, load, name, what=f"kill -9 of a web process `{step}`")
    assert verdict.unknown > 0, "nobody was being served by the process that died"
    assert verdict.holds, verdict.problems


@pytest.mark.parametrize("step", QUICK)
def test_a_web_process_may_die_where_it_hurts_most(open_stand: Callable[..., Stand], step: str) -> None:
    stand = open_stand(app=CRASHING_APP)
    stand.make_tickets(60)
    _kill_at(stand, step)


@pytest.mark.faults
@pytest.mark.parametrize("step", [*POP_TO_CONFIRM, *COMMIT_TO_HINT])
def test_a_web_process_may_die_at_any_step(open_stand: Callable[..., Stand], step: str, reconciling: bool) -> None:
    if reconciling and step in QUICK:
        pytest.skip("is among the quick tests")
    stand = open_stand(app=CRASHING_APP, reconciling=reconciling)
    stand.make_tickets(60)
    _kill_at(stand, step)


@pytest.mark.faults
def test_what_a_dying_process_did_not_queue_is_queued_within_seconds(open_stand: Callable[..., Stand]) -> None:
    """With the settings of production: a real death, and then commits that nobody queued, now and then."""
    stand = open_stand(
        app=CRASHING_APP, STATEMENT_TIMEOUT_MS=5000, CLAIM_LEASE_S=12, RECONCILE_FAST_S=2, RECONCILE_FULL_S=60
    )
    with Load(stand, agents=0, creators=1, seed=5) as load:
        load.acknowledge(20)
        with load.fault():
            stand.arm("after store.create")
            stand.await_fired()
    took_s = [_seconds_until_queued(stand)]
    for n in range(8):
        stand.make_tickets(1, enqueue=False)
        took_s.append(_seconds_until_queued(stand))
        time.sleep(n * 0.3)  # so that the next one comes at another moment of the fast tier's turn
    verdict = judge(
        stand, load, "web-killed-between-commit-and-enqueue", measured_s=max(took_s),
        what="kill -9 of web between commit and enqueue, and 8 more unqueued commits: the slowest; production settings",
    )  # fmt: skip
    assert verdict.holds, verdict.problems


def _seconds_until_queued(stand: Stand) -> float:
    began_s = time.monotonic()
    assert wait_until(lambda: all(not _missing(stand, p) for p in ("high", "medium", "low")), 30, pause_s=0.05)
    return time.monotonic() - began_s


def _missing(stand: Stand, priority: str) -> set[str]:
    return {str(ticket_id) for ticket_id in stand.open_ids(priority)} - set(stand.queue_ids(priority))


@pytest.mark.faults
def test_the_whole_web_server_may_be_killed(open_stand: Callable[..., Stand], reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling, web_workers=2)
    stand.make_tickets(60)
    with Load(stand, agents=6, creators=2, admins=1, seed=12) as load:
        load.acknowledge(30)
        with load.fault():
            for _ in range(3):
                stand.web.kill()
                stand.web.start()
                load.acknowledge(50)
    verdict = judge(
        stand, load, "web-server-killed", what="kill -9 of gunicorn and its workers three times, and started again"
    )  # fmt: skip
    assert verdict.holds, verdict.problems


class Caller(Actor):
    """Somebody who asks one thing over and over on one connection."""

    def act(self, dice: random.Random, pause: Pause) -> None:
        self.client.do("held", "GET", "/api/tickets/held")
        pause(dice)


def _reload(stand: Stand) -> None:
    """Let gunicorn replace all workers at once; connections wait until the new ones have started."""
    old = stand.web.children()
    stand.web.send(signal.SIGHUP)
    _await_successors(stand, old)


def _replace_one_by_one(stand: Stand) -> None:
    """End each worker by SIGTERM when the one before has its successor; the others serve meanwhile."""
    for pid in stand.web.children():
        os.kill(pid, signal.SIGTERM)
        _await_successors(stand, [pid])


@pytest.mark.faults
@pytest.mark.parametrize("restart", [_reload, _replace_one_by_one], ids=["reloaded", "one-by-one"])
def test_no_request_fails_in_a_rolling_restart(
    open_stand: Callable[..., Stand], restart: Callable[[Stand], None], reconciling: bool
) -> None:
    """At the most an idle connection is closed just as it is used again, which a client cannot mistake."""
    stand = open_stand(web_workers=2, reconciling=reconciling)
    stand.make_tickets(60)
    load = Load(stand, agents=6, creators=2, seed=3, timeout_s=40)
    for person in stand.people.agents[6:10]:
        load.add(Caller(Client(stand.web_port, person, load.history, timeout_s=40)))
    with load:
        load.acknowledge(30)
        with load.fault():
            restart(stand)
        load.acknowledge(60)
    how = "by SIGHUP, all at once" if restart is _reload else "by SIGTERM, one by one"
    name = "workers-reloaded" if restart is _reload else "workers-replaced-one-by-one"
    verdict = judge(stand, load, name, what=f"web workers replaced {how}, under clients that keep their connections")
    assert verdict.holds, verdict.problems
    noticed = {(op.status, op.code) for op in load.history.ended() if op.outcome == "unknown" or op.status is None}
    assert noticed <= {(None, "RemoteDisconnected"), (None, "ConnectionResetError"), (None, "BrokenPipeError")}, noticed


def _await_successors(stand: Stand, old: list[int]) -> None:
    """Wait until these workers have gone and as many as there should be are there."""

    def replaced() -> bool:
        now = stand.web.children()
        return not set(now) & set(old) and len(now) >= stand.options.web_workers

    assert wait_until(replaced, 60), f"{old} -> {stand.web.children()}"


def test_one_agent_asking_from_fifty_threads_gets_one_hand(open_stand: Callable[..., Stand]) -> None:
    _ask_from_fifty_threads(open_stand(web_threads=50))


@pytest.mark.faults
def test_one_agent_asking_from_fifty_threads_needs_no_repair(open_stand: Callable[..., Stand]) -> None:
    _ask_from_fifty_threads(open_stand(web_threads=50, reconciling=False))


def _ask_from_fifty_threads(stand: Stand) -> None:
    stand.make_tickets(150)
    load = Load(stand, agents=0, creators=1, seed=4)
    for _ in range(50):
        load.add(Agent(Client(stand.web_port, stand.people.agents[0], load.history)))
    with load, load.fault():
        load.acknowledge(400)
    verdict = judge(stand, load, "one-agent-fifty-threads", what="one agent fetches and sells from 50 threads at once")
    assert verdict.holds, verdict.problems
    assert verdict.largest_hand == 15


@pytest.mark.faults
def test_admins_may_meddle_while_agents_fetch(open_stand: Callable[..., Stand], reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=8, creators=2, admins=3, seed=6) as load, load.fault():
        load.acknowledge(900, within_s=80)
    kinds = {op.kind for op in load.history.ended() if op.outcome == "ok"}
    assert {"assign", "return", "delete", "edit", "return-all", "away", "deactivate"} <= kinds
    verdict = judge(
        stand, load, "admins-meddle",
        what="three admins delete, reassign, return and reprioritise tickets, deactivate agents and send them away",
    )  # fmt: skip
    assert verdict.holds, verdict.problems


@pytest.mark.faults
def test_no_clock_but_the_servers_matters(open_stand: Callable[..., Stand], reconciling: bool) -> None:
    """Web processes an hour fast and an hour slow side by side, and a worker and a clock two hours apart."""
    fast, slow = {"CLOCK_SHIFT_S": "3600"}, {"CLOCK_SHIFT_S": "-3600"}
    stand = open_stand(
        app=CRASHING_APP, reconciling=reconciling,
        part_environ={"web": fast, "slow": slow, "worker": slow, "clock": fast},
    )  # fmt: skip
    stand.make_tickets(60)
    other = stand.describe_web("slow", free_port())
    other.start()
    load = Load(stand, agents=4, creators=1, admins=0, seed=8)
    for person in stand.people.agents[4:8]:
        load.add(Agent(Client(other.port, person, load.history)))
    load.add(Creator(Client(other.port, stand.people.admin, load.history), 1))
    with load, load.fault():
        load.acknowledge(100)
        stand.arm("after queue.claim")  # what its claim popped is given back by the lease, whoever's clock says what
        stand.await_fired()
        load.acknowledge(200)
    assert {op.code for op in load.history.ended() if op.status == 401} == set()
    verdict = judge(
        stand, load, "clocks-an-hour-off",
        what="web processes an hour fast and an hour slow, worker and clock two hours apart, one web process killed",
    )  # fmt: skip
    assert verdict.holds, verdict.problems
