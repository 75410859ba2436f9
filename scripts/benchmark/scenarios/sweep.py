"""What a fetch costs with a thousand tickets queued, and with a million.

The sizes are measured in turns. A batch of fetches is followed by as many new tickets, which are not timed: each
backlog keeps its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.benchmark import names, stock
from scripts.benchmark.closed_loop import Connections, Tally, Turn
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.names import SWEEP, on_backlog
from scripts.benchmark.parts import Part
from scripts.benchmark.people import Seat
from scripts.benchmark.scenarios.backlogs import site_of
from scripts.benchmark.scenarios.loads import HAND, fetch_all, once_each
from scripts.benchmark.sites import BASELINE, SERVICE, Site
from scripts.benchmark.stage import Stage

LINES, BATCH = 4, 33


@dataclass
class _Contender:
    """A web server on a backlog, and what it showed."""

    site: Site
    web: Part
    row: Row
    has_queue: bool


def run(stage: Stage) -> Iterator[Row]:
    """Fetch from backlogs of several sizes in turns; so does the baseline, on copies of the same databases."""
    contenders = [each for tickets in stage.plan.sweep for each in _contenders(stage, tickets)]
    for _ in range(stage.plan.rounds):
        for each in contenders:
            each.row.rounds.append(_fetches(stage, each))
            stage.show(each.row)
    yield from (each.row for each in contenders)


def _contenders(stage: Stage, tickets: int) -> Iterator[_Contender]:
    site = site_of(stage, tickets)
    plain = stage.site(f"plain-{tickets}")
    for what, its_site, app in ((names.SERVICE, site, SERVICE), (names.BASELINE, plain, BASELINE)):
        row = Row(scenario=SWEEP, what=on_backlog(what, tickets), unit="claims", connections=LINES)
        web = its_site.web("web", app)
        contender = _Contender(its_site, web, row, has_queue=its_site is site)
        warming = _seats(stage)[: None if contender.has_queue else BATCH]  # the baseline remembers no tokens
        with Connections(web.port, LINES) as lines:
            lines.drive(once_each(Turn(seat.fetch) for seat in warming))
        _even_out(contender, HAND * len(warming))
        yield contender


def _seats(stage: Stage) -> Sequence[Seat]:
    return stage.seats[: BATCH * stage.plan.sweep_batches]


def _fetches(stage: Stage, contender: _Contender) -> Round:
    """Fetch a batch, put as many tickets in, and so on."""
    seats, meter, fetched = _seats(stage), stage.meter(contender.web), Tally()
    with Connections(contender.web.port, LINES) as lines:
        for first in range(0, len(seats), BATCH):
            batch = seats[first : first + BATCH]
            meter.start()
            fetched.add(fetch_all(lines, batch))
            meter.pause()
            _restock(contender, HAND * len(batch))
    result = meter.round_of(fetched)
    _even_out(contender, 0)
    return result


def _even_out(contender: _Contender, restock: int) -> None:
    contender.site.clear_hands(queued=contender.has_queue)
    _restock(contender, restock)


def _restock(contender: _Contender, count: int) -> None:
    if count:
        ids = stock.add_tickets(contender.site.sql, count)
        if contender.has_queue:
            stock.enqueue(contender.site.queue, ids)
