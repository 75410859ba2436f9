"""When .venv is good enough, and when it is made anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import make_venv
from scripts.make_venv import InstallError, Venv, digests, make, python_version

LOCKS = ("requirements.txt", "requirements-embedded.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with lock files."""
    checkout = tmp_path / "check out"
    checkout.mkdir()
    for name in (*LOCKS, "requirements-dev.txt"):
        (checkout / name).write_text(f"{name.replace('.', '-')}==1.0\n")
    return checkout


@pytest.fixture
def venv(root: Path) -> Venv:
    """A finished .venv in it; its Python is this one."""
    made = Venv(root)
    (made.path / "lib" / "python3.99" / "site-packages").mkdir(parents=True)
    (made.path / "bin").mkdir()
    made.python.symlink_to(sys.executable)
    made.finish(LOCKS)
    return made


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be installed, instead of installing it."""
    calls: list[list[str]] = []

    def install(venv: Venv, requirements: list[str], lock_fd: int) -> None:
        calls.append([name for name in requirements if name.endswith(".txt")])
        (venv.path / "lib" / "python3.99" / "site-packages").mkdir(parents=True, exist_ok=True)
        (venv.path / "bin").mkdir(exist_ok=True)
        venv.python.unlink(missing_ok=True)
        venv.python.symlink_to(sys.executable)

    monkeypatch.setattr(make_venv, "install", install)
    return calls


def test_finished_venv_is_up_to_date(venv: Venv) -> None:
    assert venv.is_up_to_date(LOCKS)


def test_finished_venv_of_run_is_not_enough_for_the_tests(venv: Venv) -> None:
    assert not venv.is_up_to_date((*LOCKS, "requirements-dev.txt"))


def test_new_lock_file_makes_it_out_of_date(venv: Venv) -> None:
    (venv.root / "requirements.txt").write_text("other==2\n")
    assert not venv.is_up_to_date(LOCKS)
    assert venv.is_usable()


def test_interrupted_installation_is_not_taken_for_finished(venv: Venv) -> None:
    venv.begin()
    assert not venv.is_up_to_date(LOCKS)
    assert not venv.is_usable()


def test_moved_checkout_needs_a_new_venv(venv: Venv) -> None:
    elsewhere = venv.root.rename(venv.root.with_name("elsewhere"))
    assert not Venv(elsewhere).is_usable()


def test_other_python_needs_a_new_venv(venv: Venv) -> None:
    stamp = venv.path / "fairdeal.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.11.0a1"}))
    assert not venv.is_usable()


def test_vanished_python_needs_a_new_venv(venv: Venv) -> None:
    venv.python.unlink()
    venv.python.symlink_to(venv.path / "nowhere")
    assert not venv.is_usable()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"root": 1}'])
def test_stamp_that_makes_no_sense_counts_as_none(venv: Venv, content: str) -> None:
    (venv.path / "fairdeal.json").write_text(content)
    assert not venv.is_up_to_date(LOCKS)


def test_project_is_importable_and_its_command_survives_a_space_in_the_path(venv: Venv) -> None:
    assert (venv.path / "lib/python3.99/site-packages/fairdeal.pth").read_text() == f"{venv.root}\n"
    (venv.root / "service.py").write_text("import sys; print(sys.argv[1:])")
    command = [venv.path / "bin" / "fairdeal", "a b", "$c"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(venv.root)})
    assert said.stdout == "['a b', '$c']\n"


def test_incomplete_venv_is_made_from_scratch(venv: Venv, installed: list[list[str]]) -> None:
    venv.begin()
    (venv.path / "rest").touch()
    make(venv, LOCKS, 0)
    assert not (venv.path / "rest").exists()
    assert installed == [list(LOCKS)]
    assert venv.is_up_to_date(LOCKS)


def test_new_lock_file_is_installed_on_top(venv: Venv, installed: list[list[str]]) -> None:
    (venv.path / "rest").touch()
    (venv.root / "requirements.txt").write_text("other==2\n")
    make(venv, LOCKS, 0)
    assert (venv.path / "rest").exists()
    assert venv.is_up_to_date(LOCKS)


def test_what_the_tests_need_stays_in_step_when_run_installs(venv: Venv, installed: list[list[str]]) -> None:
    everything = (*LOCKS, "requirements-dev.txt")
    venv.finish(everything)
    (venv.root / "requirements.txt").write_text("other==2\n")
    make(venv, LOCKS, 0)
    assert installed == [list(everything)]
    assert venv.is_up_to_date(everything)


def test_failed_installation_leaves_no_stamp(venv: Venv, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InstallError("no network")

    monkeypatch.setattr(make_venv, "install", fail)
    with pytest.raises(InstallError):
        make(venv, LOCKS, 0)
    assert venv.stamp() == {}


def test_failing_installer_shows_its_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('it is the network'); raise SystemExit(3)"]
    with (tmp_path / "lock").open("w") as lock, pytest.raises(InstallError, match="it is the network"):
        make_venv.run(command, tmp_path, lock.fileno())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Collecting flask==3.1.3 (from -r requirements.txt (line 1))", "flask==3.1.3"),
        ("Installing collected packages: a, b", "unpacking"),
        ("Installed 44 packages in 92ms", "Installed 44 packages in 92ms"),
        ("  Using cached x.whl", ""),
    ],
)
def test_progress_names_what_is_fetched(line: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_venv.show(line)
    assert capsys.readouterr().err.removeprefix("venv   |").strip() == shown


def test_version_of_a_python_that_does_not_run_is_unknown(tmp_path: Path) -> None:
    assert python_version(tmp_path / "python") is None


def test_digests_change_with_the_content(root: Path) -> None:
    before = digests(root, LOCKS)
    (root / LOCKS[0]).write_text("x")
    after = digests(root, LOCKS)
    assert before[LOCKS[0]] != after[LOCKS[0]]
    assert before[LOCKS[1]] == after[LOCKS[1]]


def test_traces_are_installed_where_they_are_wanted() -> None:
    assert "requirements-otel.txt" not in make_venv.needed("run_service", {})
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert make_venv.needed("run_service", wanted) == (*make_venv.needed("run_service", {}), "requirements-otel.txt")
