"""Files and directories for servers under an account of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import account as account_module
from scripts.account import Account, can_reach, make_directory, server_account, working_directory, write_private
from scripts.binaries import Binary, find_binary
from scripts.binary_copy import runnable_by

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
NOBODY = Account(name="nobody", uid=65534, gid=65534)


def test_plain_user_keeps_the_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account(tmp_path) is None


@as_root
def test_root_takes_the_account_that_owns_the_data(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    assert server_account(tmp_path) == Account(name="12345", uid=12345, gid=12346)


@as_root
def test_root_lends_an_unprivileged_account_to_new_data(tmp_path: Path) -> None:
    lent = server_account(tmp_path / "new")
    assert lent is not None
    assert lent.uid != 0


def test_root_without_such_an_account_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> object:
        raise KeyError

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account_module.pwd, "getpwnam", unknown)
    with pytest.raises(account_module.NoAccountError, match="DATABASE_URL"):
        server_account(tmp_path / "new")


def test_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("one", "two"):
        write_private(path, text, None)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (text, 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@as_root
def test_private_things_belong_to_the_account(tmp_path: Path) -> None:
    make_directory(tmp_path / "data", NOBODY)
    write_private(tmp_path / "data" / "file", "x", NOBODY)
    for path in (tmp_path / "data", tmp_path / "data" / "file"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (NOBODY.uid, 0)


def test_directory_below_a_closed_one_is_reached_through_the_working_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    assert not can_reach(closed / "data", NOBODY)
    assert working_directory(closed / "data", NOBODY) == "/proc/self/cwd"
    assert working_directory(closed / "data", None) == str(closed / "data")


@as_root
def test_binaries_out_of_reach_are_copied_once_for_root_alone_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, place = tmp_path / "closed", tmp_path / "place"
    tree = closed / "package"
    tree.mkdir(parents=True)
    closed.chmod(0o700)
    place.mkdir()
    found = find_binary("valkey-server")
    (tree / "valkey-server").write_bytes(found.path.read_bytes())
    (tree / "valkey-server").chmod(0o755)
    binary = Binary(path=tree / "valkey-server", major=found.major, tree=tree, record="one")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(place))
    # Above this temporary directory are closed ones too: what can be run is told by the place alone.
    monkeypatch.setattr("scripts.binary_copy._runs", lambda path, _: path.is_relative_to(place) and path.exists())

    copy = runnable_by(binary, NOBODY)
    assert copy.is_relative_to(place)
    assert copy.read_bytes() == found.path.read_bytes()
    assert copy.stat().st_mode & 0o022 == 0
    copy.write_bytes(b"eaten by a cleaner")
    assert runnable_by(binary, NOBODY) == copy
    assert copy.read_bytes() == found.path.read_bytes()
    other = runnable_by(Binary(path=binary.path, major=found.major, tree=tree, record="two"), NOBODY)
    assert other != copy


def test_own_account_runs_the_binary_where_it_is() -> None:
    found = find_binary("postgres")
    assert runnable_by(found, None) == found.path
