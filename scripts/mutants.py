"""Break the service in one place at a time and show that the tests notice; `./scripts/test --mutants [name...]`.

Each mutant is made in a copy of the tree and judged by the few tests named with it, which must pass without it. The
first line of defence against a test that cannot fail is somebody who breaks the code once: here it is done for good.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.breakage import BreakageError, apply, breakages
from scripts.child import Process, StopSteps, spawn, stop
from scripts.stop_request import StopRequest, StopRequestedError

ROOT = Path(__file__).resolve().parent.parent
SIDE_BY_SIDE = 2
STOPPING: StopSteps = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0))
"""pytest stops its servers when it is interrupted."""

LONGEST_S = 300.0
"""How long the tests of one mutant may take; a mutant that hangs is not caught by anything that says what is wrong."""

LONGEST_REASON = 100

PASSED, FAILED = 0, 1
"""Exit statuses of pytest; all others mean that it could not do its work."""

_FAILURE = re.compile(r"^FAILED (?:tests/)?(.+?)(?: - (.*))?$", re.MULTILINE)
_ERROR = re.compile(r"^ERROR (.*)$", re.MULTILINE)


@dataclass(slots=True)
class Trial:
    """One tree, the tests run on it, and what came of it."""

    name: str
    tree: Path
    tests: tuple[str, ...]
    process: Process | None = None
    started_at: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    status: int | None = None
    hung: bool = False

    @property
    def output(self) -> str:
        """Read what pytest said."""
        return (self.tree / "pytest.log").read_text(encoding="utf-8", errors="replace")

    def start(self, environ: Mapping[str, str]) -> None:
        """Run pytest on the tree, tied to our life."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *self.tests]
        with (self.tree / "pytest.log").open("wb") as log:
            environ = {**environ, "PYTHONPATH": str(self.tree), "COLUMNS": "400"}  # wide enough for the reasons
            self.process = spawn(command, environ=environ, cwd=self.tree, output=log)
        self.started_at = time.monotonic()

    def is_over(self) -> bool:
        """Look whether pytest has ended, and end it when it has had its time."""
        assert self.process is not None  # noqa: S101 - for the type checker
        self.status = self.process.poll()
        self.seconds = time.monotonic() - self.started_at
        if self.status is None and self.seconds > LONGEST_S:
            self.hung = True
            self.end()
        return self.status is not None or self.hung

    def end(self) -> None:
        """Stop pytest, which stops its servers."""
        if self.process is not None and self.process.poll() is None:
            stop(self.process, STOPPING)

    def verdict(self) -> str | None:
        """Name the test that failed, and why; None when there was none."""
        failure = _FAILURE.search(self.output) if self.status == FAILED else None
        return None if failure is None else f"`{failure[1]}`: {(failure[2] or '')[:LONGEST_REASON]}"

    def trouble(self) -> str:
        """Say why there is no verdict."""
        if self.hung:
            return f"hung for {LONGEST_S:.0f} s"
        error = _ERROR.search(self.output)
        return error[1] if error is not None else f"pytest ended with {self.status}"


def files() -> list[Path]:
    """List the files of the tree, new ones included, as git sees them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def copy_tree(destination: Path, names: Iterable[Path]) -> Path:
    """Copy the files to a place of their own."""
    for name in names:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return destination


def run(trials: Sequence[Trial], stop_request: StopRequest) -> None:
    """Run some trials side by side until all are over; whatever happens, none stays behind."""
    waiting, running = deque(trials), list[Trial]()
    try:
        while waiting or running:
            while waiting and len(running) < SIDE_BY_SIDE:
                running.append(waiting.popleft())
                running[-1].start(os.environ)
            for trial in [each for each in running if each.is_over()]:
                running.remove(trial)
                print(f"  {trial.name}: {trial.seconds:.0f} s", file=sys.stderr, flush=True)
            stop_request.check()
            time.sleep(0.05)
    finally:
        for trial in running:
            trial.end()


def table(trials: Sequence[Trial]) -> str:
    """Show what caught each mutant."""
    rows = [("mutant", "caught by", "seconds"), ("---", "---", "---:")]
    rows += [(each.name, each.verdict() or f"NOTHING: {each.trouble()}", f"{each.seconds:.1f}") for each in trials]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def main(names: Sequence[str]) -> int:
    """Judge the mutants; return 1 when one survives or the tests fail without any."""
    chosen, copied = breakages(names), files()
    stop_request = StopRequest()
    stop_request.listen()
    with tempfile.TemporaryDirectory(prefix="fairdeal-mutants-") as place:
        sound = copy_tree(Path(place) / "sound", copied)
        control = Trial("no mutant", sound, tuple(dict.fromkeys(test for each in chosen for test in each.tests)))
        trials = []
        for number, breakage in enumerate(chosen):
            tree = copy_tree(Path(place) / str(number), copied)
            apply(breakage, tree)
            trials.append(Trial(breakage.name, tree, breakage.tests))
        run([control], stop_request)
        if control.status != PASSED:
            print(control.output)
            print("The tests fail without any mutant: nothing to be learnt.", file=sys.stderr)
            return 1
        run(trials, stop_request)
        print(table(trials))
        survivors = [trial for trial in trials if trial.verdict() is None]
        for trial in survivors:
            print(f"\n{trial.name}:\n{trial.output[-3_000:]}", file=sys.stderr)
        print(f"{len(trials) - len(survivors)} of {len(trials)} mutants caught")
        return 1 if survivors else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except BreakageError as wrong:
        raise SystemExit(str(wrong)) from wrong
    except StopRequestedError:
        raise SystemExit("Stopped.") from None
