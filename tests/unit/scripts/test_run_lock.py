"""One service at a time on the same data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.run_lock import AlreadyRunningError, run_lock


def test_second_is_refused_and_told_who_was_first(tmp_path: Path) -> None:
    with run_lock(tmp_path, "http://127.0.0.1:8000"):
        for _ in range(2):  # being refused leaves the word of the first in place
            with pytest.raises(AlreadyRunningError) as refused, run_lock(tmp_path, "http://127.0.0.1:9000"):
                pass
            assert f"process {os.getpid()}, http://127.0.0.1:8000" in str(refused.value)


def test_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with run_lock(tmp_path, "http://127.0.0.1:8000"):
            pass


def test_word_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("1234567 http://127.0.0.1:7777 and some more\n")
    with run_lock(tmp_path, "http://127.0.0.1:8000"):
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()} http://127.0.0.1:8000\n"


def test_other_data_are_another_matter(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with run_lock(tmp_path / "a", "http://127.0.0.1:8000"), run_lock(tmp_path / "b", "http://127.0.0.1:9000"):
        pass
