"""The issue's largest numbers: a backlog of a million, a hundredth of it wrong in every way, or gone altogether."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from scripts.waiting import wait_until
from service.usecases.ports.reconcile import Reconciliation, Tier
from tests.faults.clients import Client
from tests.faults.gauge import Gauge
from tests.faults.load import Agent, Creator, Load
from tests.faults.planting import make_backlog, plant
from tests.faults.results import record_figures
from tests.faults.stand import Stand
from tests.faults.verdict import differences, judge

TICKETS = int(os.environ.get("FAULTS_TICKETS", "1000000"))
AGENTS = 16
SOME_S = 10.0
PATIENCE_S = 240.0

REPAIRED = """
SELECT key, sum(CAST(value AS bigint)) AS repaired FROM reconciliations r, jsonb_each_text(r.repaired)
WHERE r.id > %(first)s GROUP BY key
"""

pytestmark = [pytest.mark.faults, pytest.mark.lasts(90), pytest.mark.timeout(400)]


@pytest.fixture
def stand(open_stand: Callable[..., Stand]) -> Stand:
    """A service with a large backlog; full runs come when they are asked for, or needed."""
    stand = open_stand(RECONCILE_FULL_S="3600", web_threads=32)
    make_backlog(stand, TICKETS)
    assert wait_until(lambda: not differences(stand), 60)
    return stand


def _busy(stand: Stand, seed: int) -> Load:
    """Let juniors work as fast as they can, and somebody create tickets."""
    load = Load(stand, agents=0, creators=0, seed=seed, think_s=0.0, seconds=PATIENCE_S, operations=200_000)
    load.add(Creator(Client(stand.web_port, stand.people.admin, load.history), seed))
    for person in [person for person in stand.people.agents if person.level == "junior"][:AGENTS]:
        load.add(Agent(Client(stand.web_port, person, load.history)))
    return load


def _fetches_per_s(load: Load, since_s: float, until_s: float) -> float:
    fetches = [op for op in load.history.ended() if op.kind == "fetch" and op.outcome == "ok"]
    return sum(since_s <= op.ended_s < until_s for op in fetches) / (until_s - since_s)


def _full_run(stand: Stand) -> tuple[Reconciliation, float, float]:
    """Ask for a full run and wait for its end; return it, and when that was."""
    began_s = time.time()
    runs = stand.container.reconciliations
    asked = runs.request(tier=Tier.FULL, requested_by=stand.people.operator.id)
    assert wait_until(lambda: runs.get(asked.id).finished_at is not None, PATIENCE_S)
    return runs.get(asked.id), began_s, time.time()


def test_a_hundredth_of_everything_is_found_and_repaired_while_agents_fetch(stand: Stand) -> None:
    with Gauge(stand) as quiet:
        run, began_s, ended_s = _full_run(stand)
    assert run.found == {}
    quiet_s = ended_s - began_s
    with _busy(stand, seed=61) as load:
        time.sleep(SOME_S)
    before = _fetches_per_s(load, load.ended_s - SOME_S, load.ended_s)
    first = stand.sql("SELECT coalesce(max(id), 0) AS id FROM reconciliations")[0].id
    planted = plant(stand, each=TICKETS // 100, seed=61)
    with Gauge(stand) as gauge, _busy(stand, seed=62) as load, load.fault():
        time.sleep(6)  # what was changed lately is left to whoever changed it
        run, began_s, ended_s = _full_run(stand)
    during = _fetches_per_s(load, began_s, ended_s)
    repaired = {row.key: int(row.repaired) for row in stand.sql(REPAIRED, first=first)}
    for kind in (planted, repaired):  # a ticket moved may look like one doubled, but for that each is told by its kind
        kind["out of order or twice"] = kind.pop("duplicate") + kind.pop("out_of_order")
    record_figures(
        "drift",
        {
            "tickets queued": f"{TICKETS:,}",
            "full run, no drift, no traffic": f"{quiet_s:.1f} s from the request, {quiet.peak_mib:.0f} MiB",
            "slowest Redis command of it": _slowest(quiet),
            "planted": _counts(planted),
            "repaired": _counts(repaired),
            "full run with that drift, under traffic": f"{ended_s - began_s:.1f} s, {gauge.peak_mib:.0f} MiB",
            "fetches/s before, and during": f"{before:.0f}, {during:.0f} ({during / before:.0%})",
        },
    )
    for name, count in planted.items():
        assert repaired.get(name, 0) >= count, (planted, repaired, run)
    assert max(quiet.peak_mib, gauge.peak_mib) < 95, "more than 100 MB"
    verdict = judge(stand, load, "million-drift", what=f"{TICKETS:,} tickets queued, a hundredth wrong in every way")
    assert verdict.holds, verdict.problems


def _slowest(gauge: Gauge) -> str:
    return "none above 0.5 ms" if not gauge.slow else f"{gauge.slow[0][0]:.1f} ms ({gauge.slow[0][1].split()[0]})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in sorted(counts.items()))


DEALT = """
SELECT e.ticket_id FROM ticket_events e JOIN tickets t ON t.id = e.ticket_id
WHERE e.cause = 'fetch' AND t.priority = 'medium' ORDER BY e.at, e.id
"""


def test_agents_are_served_in_order_while_a_lost_queue_is_built_anew(stand: Stand) -> None:
    with _busy(stand, seed=63) as load:
        time.sleep(SOME_S / 2)
        before = _fetches_per_s(load, time.time() - SOME_S / 2, time.time())
        with load.fault():
            flushed_s = time.time()
            stand.redis_call("FLUSHALL")
            assert wait_until(lambda: stand.redis_call("EXISTS", stand.keys.generation) == 1, PATIENCE_S)
            built_s = time.time() - flushed_s
        during = _fetches_per_s(load, flushed_s, flushed_s + built_s)
        time.sleep(SOME_S / 2)
    fetched = sorted(op.ended_s for op in load.history.ended() if op.kind == "fetch" and op.outcome == "ok")
    longest_wait_s = max(later - sooner for sooner, later in pairwise(fetched))
    record_figures(
        "flush",
        {
            "tickets open": f"{TICKETS:,}",
            "queue built anew after FLUSHALL, under traffic": f"{built_s:.1f} s",
            "fetches/s before, and meanwhile": f"{before:.0f}, {during:.0f} ({during / before:.0%})",
            "longest time without a fetch being answered": f"{longest_wait_s:.2f} s",
        },
    )
    newest, dealt = 0, set[int]()
    for row in stand.sql(DEALT):
        newest = max(newest, row.ticket_id)
        dealt.add(row.ticket_id)
        assert newest <= len(dealt) + 15 * AGENTS, "somebody was dealt a ticket long before its turn"
    what = f"FLUSHALL with {TICKETS:,} tickets open"
    verdict = judge(stand, load, "million-flushed", what=what, measured_s=built_s)
    assert verdict.holds, verdict.problems
    assert longest_wait_s < PATIENCE_S / 10
