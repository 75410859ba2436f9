"""Charts in numbers: a course of time as lines, to be drawn by `static/charts.js` or read as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import orjson
from flask import Flask

from service.domain.model import Priority
from service.domain.wording import duration
from service.usecases.operations import Course, Point, Span
from service.usecases.ports.operations import Bucket
from service.usecases.ports.reconcile import Drift

Kind = Literal["count", "rate", "age"]
Value = float | None

SPAN_WORDS = {
    Span.HOUR: "last hour",
    Span.SIX_HOURS: "last 6 hours",
    Span.DAY: "last 24 hours",
    Span.WEEK: "last 7 days",
    Span.MONTH: "last 30 days",
    Span.QUARTER: "last 90 days",
}

BUCKET_WORDS = {
    Span.HOUR: "each minute",
    Span.SIX_HOURS: "in 5 minutes",
    Span.DAY: "in 15 minutes",
    Span.WEEK: "in 2 hours",
    Span.MONTH: "in 6 hours",
    Span.QUARTER: "each day",
}
"""How far apart the points of each span are."""

DRIFT_WORDS = {
    Drift.MISSING: "Missing from the queue",
    Drift.PHANTOM: "Queued though not open",
    Drift.DUPLICATE: "Queued twice",
    Drift.OUT_OF_ORDER: "Out of order",
    Drift.STALE_CLAIM: "Stale claim",
    Drift.WRONG_HELD: "Wrong held set",
    Drift.POISON: "Poison entry",
    Drift.UNTRUSTED: "Queue lost",
    Drift.REBUILT: "Queue rebuilt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line: its name, its look (`key`, 1 to 9), and a value for each time; None is a gap."""

    label: str
    key: int
    values: tuple[Value, ...]

    @property
    def last(self) -> Value:
        """The newest value there is."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over the same times, in one unit."""

    name: str
    title: str
    about: str
    unit: str
    kind: Kind
    span: Span
    bucket_s: int
    times: tuple[datetime, ...]
    series: tuple[Series, ...]
    degraded: tuple[bool, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Say whether there is no value at all."""
        return all(value is None for line in self.series for value in line.values)

    @property
    def data(self) -> str:
        """What the script draws."""
        return orjson.dumps(
            {
                "times": [int(moment.timestamp()) for moment in self.times],
                "series": [
                    {"key": line.key, "values": [_rounded(each) for each in line.values]} for line in self.series
                ],
                "degraded": [int(each) for each in self.degraded],
                "unit": self.unit,
                "kind": self.kind,
            }
        ).decode()

    @property
    def summary(self) -> str:
        """What somebody hears who does not see it."""
        told = [f"{line.label} {value_words(line.last, self.kind)}" for line in self.series if line.last is not None]
        return f"{self.title} ({self.unit}), {SPAN_WORDS[self.span]}. Newest: {', '.join(told) or 'nothing yet'}."

    @property
    def rows(self) -> list[tuple[datetime, tuple[Value, ...], bool]]:
        """The same as a table, the newest first: the moment, a value for each line, whether it was degraded."""
        columns = zip(*(line.values for line in self.series), strict=True) if self.series else ((),) * len(self.times)
        return list(zip(self.times, columns, self.degraded, strict=True))[::-1]


def _rounded(value: Value) -> Value:
    return None if value is None else round(value, 2)


def value_words(value: Value, kind: Kind) -> str:
    """Word a value of a chart."""
    if value is None:
        return "-"
    if kind == "age":
        return duration(value)
    return f"{value:,.1f}" if kind == "rate" and 0 < value < 100 else f"{value:,.0f}"


def _line(course: Course, label: str, key: int, read: Callable[[Bucket], Value]) -> Series:
    return Series(
        label=label,
        key=key,
        values=tuple(None if point.bucket is None else read(point.bucket) for point in course.points),
    )


def _waiting(course: Course) -> tuple[Series, ...]:
    def of(priority: Priority) -> Callable[[Bucket], Value]:
        return lambda bucket: bucket.open[priority]

    return tuple(_line(course, priority.value.capitalize(), n, of(priority)) for n, priority in enumerate(Priority, 1))


def _oldest(course: Course) -> tuple[Series, ...]:
    return (_line(course, "Oldest", 1, lambda bucket: bucket.oldest_open_s or 0.0),)


def _pace(course: Course) -> tuple[Series, ...]:
    return (
        _line(course, "Assigned", 1, lambda bucket: bucket.assigned),
        _line(course, "Sold", 2, lambda bucket: bucket.sold),
        _line(course, "Resolved", 3, lambda bucket: bucket.resolved),
        _line(course, "Created", 4, lambda bucket: bucket.created),
        _line(course, "Returned", 5, lambda bucket: bucket.returned),
    )


def _hands(course: Course) -> tuple[Series, ...]:
    return (
        _line(course, "In hand", 1, lambda bucket: bucket.held),
        _line(course, "Room of available agents", 3, lambda bucket: bucket.capacity),
    )


def _claims(course: Course) -> tuple[Series, ...]:
    return (_line(course, "In flight", 1, lambda bucket: bucket.claims),)


def _found(course: Course) -> tuple[Series, ...]:
    return _drift(course, lambda bucket: bucket.found)


def _repaired(course: Course) -> tuple[Series, ...]:
    return _drift(course, lambda bucket: bucket.repaired)


def _drift(course: Course, read: Callable[[Bucket], object]) -> tuple[Series, ...]:
    """Draw the kinds that occurred; where none did, one line at nothing, which is good news."""

    def counts(bucket: Bucket) -> dict[str, int]:
        return dict(read(bucket))  # type: ignore[call-overload, no-any-return]

    occurred = {kind for point in course.points if point.bucket for kind in counts(point.bucket)}
    kinds = [(kind, n) for n, kind in enumerate(Drift, 1) if kind.value in occurred]

    def of(kind: Drift) -> Callable[[Bucket], Value]:
        return lambda bucket: counts(bucket).get(kind.value, 0)

    if not kinds:
        return (_line(course, "Any kind", 1, lambda _: 0),)
    return tuple(_line(course, DRIFT_WORDS[kind], n, of(kind)) for kind, n in kinds)


@dataclass(frozen=True, slots=True)
class _Plan:
    title: str
    about: str
    unit: str
    kind: Kind
    lines: Callable[[Course], tuple[Series, ...]]


PLANS = {
    "waiting": _Plan("Waiting tickets", "Open tickets by priority", "tickets", "count", _waiting),
    "oldest": _Plan("Oldest unassigned ticket", "How long the oldest open ticket has waited", "age", "age", _oldest),
    "pace": _Plan("Tickets per minute", "What happens to tickets", "tickets per minute", "rate", _pace),
    "hands": _Plan("Tickets in hand", "What agents hold, and what they have room for", "tickets", "count", _hands),
    "claims": _Plan("Claims in flight", "Fetches not settled yet, at most", "claims", "count", _claims),
    "found": _Plan("Drift found", "Differences between queue and PostgreSQL", "differences {each}", "count", _found),
    "repaired": _Plan("Drift repaired", "Differences mended", "differences {each}", "count", _repaired),
}
"""The charts there are, by the name in their address."""


def chart(name: str, course: Course) -> Chart:
    """Make a chart of a course. Raises `KeyError` for a name that is not known."""
    plan = PLANS[name]
    return Chart(
        name=name,
        title=plan.title,
        about=plan.about,
        unit=plan.unit.format(each=BUCKET_WORDS[course.span]),
        kind=plan.kind,
        span=course.span,
        bucket_s=course.bucket_s,
        times=tuple(point.at for point in course.points),
        series=plan.lines(course),
        degraded=tuple(map(_is_degraded, course.points)),
    )


def charts(course: Course) -> Sequence[Chart]:
    """Make all charts of a course."""
    return [chart(name, course) for name in PLANS]


def install(app: Flask) -> None:
    """Give the words to the templates of an app."""
    app.jinja_env.filters.update(chart_value=value_words, drift_words=drift_words, trigger_words=trigger_words)


def trigger_words(trigger: str) -> str:
    """Word what made a reconciliation run."""
    return {"api": "API", "page": "Operators' page", "cli": "Command line"}.get(
        trigger, trigger.replace("_", " ").capitalize()
    )


def _is_degraded(point: Point) -> bool:
    return point.bucket is not None and point.bucket.is_degraded


def drift_words(counts: Iterable[tuple[str, int]]) -> str:
    """Word counts of drift by kind: "3 missing from the queue, 1 poison entry"."""
    told = [f"{count:,} {DRIFT_WORDS[Drift(kind)].lower()}" for kind, count in counts]
    return ", ".join(told) or "nothing"
