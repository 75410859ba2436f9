"""The mutants fit the code as it is: found here in a second, not after minutes of `./scripts/test --mutants`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.breakage import Breakage, BreakageError, Change, apply, breakages

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("breakage", breakages(), ids=lambda breakage: breakage.name)
def test_a_mutant_fits_the_code_and_its_tests_are_there(breakage: Breakage, tmp_path: Path) -> None:
    for path in {change.path for change in breakage.changes}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    apply(breakage, tmp_path)
    for test in breakage.tests:
        path, _, name = test.partition("::")
        assert not name or f"def {name}(" in (ROOT / path).read_text(), test


def test_each_mutant_has_a_name_of_its_own() -> None:
    names = [breakage.name for breakage in breakages()]
    assert len(set(names)) == len(names)


def test_mutants_are_chosen_by_a_part_of_their_name() -> None:
    assert [breakage.name for breakage in breakages(["plain RP"])] == ["plain RPUSH"]
    with pytest.raises(BreakageError, match="No mutant is called nonsense"):
        breakages(["nonsense"])


@pytest.mark.parametrize("source", ["nothing of the kind", "the text and the text"])
def test_a_text_that_is_not_there_exactly_once_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(source)
    change = Change(path="code.py", old="the text", new="")
    with pytest.raises(BreakageError, match="not once"):
        apply(Breakage(name="x", changes=(change,), tests=()), tmp_path)
    assert (tmp_path / "code.py").read_text() == source
