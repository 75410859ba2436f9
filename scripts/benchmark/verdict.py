"""Whether the service still keeps its promises after a scenario."""

from __future__ import annotations

import time

from scripts.benchmark.sites import Site
from service.usecases.invariants import all_hold

PATIENCE_S = 30.0


class PromiseBrokenError(Exception):
    """Say which invariants do not hold after a scenario."""


def verify(site: Site, scenario: str) -> dict[str, bool | None]:
    """Check every invariant at rest, for a while as `fairdeal verify --wait` does. Raises `PromiseBrokenError`."""
    until = time.monotonic() + PATIENCE_S
    results = site.container.invariants.check(at_rest=True)
    while not all_hold(results) and time.monotonic() < until:
        time.sleep(0.5)
        results = site.container.invariants.check(at_rest=True)
    if not all_hold(results):
        broken = "; ".join(
            f"{each.code} {each.title}: {each.violations:,}, {', '.join(each.examples[:3])} {each.note}"
            for each in results
            if not each.ok and not (each.ok is None and each.informational)
        )
        raise PromiseBrokenError(f"after {scenario} on {site.name}: {broken}")
    return {each.code: each.ok for each in results}
