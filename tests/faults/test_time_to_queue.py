"""What a dying process has committed and not queued is queued within seconds, whatever the clock's phase."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable

import pytest

from scripts.waiting import wait_until
from service.domain.model import Priority
from tests.faults.clients import Client
from tests.faults.load import Load
from tests.faults.options import CRASHING_APP, PRODUCTION
from tests.faults.results import record_figures
from tests.faults.stand import Stand
from tests.faults.verdict import judge

KILLS = 6
NEVER_LONGER_S = 20.0
"""Far from the five seconds that are promised, which the figures in `docs/correctness.md` are to be held against: here
another test has the same two cores."""
LOOK_S = 0.02


@pytest.mark.faults
def test_what_a_dying_process_did_not_queue_is_queued_within_seconds(open_stand: Callable[..., Stand]) -> None:
    stand = open_stand(app=CRASHING_APP, **PRODUCTION)
    dice = random.Random(61)
    load = Load(stand, agents=0, creators=0)
    with load, contextlib.closing(Client(stand.web_port, stand.people.admin, load.history)) as client:
        took_s = [_seconds_until_queued(stand, load, client, number, dice) for number in range(KILLS)]
    verdict = judge(
        stand, load, "web-killed-between-commit-and-enqueue", measured_s=max(took_s),
        what=f"kill -9 of web between commit and enqueue, {KILLS} times: the slowest; production settings",
    )  # fmt: skip
    record_figures(
        "kill",
        {
            "killed between commit and enqueue, until queued": ", ".join(f"{each_s:.1f}" for each_s in sorted(took_s))
            + " s"
        },
    )
    assert verdict.holds, verdict.problems
    assert max(took_s) <= NEVER_LONGER_S, [round(each_s, 2) for each_s in took_s]


def _seconds_until_queued(stand: Stand, load: Load, client: Client, number: int, dice: random.Random) -> float:
    """Let web die with a ticket that it has committed, at some moment of the clock's turn."""
    assert wait_until(stand.web.answers, 60), "web has not come back"
    load.go_on(dice.uniform(0, float(PRODUCTION["RECONCILE_FAST_S"])))
    stand.arm("after store.create")
    subject = f"traffic 0/{number}"
    with load.fault():
        operation, _ = client.do("create", "POST", "/api/tickets", {"subject": subject}, about=subject)
        died_s = time.monotonic()
        assert (operation.outcome, stand.has_fired()) == ("unknown", True)
        ticket_id = stand.sql("SELECT id FROM tickets WHERE subject = %(subject)s", subject=subject)[0].id
        with contextlib.closing(stand.redis_client()) as redis:
            queue = stand.keys.queue(Priority.MEDIUM)
            assert wait_until(lambda: redis.lpos(queue, ticket_id) is not None, 30, pause_s=LOOK_S), "never queued"
            took_s = time.monotonic() - died_s
    return took_s
