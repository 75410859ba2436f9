"""Write the generated parts of docs/performance.md: `python -m scripts.benchmark.render [var/bench/....json...]`.

The files that are named become docs/performance.json, which the page is made from; without one, it is taken as it is.
Of several files the first says what was measured on, the others add their rows: those of `--compare`, for instance.
What the page says by hand, between the generated parts, stays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmark import names
from scripts.benchmark.figures import Row, row_from
from scripts.benchmark.goals import Goal, compared, judged
from scripts.render_correctness import part

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance.json"
_SCENARIOS = (
    names.IDLE, names.ASSIGNING, names.MIXED, names.IMPORT, names.SWEEP, names.PAGES, names.RECONCILE, names.MEMORY,
)  # fmt: skip


def page(text: str, found: Mapping[str, Any]) -> str:
    """Put what was measured into the page. Raises `ValueError` when it lacks a part."""
    rows = [row_from(each) for each in found["rows"]]
    parts = {
        "machine": machine(found),
        "goals": goals(judged(rows)),
        "baseline": beside(compared(rows)),
        "figures": "\n\n".join(tables(rows)),
        "split": split(rows),
        "compared": variants(rows),
    }
    for name, written in parts.items():
        text = part(name, written or "Not measured.", text)
    return text


def machine(found: Mapping[str, Any]) -> str:
    """Say what was measured on, when, and how."""
    on = found["machine"]
    plan = found["plan"]
    rough = " **A quick run: rough figures.**" if found["quick"] else ""
    chosen = ", ".join(f"{name}={value}" for name, value in found["chosen"].items())
    return (
        f"{found['at'][:10]}, {found['took_s']} s in all, rounds: {plan['rounds']} of {plan['seconds']:g} s.{rough}\n\n"
        f"{on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB; Linux {on['kernel']}, data on {on['filesystem']}; "
        f"PostgreSQL {on['postgresql']}, {on['redis']}, Python {on['python']}; gunicorn with {on['web']}."
        + (f" Set for this run: {chosen}." if chosen else "")
    )


def goals(found: Sequence[Goal]) -> str:
    """Render the goals, met or not."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [f"| {goal.number} | {goal.what} | {goal.wanted} | {goal.found} | {words[goal.met]} |" for goal in found]
    return "\n".join(["| goal | what | wanted | measured | met |", "|---|---|---|---|---|", *rows])


def beside(found: Sequence[tuple[str, str]]) -> str:
    """Render how the service stands beside the straightforward application."""
    return "\n".join(f"- {what}: {said}" for what, said in found)


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """Render a table for each scenario: medians of the rounds."""
    for scenario in _SCENARIOS:
        own = [row for row in rows if row.scenario == scenario]
        if own:
            yield "\n".join([f"### {scenario}", "", *_table(own)])


def _table(rows: Sequence[Row]) -> Iterator[str]:
    extras = list(dict.fromkeys(name for row in rows for name in row.keys_of("extra")))
    heads = ["what", "connections", "a second", "p50 ms", "p95 ms", "p99 ms", "errors", "memory MiB", *extras]
    yield f"| {' | '.join(name.replace('_', ' ') for name in heads)} |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    for row in rows:
        waits = [_number(row.middle(name)) for name in ("p50_ms", "p95_ms", "p99_ms")]
        own = [_number(row.middle_of("extra", name)) if name in row.keys_of("extra") else "" for name in extras]
        cells = [row.what, _number(row.connections), _rate(row), *waits, f"{row.errors:,}", _memory(row), *own]
        yield f"| {' | '.join(cells)} |"


def _rate(row: Row) -> str:
    return f"{row.rate:,.0f} {row.unit}" if row.rate else ""


def _number(value: float) -> str:
    return "" if not value else f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _memory(row: Row) -> str:
    """Name the larger parts' memory: shared pages are shared out among the processes that have them."""
    sizes = {name: row.middle_of("memory_mib", name) for name in row.keys_of("memory_mib")}
    return ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items() if size >= 1)


def split(rows: Sequence[Row]) -> str:
    """Render where the CPU time of one request (or ticket) goes, microseconds by part."""
    shown = [row for row in rows if row.scenario in _SCENARIOS and row.keys_of("cpu_us")]
    parts = list(dict.fromkeys(name for row in shown for name in row.keys_of("cpu_us")))
    lines = [
        f"| scenario | what | connections | {' | '.join(parts)} | all |",
        "|---|---|---:|" + "---:|" * (len(parts) + 1),
    ]
    for row in shown:
        used = [row.middle_of("cpu_us", name) for name in parts]
        cells = [row.scenario, row.what, _number(row.connections), *map(_micros, used), _micros(sum(used))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _micros(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else ""


def variants(rows: Sequence[Row]) -> str:
    """Render what each means to be faster is worth: the service as it is, against the same without (or with) it."""
    lines = ["| what | load | as it is | otherwise | as it is / otherwise | CPU us as it is | otherwise |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for row in rows:
        if row.scenario.startswith(names.COMPARE) and not row.what.endswith(names.OTHERWISE):
            other = next(
                each for each in rows if each.scenario == row.scenario and each.what == row.what + names.OTHERWISE
            )
            cells = [row.scenario.removeprefix(names.COMPARE), row.what, f"{row.rate:,.0f}", f"{other.rate:,.0f}"]
            cells += [f"{row.rate / other.rate:.2f}", _micros(_cpu(row)), _micros(_cpu(other))]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _cpu(row: Row) -> float:
    return sum(row.middle_of("cpu_us", name) for name in ("web", "PostgreSQL", "Redis"))


def together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put measurements together. Raises `ValueError` when they are of different machines, or of the same thing."""
    first, *others = found
    rows, invariants, took_s = list(first["rows"]), dict(first["invariants"]), first["took_s"]
    for other in others:
        if other["machine"] != first["machine"]:
            raise ValueError("the files were not measured on the same machine, with the same versions")
        if again := invariants.keys() & other["invariants"].keys():
            raise ValueError(f"two files have figures of {', '.join(sorted(again))}")
        rows += other["rows"]
        invariants |= other["invariants"]
        took_s += other["took_s"]
    return {**first, "took_s": took_s, "invariants": invariants, "rows": rows}


def main(arguments: list[str]) -> None:
    """Rewrite the page, from other files of figures if some are named."""
    if arguments:
        found = together([json.loads(Path(name).read_text()) for name in arguments])
        FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(PAGE.read_text(), json.loads(FIGURES.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
