"""What is measured: one file for each kind of load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from scripts.benchmark import names
from scripts.benchmark.figures import Row
from scripts.benchmark.scenarios import assigning, idle, importing, mixed, pages, reconciling, sweep
from scripts.benchmark.scenarios.backlogs import site_of
from scripts.benchmark.sites import Site
from scripts.benchmark.stage import Stage


@dataclass(frozen=True)
class Scenario:
    """Something to measure, and the sites whose promises are checked after it."""

    run: Callable[[Stage], Iterator[Row]]
    sites: Callable[[Stage], list[Site]] = lambda stage: [stage.main]


def _largest(stage: Stage) -> list[Site]:
    return [site_of(stage, stage.plan.large)]


def _backlogs(stage: Stage) -> list[Site]:
    return [site_of(stage, tickets) for tickets in stage.plan.sweep]


SCENARIOS: Mapping[str, Scenario] = {
    names.IDLE: Scenario(idle.run, lambda stage: [stage.main, stage.site(idle.EMPTY_SITE)]),
    names.ASSIGNING: Scenario(assigning.run),
    names.MIXED: Scenario(mixed.run),
    names.IMPORT: Scenario(importing.run),
    names.SWEEP: Scenario(sweep.run, _backlogs),
    names.PAGES: Scenario(pages.run, _largest),
    names.RECONCILE: Scenario(reconciling.reconcile, _largest),
    names.MEMORY: Scenario(reconciling.memory, _largest),
}
