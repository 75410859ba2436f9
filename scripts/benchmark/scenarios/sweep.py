"""What a fetch costs with a thousand tickets queued, and with a million.

The sizes are measured in turns, batch by batch: a batch takes less than a tenth of a second, within which the machine
stays as it is. It is followed by as many new tickets, which are not timed: each backlog keeps its size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.benchmark import names, stock
from scripts.benchmark.closed_loop import Connections, Tally, Turn
from scripts.benchmark.figures import Row
from scripts.benchmark.meter import Meter
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
        _round(stage, contenders)
        for each in contenders:
            stage.show(each.row)
    yield from (each.row for each in contenders)


def _round(stage: Stage, contenders: Sequence[_Contender]) -> None:
    """Have each fetch its batches, one of everybody's after the other."""
    seats, measured = _seats(stage), [(each, stage.meter(each.web), Tally()) for each in contenders]
    with contextlib.ExitStack() as opened:
        lines = [opened.enter_context(Connections(each.web.port, LINES)) for each in contenders]
        for first in range(0, len(seats), BATCH):
            for its_lines, (each, meter, fetched) in zip(lines, measured, strict=True):
                _fetch(its_lines, seats[first : first + BATCH], each, meter, fetched)
    for each, meter, fetched in measured:
        each.row.rounds.append(meter.round_of(fetched))
        _even_out(each, 0)


def _fetch(lines: Connections, batch: Sequence[Seat], contender: _Contender, meter: Meter, fetched: Tally) -> None:
    """Fetch a batch, then put as many tickets in."""
    meter.start()
    fetched.add(fetch_all(lines, batch))
    meter.pause()
    _restock(contender, HAND * len(batch))


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


def _even_out(contender: _Contender, restock: int) -> None:
    contender.site.clear_hands(queued=contender.has_queue)
    _restock(contender, restock)


def _restock(contender: _Contender, count: int) -> None:
    if count:
        ids = stock.add_tickets(contender.site.sql, count)
        if contender.has_queue:
            stock.enqueue(contender.site.queue, ids)
