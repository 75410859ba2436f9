"""One measurement from beginning to end: scenarios, checks, table, goals, and the file with every round."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.benchmark import machine
from scripts.benchmark.figures import Row, as_json, rounded
from scripts.benchmark.goals import compared, judged
from scripts.benchmark.parts import ROOT
from scripts.benchmark.plan import Plan
from scripts.benchmark.report import goal_lines, table
from scripts.benchmark.scenarios import SCENARIOS, comparing
from scripts.benchmark.stage import Stage
from scripts.benchmark.verdict import PromiseBrokenError, verify
from scripts.stop_request import StopRequest

OUTPUT = ROOT / "var" / "bench"


@dataclass
class Measurement:
    """What is to be measured, and what has come of it."""

    plan: Plan
    names: Sequence[str]
    variants: Sequence[str] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    is_quick: bool = False
    output: Path = OUTPUT
    rows: list[Row] = field(default_factory=list)
    invariants: dict[str, dict[str, dict[str, bool | None]]] = field(default_factory=dict)
    stop: StopRequest = field(default_factory=StopRequest)
    _began: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        """Tell how far it is; raises `StopRequestedError` if somebody asked to stop, at the latest here."""
        self.stop.check()
        self.tell(words)

    def tell(self, words: str) -> None:
        """Print a line with the time."""
        print(f"{time.monotonic() - self._began:6.1f} s  {words}", flush=True)

    def run(self) -> bool:
        """Measure everything; say whether it can be trusted."""
        try:
            with Stage(self.plan, place=self.output, chosen=self.chosen, say=self.say) as stage:
                self._scenarios(stage)
                described = machine.describe(stage)
        except PromiseBrokenError as exc:
            self.tell(f"NOT TO BE TRUSTED: {exc}")
            return False
        print("\n".join(self._summary()))
        self.tell(f"written to {self._write(described)}")
        return True

    def _scenarios(self, stage: Stage) -> None:
        for name in self.names:
            self.say(f"{name}:")
            stage.databases.checkpoint()
            self.rows += SCENARIOS[name].run(stage)
            self.invariants[name] = {site.name: verify(site, name) for site in SCENARIOS[name].sites(stage)}
            self.say("  every invariant holds")
        for name in self.variants:
            self.say(f"with and without {name}:")
            self.rows += comparing.run(stage, name)
            self.invariants[f"compare {name}"] = {stage.main.name: verify(stage.main, name)}
            self.say("  every invariant holds")

    def _summary(self) -> Iterator[str]:
        yield ""
        yield from table(self.rows)
        yield ""
        yield from goal_lines(
            [goal for goal in judged(self.rows) if goal.was_measured or self.names == list(SCENARIOS)]
        )
        yield from (f"beside the baseline, {what}: {said}" for what, said in compared(self.rows))

    def _write(self, described: Mapping[str, object]) -> Path:
        at = datetime.now(UTC)
        found: dict[str, Any] = {
            "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "took_s": round(time.monotonic() - self._began),
            "quick": self.is_quick,
            "plan": asdict(self.plan),
            "chosen": dict(self.chosen),
            "machine": described,
            "goals": [asdict(goal) for goal in judged(self.rows)],
            "invariants": self.invariants,
            "rows": rounded([as_json(row) for row in self.rows]),
        }
        path = self.output / f"{at:%Y%m%dT%H%M%SZ}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def estimate_s(measurement: Measurement) -> float:
    """Guess how long it takes: what it took elsewhere, by rounds and their length."""
    plan = measurement.plan
    loads = plan.rounds * (plan.seconds + 1.0)
    fixed = plan.large / 1_000_000
    costs = {
        "fetch-idle": 10 + loads * (3 * len(plan.levels) + 1),
        "fetch-assigning": 8 * (plan.seconds + 2.0) + loads * (2 * len(plan.levels) + 4),
        "mixed-day": loads * 2 * len(plan.levels),
        "import": plan.rounds * plan.import_rows / 6_000,
        "backlog-sweep": 90 * fixed + loads * 2 * len(plan.sweep),
        "pages": 30 * fixed + 5 * plan.rounds,
        "reconcile": plan.rounds * (3 + 6 * fixed),
        "queue-memory": 5.0,
    }
    return 25 + sum(costs.get(name, 0) for name in measurement.names) + len(measurement.variants) * loads * 7
