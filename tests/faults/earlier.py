"""Earlier code: the newest commit that had fewer migrations than there are now, checked out beside the present code."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.parts import ROOT

VERSIONS = "service/store/migrations/versions"
LOOKED_AT = 400
"""Commits that are looked at, the newest first."""


class NoEarlierCodeError(Exception):
    """Say why there is none to be had."""


@dataclass(frozen=True)
class Earlier:
    """Code of an earlier commit, in a directory of its own."""

    root: Path
    commit: str
    revision: str
    """The newest migration it knows."""


def earlier_code(directory: Path) -> Earlier:
    """Check earlier code out into `directory`. Raises `NoEarlierCodeError`, as in a checkout without its history."""
    present = _migrations("HEAD")
    for commit in _git("log", f"-{LOOKED_AT}", "--format=%H", "--", "service").split():
        had = _migrations(commit)
        if had and had < present:
            return _checked_out(commit, max(had).partition("_")[0], directory)
    raise NoEarlierCodeError("no commit in this checkout's history has fewer migrations, and the same ones")


def _migrations(commit: str) -> set[str]:
    """Name the migrations of a commit: one that makes another schema has another name."""
    files = map(Path, _git("ls-tree", "--name-only", commit, f"{VERSIONS}/").splitlines())
    return {path.name for path in files if path.name[0].isdigit()}


def _checked_out(commit: str, revision: str, directory: Path) -> Earlier:
    """Unpack a commit. No worktree: that would be written down in the repository."""
    directory.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", commit, "service", "workers"], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
    return Earlier(directory, commit, revision)


def _git(*arguments: str) -> str:
    try:
        found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise NoEarlierCodeError("this checkout has no history, or git is not here") from exc
    return found.stdout
