"""`./scripts/bench` from beginning to end, as small as can be: no figure is judged here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmark import measurement, names, render, verdict
from scripts.benchmark.figures import Row
from scripts.benchmark.measurement import Measurement
from scripts.benchmark.plan import Plan
from scripts.benchmark.process_trees import trees
from scripts.benchmark.scenarios import SCENARIOS, Scenario
from scripts.benchmark.stage import Stage
from scripts.waiting import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
TINY = Plan(
    rounds=1, seconds=0.1, levels=(2, 5), seats=20, agents=64, sweep=(200, 400), sweep_batches=1, large=400,
    import_rows=1_200,
)  # fmt: skip

pytestmark = [pytest.mark.faults, pytest.mark.lasts(60), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a tiny measurement of everything wrote down."""
    output = tmp_path_factory.mktemp("bench")
    assert Measurement(TINY, list(SCENARIOS), ["token-cache"], {"WEB_THREADS": "4"}, True, output).run()
    [path] = output.iterdir()  # the servers' directory is gone
    written: dict[str, Any] = json.loads(path.read_text())
    return written


def test_every_scenario_has_figures(found: dict[str, Any]) -> None:
    assert {row["scenario"] for row in found["rows"]} == {*SCENARIOS, f"{names.COMPARE}token-cache"}
    for row in found["rows"]:
        assert len(row["rounds"]) == TINY.rounds
        assert row["scenario"] == names.MEMORY or row["rate"] > 0 or row["what"] in ("sales", "new tickets"), row


def test_no_request_failed(found: dict[str, Any]) -> None:
    assert [(row["scenario"], row["what"], each["errors"]) for row in found["rows"] for each in row["rounds"]
            if each["errors"]] == []  # fmt: skip


def test_the_cpu_time_of_every_part_is_told(found: dict[str, Any]) -> None:
    [row] = [row for row in found["rows"] if (row["scenario"], row["what"]) == (names.IDLE, names.EMPTY)][:1]
    assert row["rounds"][0]["cpu_us"].keys() >= {"client", "web", "PostgreSQL", "Redis", "worker", "messenger", "clock"}
    assert row["rounds"][0]["memory_mib"]["web"] > 10


def test_every_scenario_was_verified(found: dict[str, Any]) -> None:
    assert found["invariants"].keys() == {*SCENARIOS, f"{names.COMPARE}token-cache"}
    for sites in found["invariants"].values():
        assert all(held is not False for verdict in sites.values() for held in verdict.values())


def test_what_was_measured_on_is_told(found: dict[str, Any]) -> None:
    assert found["machine"]["postgresql"]
    assert found["machine"]["web"].endswith("of 4 threads")
    assert found["chosen"] == {"WEB_THREADS": "4"}


def test_the_page_can_be_made_of_it(found: dict[str, Any]) -> None:
    page = render.page(render.PAGE.read_text(), found)
    assert "A quick run" in page
    for name in SCENARIOS:
        assert f"### {name}\n" in page


def test_figures_of_a_service_that_breaks_a_promise_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sabotage(stage: Stage) -> Iterator[Row]:
        with stage.main.sql.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # the database would refuse it
            cursor.execute("UPDATE agents SET held = 3 WHERE id = (SELECT min(id) FROM agents)")
        yield from ()

    monkeypatch.setattr(measurement, "SCENARIOS", {"sabotage": Scenario(sabotage)})
    monkeypatch.setattr(verdict, "PATIENCE_S", 0.5)
    assert not Measurement(TINY, ["sabotage"], output=tmp_path).run()
    assert "NOT TO BE TRUSTED: after sabotage on main: I7" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    left_before = set((ROOT / "var" / "bench").glob("fairdeal-throwaway-*"))
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmark", "--quick", "--only", names.ASSIGNING],
            cwd=ROOT, stdout=output, stderr=output,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while "starting the service" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    family = trees({"bench": process.pid})["bench"]
    assert len(family) > 3
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130, log.read_text()
    assert log.read_text().splitlines()[-1].endswith("stopped")
    assert set((ROOT / "var" / "bench").glob("fairdeal-throwaway-*")) <= left_before
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), PATIENCE_S)
