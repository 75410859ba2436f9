"""Make .venv from the hashed lock files, then run a module of scripts/ in it. Standard library only.

`make_venv.py --check run_service` says by its exit status whether .venv is up to date for that module;
`make_venv.py run_service [argument...]` brings it up to date and becomes the module.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
_RUNTIME = ("requirements.txt", "requirements-embedded.txt")
LOCKS = {"run_service": _RUNTIME, "benchmark": _RUNTIME, "run_tests": (*_RUNTIME, "requirements-dev.txt")}
_TRACES = "requirements-otel.txt"
_FIRST_PIP_FOR_OTHERS = (22, 3)


class InstallError(Exception):
    """Say what could not be installed, and why."""


class Venv:
    """The virtual environment of a checkout, and the stamp that says what is in it."""

    def __init__(self, root: Path) -> None:
        """Name the .venv of the checkout at `root`; nothing is touched yet."""
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self._stamp = self.path / "fairdeal.json"

    def stamp(self) -> dict[str, object]:
        """Return what the last complete installation wrote; empty if there was none."""
        try:
            found = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_up_to_date(self, locks: tuple[str, ...]) -> bool:
        """Say whether everything in `locks` is installed. Run this by the Python of .venv itself."""
        installed = self.stamp().get("locks")
        if not isinstance(installed, dict) or not self.is_usable():
            return False
        return digests(self.root, locks).items() <= installed.items()

    def is_usable(self) -> bool:
        """Say whether .venv is complete, was made at this place, and still has the Python it was made with."""
        stamp = self.stamp()
        if stamp.get("root") != str(self.root) or not os.access(self.python, os.X_OK):
            return False
        return stamp.get("python") == python_version(self.python)

    def begin(self) -> None:
        """Take the stamp away: an installation that does not come to its end leaves none."""
        self._stamp.unlink(missing_ok=True)

    def finish(self, locks: tuple[str, ...]) -> None:
        """Make the project importable and its command available, then say that all is well."""
        packages = next(self.path.glob("lib/python*/site-packages"))
        (packages / "fairdeal.pth").write_text(f"{self.root}\n", encoding="utf-8")
        command = self.path / "bin" / "fairdeal"
        # -P: a directory called service where the user stands must not be taken for ours.
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(self.python))} -P -m service "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        content = {
            "root": str(self.root),
            "python": python_version(self.python),
            "locks": digests(self.root, locks),
        }
        draft = self._stamp.with_suffix(".new")
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self._stamp)


def needed(module: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the lock files of what a module needs: of traces too, where they are wanted."""
    return (*LOCKS[module], _TRACES) if environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") else LOCKS[module]


def digests(root: Path, locks: tuple[str, ...]) -> dict[str, str]:
    """Return a digest of each lock file."""
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in locks}


def python_version(python: Path) -> str | None:
    """Return the full version of an interpreter; None when it does not run."""
    if os.path.abspath(sys.executable) == str(python):  # noqa: PTH100 - following links would leave .venv
        return platform.python_version()
    try:
        return subprocess.run(
            [python, "-I", "-S", "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def make(venv: Venv, locks: tuple[str, ...], lock_fd: int) -> None:
    """Bring .venv up to date, from scratch unless what is there can be built on. Raises `InstallError`."""
    started = time.monotonic()
    installed = venv.stamp().get("locks")
    if venv.is_usable() and isinstance(installed, dict):
        # What the tests need stays installed, and in step, when `run` finds new lock files.
        locks = tuple(name for name in (*LOCKS["run_tests"], _TRACES) if name in locks or name in installed)
    elif venv.path.exists():
        say("making .venv anew (it is incomplete, was moved, or its Python has changed)")
        venv.begin()
        shutil.rmtree(venv.path)
    venv.begin()
    count = sum(len(re.findall(r"^[\w.-]+==", (venv.root / name).read_text(), re.MULTILINE)) for name in locks)
    say(f"installing about {count} packages into .venv, as {', '.join(locks)} say")
    requirements = ["--require-hashes", *(part for name in locks for part in ("-r", name))]
    install(venv, requirements, lock_fd)
    venv.finish(locks)
    say(f".venv is ready after {time.monotonic() - started:.1f} s")


def install(venv: Venv, requirements: list[str], lock_fd: int) -> None:
    """Install with uv if it is here and able, else with pip. Raises `InstallError`."""
    uv = shutil.which("uv")
    if uv is not None:
        with contextlib.suppress(InstallError):
            create(venv, with_pip=False)
            options = ["--python", str(venv.python), "--compile-bytecode"]
            run([uv, "pip", "install", *options, *requirements], venv.root, lock_fd)
            return
        say("uv could not install (above); trying pip")
    if pip_installs_for_others():
        create(venv, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", str(venv.python)]
    else:
        create(venv, with_pip=True)
        pip = [str(venv.python), "-m", "pip"]
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    run([*pip, "install", *options, *requirements], venv.root, lock_fd)


def create(venv: Venv, *, with_pip: bool) -> None:
    """Make an empty .venv unless there is one. Raises `InstallError`."""
    if venv.python.exists() and (not with_pip or list(venv.path.glob("lib/python*/site-packages/pip"))):
        return
    options = [] if with_pip else ["--without-pip"]
    done = subprocess.run(
        [sys.executable, "-m", "venv", *options, str(venv.path)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise InstallError(
            f"python -m venv failed:\n{done.stdout}{done.stderr}\n"
            "pip is needed too (Debian, Ubuntu: apt install python3-venv python3-pip)"
        )


def pip_installs_for_others() -> bool:
    """Say whether this Python has a pip that can install into .venv; that saves putting a pip there.

    It also is the way where `python -m venv` lacks ensurepip (Debian without python3-venv).
    """
    done = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"pip (\d+)\.(\d+)", done.stdout)
    return match is not None and (int(match[1]), int(match[2])) >= _FIRST_PIP_FOR_OTHERS


def run(command: list[str], cwd: Path, lock_fd: int) -> None:
    """Run an installer and show what it does. Raises `InstallError` with all its words when it fails.

    It inherits the lock: if we are killed and it lives on, nobody starts another one beside it.
    """
    # Somebody's --user default, module path or warnings-as-errors are not meant for pip.
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONWARNINGS")}
    environ |= {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    words: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        pass_fds=(lock_fd,),
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                words.append(line)
                show(line.strip())
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # `pip --python` does its work in a process of its own
            raise
    if process.returncode != 0:
        raise InstallError(f"{' '.join(command[:4])} ... failed:\n{''.join(words[-40:])}")


def show(line: str) -> None:
    """Show what is being fetched: pip and uv say far more."""
    match = re.match(r"Collecting ([\w.-]+==\S+)|(Installing collected packages)|((?:Prepared|Installed) .*)", line)
    if match is None:
        return
    say("  " + (match[1] or match[3] or "unpacking"))


def say(words: str) -> None:
    """Tell the user how far it is."""
    print(f"venv   | {words}", file=sys.stderr, flush=True)


def locked(root: Path) -> int:
    """Wait until nobody else installs here; return the descriptor that holds the lock."""
    # The lock is on the checkout itself: a file in .venv would go with it.
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another start is making .venv; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def become(venv: Venv, module: str, arguments: list[str]) -> NoReturn:
    """Go on as a module of scripts/, under the same process id."""
    environ = {**os.environ, "PYTHONPATH": str(venv.root)}
    command = [str(venv.python), "-m", f"scripts.{module}", *arguments]
    os.execve(venv.python, command, environ)  # noqa: S606 - no shell is what is wanted


def main(arguments: list[str]) -> int:
    """Check, or make .venv and become the module that was asked for."""
    venv = Venv(ROOT)
    if arguments[0] == "--check":
        return 0 if venv.is_up_to_date(needed(arguments[1], os.environ)) else 1
    module, *rest = arguments
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        lock_fd = locked(ROOT)
        locks = needed(module, os.environ)
        if not venv.is_up_to_date(locks):
            make(venv, locks, lock_fd)
    except (InstallError, OSError) as exc:
        say(f"{exc}\nFairdeal cannot install what it needs into {venv.path}.")
        return 1
    except KeyboardInterrupt:
        return 130
    become(venv, module, rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
