"""The README's tour, command by command: what it says must happen, happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.config import Settings
from tests.e2e.service_run import ROOT, Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the tour uses curl, which is not here"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="the tour is typed into bash, which is not here"),
]

BLOCK = re.compile(r"^```(\w+)( run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== end of block ==="


def tour() -> tuple[str, list[tuple[str, str]]]:
    """Read the command that starts the service, and the blocks with what each is said to print."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Five-minute tour") : text.index("## Operating it")]
    start, steps = "", []
    for language, run, content in BLOCK.findall(section):
        if run:
            start = content
        elif language == "sh":
            steps.append((content, ""))
        else:
            steps[-1] = (steps[-1][0], content)
    return start, steps


def test_the_tour_goes_as_the_readme_says(start: Callable[..., Run], tmp_path: Path) -> None:
    command, steps = tour()
    setting = re.fullmatch(r"ADMIN_PASSWORD='(\S+)' VAR_DIR=(\S+) \./scripts/run\n", command)
    assert setting is not None
    assert Path(setting[2]) != Settings.model_fields["var_dir"].default, "there `--demo` has made another admin"
    assert len(steps) > 4
    run = start(ADMIN_PASSWORD=setting[1]).ready()
    script = "".join(f"{commands}\necho; echo '{MARK}'\n" for commands, _ in steps)
    shell = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
             "BASE": f"http://127.0.0.1:{run.port}"},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert shell.returncode == 0, shell.stdout + shell.stderr
    printed = [part.strip() for part in shell.stdout.split(MARK)][:-1]
    assert printed == [expected.strip() for _, expected in steps]
