"""docs/performance.md is what the generator makes of docs/performance.json."""

from __future__ import annotations

import json

import pytest

from scripts.benchmark import names, render
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.goals import Goal

FOUND = json.loads(render.FIGURES.read_text())
HOW = "run: .venv/bin/python -m scripts.benchmark.render"


def _row(scenario: str, what: str, count: int, **figures: object) -> Row:
    only = Round(seconds=1.0, count=count, **figures)  # type: ignore[arg-type]
    return Row(scenario=scenario, what=what, unit="requests", connections=32, rounds=[only])


def test_the_page_says_what_was_measured() -> None:
    assert render.page(render.PAGE.read_text(), FOUND) == render.PAGE.read_text(), HOW


def test_every_invariant_held_in_the_run_that_is_published() -> None:
    checked = [verdict for sites in FOUND["invariants"].values() for verdict in sites.values()]
    assert checked
    assert not [code for verdict in checked for code, held in verdict.items() if held is False]


def test_no_figure_is_published_of_a_scenario_that_was_not_verified() -> None:
    assert {row["scenario"] for row in FOUND["rows"]} <= FOUND["invariants"].keys()


def test_the_machine_is_named_without_names_of_its_own() -> None:
    assert set(FOUND["machine"]) == {
        "cpu", "cores", "memory_gib", "kernel", "filesystem", "python", "postgresql", "redis", "web",
    }  # fmt: skip
    assert "/" not in "".join(str(value) for value in FOUND["machine"].values())


def test_a_goal_is_met_or_not_or_was_not_measured() -> None:
    goal = Goal(number="2", what="polls", wanted="at least 40%", found="39%", met=False)
    assert render.goals([goal]).splitlines()[-1] == "| 2 | polls | at least 40% | 39% | **no** |"
    open_goal = Goal(number="5", what="reconciling", wanted="3 s")
    assert render.goals([open_goal]).splitlines()[-1].endswith("| not measured | not measured |")


def test_the_split_names_every_part_and_their_sum() -> None:
    row = _row(names.IDLE, names.FULL, 10, cpu_us={"client": 30.0, "web": 500.4, "Redis": 1.26})
    head, _, line = render.split([row]).splitlines()
    assert head == "| scenario | what | connections | client | web | Redis | all |"
    assert line == "| fetch-idle | full hand | 32 | 30 | 500 | 1.3 | 532 |"


def test_variants_stand_beside_the_service_as_it_is() -> None:
    scenario = f"{names.COMPARE}token-cache"
    rows = [
        _row(scenario, "idle polls", 200, cpu_us={"web": 100.0, "client": 9.0}),
        _row(scenario, "idle polls" + names.OTHERWISE, 100, cpu_us={"web": 250.0}),
    ]
    assert render.variants(rows).splitlines()[-1] == "| token-cache | idle polls | 200 | 100 | 2.00 | 100 | 250 |"


def _found(rows: list[str], scenario: str, **others: object) -> dict[str, object]:
    return {"machine": {"cores": 2}, "rows": rows, "invariants": {scenario: {}}, "took_s": 60, "quick": False} | others


def test_files_of_one_machine_are_put_together() -> None:
    both = render.together([_found(["a"], "pages"), _found(["b"], "compare json")])
    assert (both["rows"], both["took_s"]) == (["a", "b"], 120)
    assert both["invariants"].keys() == {"pages", "compare json"}


def test_files_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="same machine"):
        render.together([_found([], "pages"), _found([], "import", machine={"cores": 4})])
    with pytest.raises(ValueError, match="figures of pages"):
        render.together([_found([], "pages"), _found([], "pages")])


def test_a_page_without_the_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="machine"):
        render.page("a page", FOUND)
