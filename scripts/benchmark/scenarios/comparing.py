"""The service as it is against a variant of itself, in turns, on the same data."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.benchmark.closed_loop import Connections
from scripts.benchmark.figures import Row
from scripts.benchmark.names import COMPARE, OTHERWISE
from scripts.benchmark.scenarios.assigning import Contender, fetches, warm_up
from scripts.benchmark.scenarios.loads import fetch_all, over_and_over, steady
from scripts.benchmark.stage import Stage
from scripts.benchmark.variants import VARIANTS

POLLS, FETCHES = "idle polls", "assigning fetches"


class UnknownSettingError(Exception):
    """Say which setting of a variant the service does not know."""


def run(stage: Stage, name: str) -> Iterator[Row]:
    """Alternate the service and the variant of this name: fetches that assign, then polls of the hands they filled.

    Raises `UnknownSettingError`.
    """
    unknown = VARIANTS[name].unknown_settings()
    if unknown:
        raise UnknownSettingError(f"the service has no setting {', '.join(unknown)}: nothing to compare")
    connections = stage.plan.levels[0]
    with stage.main.sql.cursor() as cursor:
        cursor.execute("GRANT SET ON PARAMETER commit_delay TO fairdeal")
    app = f"scripts.benchmark.variants:create_wsgi_app('{name}')"
    other = stage.main.web(f"without-{name}", app, VARIANTS[name].environ)
    webs = {"": stage.main_web, OTHERWISE: other}
    rows = {
        (load, which): Row(scenario=COMPARE + name, what=load + which, unit="requests", connections=connections)
        for load in (FETCHES, POLLS)
        for which in webs
    }
    for web in webs.values():
        with Connections(web.port, connections) as lines:
            warm_up(stage, Contender(web, stage.main), lines)
    for _ in range(stage.plan.rounds):
        for which, web in webs.items():
            with Connections(web.port, connections) as lines:
                fetched = fetches(stage, Contender(web, stage.main), lines)
                fetch_all(lines, stage.seats)  # who was dealt something last time is told apart, and polls once at that
                turns = over_and_over([seat.fetch for seat in stage.seats])
                polled = steady(lines, turns, stage.meter(web, background=True), stage.plan.seconds)
            for load, found in ((FETCHES, fetched), (POLLS, polled)):
                rows[load, which].rounds.append(found)
                stage.show(rows[load, which])
    other.stop()
    yield from rows.values()
