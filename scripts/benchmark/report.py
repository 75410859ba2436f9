"""What a measurement shows on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scripts.benchmark.figures import Row
from scripts.benchmark.goals import Goal


def line(row: Row) -> str:
    """Say what the last round of a row came to."""
    last = row.rounds[-1]
    cpu = ", ".join(f"{name} {used:,.0f}" for name, used in last.cpu_us.items() if used >= 1)
    at = f" at {row.connections:,}" if row.connections else ""
    errors = sum(last.errors.values())
    wrong = f", {errors:,} ERRORS ({', '.join(last.errors)[:300]})" if errors else ""
    waits = f", p50 {last.p50_ms:,.1f} p99 {last.p99_ms:,.1f} ms" if last.p50_ms else ""
    extra = "".join(f", {name} {value:,.1f}" for name, value in last.extra.items())
    return f"  {row.what}{at}: {last.rate:,.0f} {row.unit}/s{waits}; CPU us each: {cpu}{extra}{wrong}"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Write the medians of all rows."""
    heads = ("scenario", "what", "conn.", "per s", "p50 ms", "p95 ms", "p99 ms", "errors", "CPU us each")
    cells = [heads, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for row in cells:
        yield "  ".join(
            cell.ljust(width) if column in (0, 1, 8) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    waits = [f"{row.middle(name):,.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
    cpu = {name: row.middle_of("cpu_us", name) for name in row.keys_of("cpu_us")}
    return (
        row.scenario, row.what, f"{row.connections:,}" if row.connections else "", f"{row.rate:,.0f} {row.unit}",
        *waits, f"{row.errors:,}", shares(cpu),
    )  # fmt: skip


def shares(cpu_us: Mapping[str, float]) -> str:
    """Name what each part used."""
    return " ".join(f"{name} {used:,.0f}" for name, used in cpu_us.items() if used >= 1)


def goal_lines(goals: Sequence[Goal]) -> Iterator[str]:
    """Write the goals, met or not."""
    words = {True: "met", False: "NOT MET", None: "-"}
    for goal in goals:
        yield f"goal {goal.number}: {words[goal.met]:<8} {goal.what}: {goal.found} (wanted: {goal.wanted})"
