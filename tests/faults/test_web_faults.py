"""The web process dies, is restarted, or is beset: nothing acknowledged is lost, nothing is dealt twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable

import pytest

from scripts.ports import free_port
from scripts.waiting import wait_until
from tests.faults.clients import Client
from tests.faults.load import Actor, Agent, Creator, Load, Pause
from tests.faults.options import CRASHING_APP
from tests.faults.stand import Stand
from tests.faults.verdict import HANDS, MADE, judge

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
    "after store.move_all",
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
    admins = 3 if step in COMMIT_TO_HINT else 1  # some steps are theirs alone, and seldom
    with Load(stand, agents=6, creators=2, admins=admins, seed=11) as load:
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


def _stop_and_start(stand: Stand) -> None:
    """End gunicorn by SIGTERM, which serves to the end what it has accepted, and start it again."""
    assert stand.web.stop(signal.SIGTERM) == 0
    stand.web.start()


RESTARTS = {
    "reloaded": (_reload, "workers-reloaded", "web workers replaced by SIGHUP, all at once"),
    "one-by-one": (_replace_one_by_one, "workers-replaced-one-by-one", "web workers replaced by SIGTERM, one by one"),
    "stopped": (_stop_and_start, "web-stopped-and-started", "gunicorn stopped by SIGTERM and started again"),
}
HUNG_UP = frozenset({(None, "RemoteDisconnected"), (None, "ConnectionResetError"), (None, "BrokenPipeError")})
NOBODY_THERE = (None, "ConnectionRefusedError")


@pytest.mark.faults
@pytest.mark.parametrize("how", RESTARTS)
def test_no_request_fails_in_a_rolling_restart(open_stand: Callable[..., Stand], how: str, reconciling: bool) -> None:
    """At the most an idle connection is closed just as it is used again, which a client cannot mistake."""
    restart, scenario, words = RESTARTS[how]
    stand = open_stand(web_workers=2, reconciling=reconciling)
    stand.make_tickets(60)
    load = Load(stand, agents=6, creators=4, seed=3, timeout_s=40)
    for person in stand.people.agents[6:10]:
        load.add(Caller(Client(stand.web_port, person, load.history, timeout_s=40)))
    with load:
        load.acknowledge(30)
        with load.fault():
            restart(stand)
        load.acknowledge(60)
    verdict = judge(stand, load, scenario, what=f"{words}, under clients that keep their connections")
    assert verdict.holds, verdict.problems
    noticed = {(op.status, op.code) for op in load.history.ended() if op.outcome == "unknown" or op.status is None}
    assert noticed <= (HUNG_UP | {NOBODY_THERE} if how == "stopped" else HUNG_UP), noticed
    assert not _made_without_an_answer(stand, load), "a request was cut off while it was served"


def _made_without_an_answer(stand: Stand, load: Load) -> set[str]:
    """Name the tickets that were made for clients who were hung up on, and who did not ask again."""
    creates = [op for op in load.history.ended() if op.kind == "create"]
    unanswered = {op.about for op in creates} - {op.about for op in creates if op.outcome == "ok"}
    return unanswered & {row.subject for row in stand.sql(MADE)}


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
    load = Load(stand, agents=8, creators=2, admins=3, seed=6)
    leaving = stand.people.agents[8:10]
    for person in leaving:
        load.add(Agent(Client(stand.web_port, person, load.history)))
    with load, load.fault():
        load.acknowledge(300, within_s=40)
        with contextlib.closing(Client(stand.web_port, stand.people.admin, load.history)) as admin:
            for person in leaving:
                operation, _ = admin.do("delete-agent", "DELETE", f"/api/agents/{person.id}")
                assert operation.outcome == "ok", operation
        load.acknowledge(600, within_s=80)
    signed_in = {op.who_id for op in load.history.ended() if op.kind == "sign-in" and op.outcome == "ok"}
    assert signed_in, "nobody came back who had been deactivated"
    assert not signed_in & {person.id for person in leaving}, "somebody was let in who had been deleted"
    hands = {row.agent_id for row in stand.sql(HANDS)}
    assert not hands & {person.id for person in leaving}, "somebody who has left holds a ticket"
    kinds = {op.kind for op in load.history.ended() if op.outcome == "ok"}
    assert {"assign", "return", "delete", "edit", "return-all", "away", "deactivate"} <= kinds
    verdict = judge(
        stand, load, "admins-meddle",
        what="three admins delete, reassign, return and reprioritise tickets, deactivate, send away and delete agents",
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
