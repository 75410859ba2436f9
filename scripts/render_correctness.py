"""Write the generated parts of docs/correctness.md: `python -m scripts.render_correctness [results.jsonl...]`.

The table of faults is made from what the fault suite recorded (var/faults/results.jsonl unless files are named), the
last run of each scenario; the figures beside from var/faults/figures.jsonl, where the suite has recorded some; the list
of invariants from the module that checks them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.usecases.invariants import TITLES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "correctness.md"
RESULTS = ROOT / "var" / "faults" / "results.jsonl"
FIGURES = ROOT / "var" / "faults" / "figures.jsonl"

Result = dict[str, Any]

HEAD = (
    "| what was done | reconciler | acknowledged | refused | unknown | lost | dealt twice | most in one hand "
    "| repaired | agreed after | errors meanwhile | p99 meanwhile |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def part(name: str, text: str, page: str) -> str:
    """Put text between a page's markers of this name. Raises `ValueError` when they are not there."""
    found = re.compile(rf"(<!-- {name}: [^>]* -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not found.search(page):
        raise ValueError(f"the page has no part called {name}")
    return found.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page)


def last_of_each(lines: Iterable[str]) -> list[Result]:
    """Keep the last result of each scenario, with and without reconciler, in the order of first appearance."""
    kept: dict[tuple[str, bool], Result] = {}
    for line in lines:
        result: Result = json.loads(line)
        kept[result["scenario"], result["reconciling"]] = result
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in sorted(kept)))}
    return sorted(kept.values(), key=lambda result: (order[result["scenario"]], not result["reconciling"]))


def table(results: list[Result]) -> str:
    """Render one row for each result, and what they come to together."""
    return "\n".join([_summary(results), "", HEAD, *map(_row, results)])


def figures(lines: Iterable[str]) -> str:
    """Render what was measured beside, the last of each name."""
    found = {each["name"]: each["figures"] for each in map(json.loads, lines)}
    rows = [f"| {what} | {value} |" for name in sorted(found) for what, value in found[name].items()]
    return "\n".join(["| what | measured |", "|---|---|", *rows])


def invariants() -> str:
    """Render the list of invariants."""
    return "\n".join(f"- **{code}** {title}." for code, title in TITLES.items())


def _summary(results: list[Result]) -> str:
    acknowledged, unknown, lost, twice, inversions, deadlocks = (
        sum(result[name] or 0 for result in results)
        for name in ("acknowledged", "unknown", "lost", "duplicated", "inversions", "deadlocks")
    )
    cpus = max(result["cpus"] for result in results)
    days = sorted({result["at"][:10] for result in results})
    most = max(result["largest_hand"] for result in results)
    return (
        f"{len(results)} runs on {cpus} cores, {' to '.join(dict.fromkeys((days[0], days[-1])))}: {acknowledged:,} "
        f"operations acknowledged, {unknown:,} whose outcome the client never learnt, **{lost} lost, {twice} dealt "
        f"twice**, never more than {most} in one hand, {inversions} dealt out of order, {deadlocks} deadlocks."
    )


def _row(result: Result) -> str:
    converged, rate, p99 = result["seconds_to_converge"], result["error_rate"], result["p99_ms"]
    cells = (
        result["what"] or result["scenario"],
        "on" if result["reconciling"] else "off",
        result["acknowledged"],
        result["failed"],
        result["unknown"],
        result["lost"],
        result["duplicated"],
        result["largest_hand"],
        sum(result["repaired"].values()) if result["reconciling"] else "",
        "" if converged is None else f"{converged:.1f} s",
        "" if rate is None else f"{100 * rate:.1f} %",
        "" if p99 is None else f"{p99:,.0f} ms",
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def main(paths: list[Path]) -> None:
    """Rewrite the page. Raises `ValueError` when a run did not hold: a defect is mended, not published as a figure."""
    lines = [line for path in paths for line in path.read_text().splitlines()]
    results = last_of_each(lines)
    if broken := [result["scenario"] for result in results if not result["holds"]]:
        raise ValueError(f"these did not hold: {', '.join(broken)}")
    page = part("invariants", invariants(), PAGE.read_text())
    page = part("faults", table(results), page)
    if FIGURES.exists():
        page = part("figures", figures(FIGURES.read_text().splitlines()), page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [RESULTS])
