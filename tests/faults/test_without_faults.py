"""Nothing is broken, and nothing is repaired: the reconciler takes no traffic for drift."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.faults.load import Load
from tests.faults.options import PRODUCTION
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean
from tests.faults.verdict import judge

SECONDS = float(os.environ.get("FAULTS_TRAFFIC_S", "600"))
"""How long the traffic lasts."""

TIMING = {**PRODUCTION, "RECONCILE_FULL_S": "15"}
"""As in production, but for full runs, of which there are four times as many."""

FULL_RUNS = "SELECT count(*) AS n FROM reconciliations WHERE tier = 'full' AND status = 'done'"


@pytest.mark.faults
@pytest.mark.lasts(SECONDS + 30)
@pytest.mark.timeout(SECONDS + 300)
def test_a_day_without_faults(open_stand: Callable[..., Stand]) -> None:
    stand = open_stand(**TIMING)
    stand.make_tickets(100)
    load = Load(stand, agents=8, creators=2, admins=2, seed=51, seconds=SECONDS + 60, operations=10_000_000)
    with load, load.fault():
        load.go_on(SECONDS)
    runs = stand.sql(FULL_RUNS)[0].n
    verdict = judge(
        stand, load, "nothing-broken",
        what=f"nothing for {SECONDS:.0f} s, in which {runs} full runs looked for drift; production settings",
    )  # fmt: skip
    check_clean(stand, load)
    assert verdict.holds, verdict.problems
    assert runs >= SECONDS / 30
    assert (verdict.confirmed, verdict.repaired, verdict.inversions) == ({}, {}, 0), f"of {verdict.found} candidates"
