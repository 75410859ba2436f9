"""The goals of the service's speed, and whether the figures meet them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scripts.benchmark.figures import Round, Row, in_turns, median
from scripts.benchmark.meter import CLIENT
from scripts.benchmark.names import (
    ASSIGNING,
    BASELINE,
    DRIFT,
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

ASSIGNING_SHARE, IDLE_SHARE, HELD_UP, WAIT = 0.50, 0.40, 0.90, 2.0
SMALL, LARGE = 1_000, 1_000_000
GROWTH, PAGE_MS = 1.10, 50.0
IMPORTED_PER_S, ENOUGH_ROWS, BYTES = 40_000, 200_000, 10.0
RECONCILE_S, RECONCILE_MB = 3.0, 100.0
_MB_PER_MIB = 1.048576


NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal: what is wanted, what was found, and whether that will do; None where it was not measured."""

    number: str
    what: str
    wanted: str
    found: str = NOT_MEASURED
    met: bool | None = None

    @property
    def was_measured(self) -> bool:
        """Say whether there is a figure for it."""
        return self.found != NOT_MEASURED


Rows = Sequence[Row]


def judged(rows: Rows) -> list[Goal]:
    """Judge all goals by these rows."""
    return [goal for judge in _JUDGES for goal in judge(rows)]


def compared(rows: Rows) -> list[tuple[str, str]]:
    """Say how the service stands beside the straightforward application."""
    said = []
    for what, ours, theirs in _pairs(rows):
        times = in_turns(ours, theirs)
        if times is not None:
            said.append((what, f"{ours.rate:,.0f} against {theirs.rate:,.0f} {ours.unit}/s: {times:.1f} times as many"))
    return said


def _pairs(rows: Rows) -> Iterator[tuple[str, Row, Row]]:
    ours, theirs = _first(rows, ASSIGNING, SERVICE), _first(rows, ASSIGNING, BASELINE)
    if ours and theirs:
        yield "fetches that assign fifteen", ours, theirs
    ours, theirs = _first(rows, IDLE, FULL), _first(rows, IDLE, BASELINE)
    if ours and theirs:
        yield "fetches with a full hand", ours, theirs
    for tickets in sorted({int(row.what.split()[1].replace(",", "")) for row in rows if row.scenario == SWEEP}):
        ours, theirs = (_first(rows, SWEEP, on_backlog(who, tickets)) for who in (SERVICE, BASELINE))
        if ours and theirs:
            yield f"fetches with {tickets:,} queued", ours, theirs


def _assigning(rows: Rows) -> Iterator[Goal]:
    service = [row for row in rows if (row.scenario, row.what) == (ASSIGNING, SERVICE)]
    yield _share(
        "1",
        "assigning fetches against pgbench's claims",
        service[:1],
        _first(rows, ASSIGNING, PGBENCH),
        ASSIGNING_SHARE,
    )
    what, wanted = "errors at every number of connections", "0"
    errors = sum(row.errors for row in service)
    levels = ", ".join(f"{row.connections:,}" for row in service)
    yield _goal("1", what, wanted, bool(service), f"{errors:,} (at {levels})", met=errors == 0)
    yield _held_up(service)
    waits = [
        median(each.p99_ms / 1000 * each.rate / row.connections for each in row.rounds)
        for row in service
        if row.connections
    ]
    worst = max(waits, default=0.0)
    what, wanted = "p99 as a multiple of connections / throughput", f"at most {WAIT:g}"
    yield _goal("1", what, wanted, bool(waits), f"{worst:.2f} at worst", met=worst <= WAIT)


def _held_up(service: Rows) -> Goal:
    few, many = service[:1], [row for row in service if row.connections >= SMALL]
    found = in_turns(many[0], few[0]) if few and many else None
    what, wanted = "throughput at 1,000 connections against that at 32", f"at least {HELD_UP:.0%}"
    return _goal("1", what, wanted, found is not None, f"{found or 0:.0%}", met=(found or 0) >= HELD_UP)


def _idle(rows: Rows) -> Iterator[Goal]:
    for what in (FULL, EMPTY):
        row = _first(rows, IDLE, what)
        yield _share(
            "2", f"fetch with {what} against hello-world", [row] if row else [], _first(rows, IDLE, HELLO), IDLE_SHARE
        )


def _backlog(rows: Rows) -> Iterator[Goal]:
    small, large = (_first(rows, SWEEP, on_backlog(SERVICE, tickets)) for tickets in (SMALL, LARGE))
    growth = in_turns(small, large) if small and large else None
    what, wanted = "cost of a fetch at 1,000,000 queued against 1,000", f"at most {GROWTH:.0%}"
    yield _goal("3", what, wanted, growth is not None, f"{growth or 0:.0%}", met=(growth or 0) <= GROWTH)
    used = in_turns(large, small, _server_us) if small and large else None
    if used is not None:
        what = "the same in processor time of web, PostgreSQL and Redis"
        yield Goal(number="3", what=what, wanted=wanted, found=f"{used:.0%}", met=used <= GROWTH)
    pages = [row for row in rows if row.scenario == PAGES]
    slowest = max(pages, key=lambda row: row.middle("p95_ms"), default=None)
    p95 = slowest.middle("p95_ms") if slowest else 0.0
    found = f"p95 {p95:,.1f} ms at worst ({slowest.what if slowest else ''})"
    yield _goal("3", "list and search pages, any depth", f"under {PAGE_MS:g} ms", bool(pages), found, met=p95 < PAGE_MS)
    failed = sum(row.errors for row in pages)
    if failed:
        yield Goal(number="3", what="pages that were refused", wanted="0", found=f"{failed:,}", met=False)


def _server_us(each: Round) -> float:
    return sum(us for part, us in each.cpu_us.items() if part != CLIENT)


def _imports(rows: Rows) -> Iterator[Goal]:
    found = [row for row in rows if row.scenario == IMPORT]
    for row in found or [Row(scenario=IMPORT, what="import", unit="tickets")]:
        wanted = f"at least {IMPORTED_PER_S:,} tickets/s"
        rows_each = row.rounds[0].count if row.rounds else 0
        found_rate = f"{row.rate:,.0f}, {rows_each:,} in a file" if rows_each else NOT_MEASURED
        met = row.rate >= IMPORTED_PER_S if rows_each >= ENOUGH_ROWS else None
        yield Goal(number="4", what=row.what, wanted=wanted, found=found_rate, met=met)
    memory = _first(rows, MEMORY)
    used = memory.middle_of("extra", "bytes_per_ticket") if memory else 0.0
    what, wanted = "Redis memory for each queued ticket", f"at most {BYTES:g} bytes"
    yield _goal("4", what, wanted, memory is not None, f"{used:.1f} bytes", met=used <= BYTES)


def _reconciling(rows: Rows) -> Iterator[Goal]:
    for what in (NO_DRIFT, DRIFT):
        row = _first(rows, RECONCILE, what)
        if row is not None or what == NO_DRIFT:
            yield from _reconciled(row, "" if what == NO_DRIFT else f", {what}")


def _reconciled(row: Row | None, drift: str) -> Iterator[Goal]:
    tickets = row.rounds[0].count if row else 0
    seconds = row.middle("seconds") if row else 0.0
    peak_mb = row.middle_of("extra", "peak_mib") * _MB_PER_MIB if row else 0.0
    what = f"reconciling {tickets or LARGE:,} tickets{drift}"
    enough = tickets >= LARGE
    found = f"{seconds:.1f} s" if tickets else NOT_MEASURED
    yield Goal(
        number="5", what=what, wanted=f"at most {RECONCILE_S:g} s", found=found,
        met=seconds <= RECONCILE_S if enough else None,
    )  # fmt: skip
    found = f"{peak_mb:.0f} MB" if tickets else NOT_MEASURED
    yield Goal(
        number="5", what=f"memory for {what}", wanted=f"at most {RECONCILE_MB:g} MB", found=found,
        met=peak_mb <= RECONCILE_MB if enough else None,
    )  # fmt: skip


_JUDGES: tuple[Callable[[Rows], Iterable[Goal]], ...] = (_assigning, _idle, _backlog, _imports, _reconciling)


def _first(rows: Rows, scenario: str, what: str | None = None) -> Row | None:
    """Find the row at the smallest number of connections, which comes first."""
    found = (row for row in rows if row.scenario == scenario and what in (None, row.what))
    return next(found, None)


def _share(number: str, what: str, above: Rows, below: Row | None, wanted: float) -> Goal:
    found = in_turns(above[0], below) if above and below else None
    rates = f" ({above[0].rate:,.0f} of {below.rate:,.0f}/s)" if above and below else ""
    return _goal(
        number,
        what,
        f"at least {wanted:.0%}",
        found is not None,
        f"{found or 0:.0%}{rates}",
        met=(found or 0) >= wanted,
    )


def _goal(number: str, what: str, wanted: str, measured: bool, found: str, *, met: bool) -> Goal:
    if not measured:
        return Goal(number=number, what=what, wanted=wanted)
    return Goal(number=number, what=what, wanted=wanted, found=found, met=met)
