"""The account that embedded servers run under: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path


class NoAccountError(Exception):
    """Say that root has no unprivileged account to lend."""


@dataclass(frozen=True)
class Account:
    """An account to drop to: its name and numeric ids."""

    name: str
    uid: int
    gid: int


def server_account(data: Path) -> Account | None:
    """Return the account that a server with its files in `data` runs under; None is our own.

    Root gives up its rights: to the owner of existing data, else to postgres, else to nobody.
    Raises `NoAccountError` when root finds none of these.
    """
    if os.geteuid() != 0:
        return None
    if data.is_dir() and data.stat().st_uid != 0:
        owner = data.stat()
        return Account(name=_name(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise NoAccountError(
        "PostgreSQL does not run as root, and there is neither a postgres nor a nobody account to run it under; "
        "start as a plain user, or set DATABASE_URL and REDIS_URL"
    )


def make_directory(path: Path, account: Account | None) -> None:
    """Make a directory that only `account` (None: we ourselves) can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def can_reach(path: Path, account: Account | None) -> bool:
    """Say whether `account` gets to a directory of its own by its path: everything above must be open to all."""
    return account is None or all(above.stat().st_mode & stat.S_IXOTH for above in path.absolute().parents)


def working_directory(path: Path, account: Account | None) -> str:
    """Name a directory that a command of `account` is started in, so that the command gets there.

    Directories above may be closed to it (a checkout below /root). The working directory is entered before
    the change of user, and on Linux /proc/self/cwd leads there without a look at what is above.
    """
    return str(path) if can_reach(path, account) or sys.platform != "linux" else "/proc/self/cwd"


def open_to_pass(path: Path) -> None:
    """Let servers under another account pass through a directory of root's, to files that are theirs."""
    if os.geteuid() == 0:
        path.chmod(0o711)


def write_private(path: Path, text: str, account: Account | None) -> None:
    """Replace a file that only `account` (None: we ourselves) can read; never seen half written."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
