"""Goals are judged by what was measured, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from scripts.benchmark.figures import Round, Row
from scripts.benchmark.goals import Goal, compared, judged
from scripts.benchmark.names import (
    ASSIGNING,
    BASELINE,
    EMPTY,
    FULL,
    HELLO,
    IDLE,
    IMPORT,
    MEMORY,
    NO_DRIFT,
    PAGES,
    PGBENCH,
    RECONCILE,
    SERVICE,
    SWEEP,
    on_backlog,
)


def row(
    scenario: str,
    what: str,
    rate: float,
    connections: int = 32,
    *,
    p99_ms: float = 10.0,
    errors: int = 0,
    extra: Mapping[str, float] | None = None,
) -> Row:
    only = Round(
        seconds=1.0, count=int(rate), p95_ms=p99_ms, p99_ms=p99_ms, errors={"500": errors} if errors else {},
        extra=extra or {},
    )  # fmt: skip
    return Row(scenario=scenario, what=what, unit="requests", connections=connections, rounds=[only])


def reconciled(seconds: float, peak_mib: float, tickets: int = 1_000_000) -> Row:
    only = Round(seconds=seconds, count=tickets, extra={"peak_mib": peak_mib})
    return Row(scenario=RECONCILE, what=NO_DRIFT, unit="tickets", rounds=[only])


def imported(seconds: float, rows: int = 200_000) -> Row:
    only = Round(seconds=seconds, count=rows)
    return Row(scenario=IMPORT, what="fairdeal import", unit="tickets", rounds=[only])


def good() -> dict[str, Row]:
    """Figures that meet every goal, each just so."""
    return {
        "pgbench": row(ASSIGNING, PGBENCH, 1000),
        "few": row(ASSIGNING, SERVICE, 500, p99_ms=128.0),
        "baseline": row(ASSIGNING, BASELINE, 100),
        "many": row(ASSIGNING, SERVICE, 450, 1000, p99_ms=4_400.0),
        "hello": row(IDLE, HELLO, 5000),
        "full": row(IDLE, FULL, 2000),
        "empty": row(IDLE, EMPTY, 2500),
        "small": row(SWEEP, on_backlog(SERVICE, 1_000), 1100, 4),
        "large": row(SWEEP, on_backlog(SERVICE, 1_000_000), 1000, 4),
        "page": row(PAGES, "list", 100, 1, p99_ms=49.9),
        "import": imported(5.0),
        "memory": row(MEMORY, "lists", 0, 0, extra={"bytes_per_ticket": 10.0}),
        "reconcile": reconciled(3.0, 95.0),
    }


def by_what(rows: Mapping[str, Row]) -> dict[str, Goal]:
    return {goal.what: goal for goal in judged(list(rows.values()))}


def test_figures_that_are_just_good_enough_meet_every_goal() -> None:
    goals = judged(list(good().values()))
    assert [goal.what for goal in goals if not goal.met] == []
    assert [goal.number for goal in goals] == ["1", "1", "1", "1", "2", "2", "3", "3", "4", "4", "5", "5"]


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("few", row(ASSIGNING, SERVICE, 499, p99_ms=128.0)),
        ("few", row(ASSIGNING, SERVICE, 500, errors=1)),
        ("few", row(ASSIGNING, SERVICE, 500, p99_ms=129.0)),
        ("few", row(ASSIGNING, SERVICE, 501, p99_ms=120.0)),
        ("many", row(ASSIGNING, SERVICE, 450, 1000, p99_ms=4_500.0)),
        ("full", row(IDLE, FULL, 1999)),
        ("empty", row(IDLE, EMPTY, 1999)),
        ("large", row(SWEEP, on_backlog(SERVICE, 1_000_000), 999, 4)),
        ("page", row(PAGES, "search", 100, 1, p99_ms=50.0)),
        ("import", imported(5.001)),
        ("memory", row(MEMORY, "lists", 0, 0, extra={"bytes_per_ticket": 10.1})),
        ("reconcile", reconciled(3.1, 95.0)),
        ("reconcile", reconciled(3.0, 96.0)),
    ],
)
def test_a_figure_a_little_worse_misses_one_goal(name: str, worse: Row) -> None:
    goals = judged(list({**good(), name: worse}.values()))
    assert len([goal for goal in goals if goal.met is False]) == 1


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {(goal.met, goal.found) for goal in judged([])} == {(None, "not measured")}


def test_a_smaller_backlog_says_nothing_of_a_million() -> None:
    goals = by_what({"reconcile": reconciled(0.1, 60.0, tickets=20_000)})
    goal = goals["reconciling 20,000 tickets"]
    assert (goal.met, goal.found) == (None, "0.1 s")


def test_pages_that_were_refused_are_a_goal_missed() -> None:
    goals = by_what({"page": row(PAGES, "list", 100, 1, p99_ms=1.0, errors=3)})
    assert goals["pages that were refused"].met is False


def test_the_service_is_set_beside_the_baseline() -> None:
    rows = good() | {"plain": row(SWEEP, on_backlog(BASELINE, 1_000_000), 50, 4)}
    assert compared(list(rows.values())) == [
        ("fetches that assign fifteen", "500 against 100 requests/s: 5.0 times as many"),
        ("fetches with 1,000,000 queued", "1,000 against 50 requests/s: 20.0 times as many"),
    ]
