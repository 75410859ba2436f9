"""Start the whole service, keep it running, stop it: what `./scripts/run` does."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
from pathlib import Path

from scripts.account import NoAccountError, open_to_pass
from scripts.binaries import BinaryNotFoundError
from scripts.console import Console
from scripts.data_servers import ServerUnreachableError
from scripts.embedded_server import ServerFailedError
from scripts.left_overs import stop_left_overs
from scripts.ports import try_listening
from scripts.readiness import base_url
from scripts.run_lock import AlreadyRunningError, run_lock
from scripts.secrets_file import SecretsFileError
from scripts.service_parts import Service, StartFailedError
from scripts.stop_request import StopRequest, StopRequestedError
from scripts.supervisor import Supervisor
from scripts.usage import usage
from service.config import ConfigurationError, Settings, load

ROOT = Path(__file__).resolve().parent.parent
_STOPPED, _FAILED, _WRONG = 0, 1, 2
# The runner brings these itself; the rest of the environment is judged before anything is started.
_STAND_INS = {
    "DATABASE_URL": "postgresql://stand-in",
    "REDIS_URL": "redis://stand-in",
    "JWT_SECRET_KEY": secrets.token_urlsafe(32),
    "WEAK_SECRETS": "allowed",
}
_CANNOT_START = (
    AlreadyRunningError,
    BinaryNotFoundError,
    NoAccountError,
    SecretsFileError,
    ServerFailedError,
    ServerUnreachableError,
    StartFailedError,
    OSError,
)


_LISTENING = {
    errno.EADDRINUSE: "another program has the port; stop it or set PORT",
    errno.EADDRNOTAVAIL: "HOST is no address of this machine",
    errno.EACCES: "ports below 1024 are not for plain users; set PORT",
}


class PortTakenError(StartFailedError):
    """Say that the service cannot listen where it should."""


def main(arguments: list[str]) -> int:
    """Run the service until asked to stop; return the exit status."""
    if "--help" in arguments or "-h" in arguments:
        print(usage())
        return _STOPPED
    unknown = [argument for argument in arguments if argument != "--demo"]
    if unknown:
        print(f"Unknown: {' '.join(unknown)}\nUsage: ./scripts/run [--demo] [--help]", file=sys.stderr)
        return _WRONG
    try:
        settings = _settings()
    except ConfigurationError as exc:
        listed = "\n".join(f"  {problem}" for problem in exc.problems)
        print(
            f"These environment variables are wrong:\n{listed}\n./scripts/run --help tells what each is for.",
            file=sys.stderr,
        )
        return _WRONG
    return _run(settings, demo="--demo" in arguments)


def _settings() -> Settings:
    """Judge the whole environment before anything is made. Raises `ConfigurationError` naming all that is wrong."""
    given = {name: value for name, value in os.environ.items() if value}
    against_var_dir = _against_directory(given.get("VAR_DIR") or str(Settings.model_fields["var_dir"].default))
    problems = [] if against_var_dir is None else [f"VAR_DIR: {against_var_dir}"]
    try:
        settings = load(_STAND_INS | given)
    except ConfigurationError as exc:
        raise ConfigurationError([*exc.problems, *problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return settings


def _against_directory(name: str) -> str | None:
    """Say why a directory can be neither used nor made, None for a good one; nothing is made yet."""
    try:
        path = ROOT / Path(name).expanduser()
        there = next(above for above in (path, *path.parents) if above.exists())
        if not there.is_dir():
            return f"must be a directory, or be left to be made; {there} is no directory"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"must be a directory that you can write to; {there} belongs to somebody else"
    except OSError as exc:
        return f"must be a directory that can be reached ({exc.strerror})"
    except RuntimeError:
        return "must not begin with the home directory of somebody unknown"
    return None


def _run(settings: Settings, *, demo: bool) -> int:
    stop = StopRequest()
    stop.listen()
    console = Console()
    try:
        var_dir = _var_dir(settings)
        with run_lock(var_dir, base_url(settings.host, settings.port)):
            count = stop_left_overs(var_dir, stop.check)
            if count:
                console.say("run", f"stopped {count} processes that an earlier start had left behind")
            _require_port(settings)
            return _supervise(Service(ROOT, settings, var_dir, console, Supervisor(console), stop), demo=demo)
    except StopRequestedError:
        console.say("run", "stopped")
        return _STOPPED
    except _CANNOT_START as exc:
        print(f"Fairdeal cannot start: {exc}", file=sys.stderr, flush=True)
        return _FAILED


def _supervise(service: Service, *, demo: bool) -> int:
    try:
        service.start(demo=demo)
        service.keep_running()
    except StopRequestedError:
        service.console.say("run", "stopping")
    finally:
        service.stop()
    service.console.say("run", "stopped")
    return _STOPPED


def _var_dir(settings: Settings) -> Path:
    """Return the data directory, made if need be, as an absolute path without links."""
    path = ROOT / settings.var_dir.expanduser()
    try:
        if not path.exists():
            path.mkdir(mode=0o700, parents=True)
            open_to_pass(path)
        if not path.is_dir():
            raise NotADirectoryError("it is no directory")
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("it belongs to somebody else")
    except OSError as exc:
        raise StartFailedError(f"VAR_DIR {path} cannot be used: {exc}") from exc
    return path.resolve()


def _require_port(settings: Settings) -> None:
    """Make sure that the service can listen where it should. Raises `PortTakenError`."""
    where = f"{settings.host}:{settings.port}"
    try:
        try_listening(settings.host, settings.port)
    except socket.gaierror as exc:
        raise PortTakenError(f"HOST {settings.host} is no address of this machine ({exc.strerror})") from exc
    except OSError as exc:
        raise PortTakenError(f"cannot listen on {where}: {_LISTENING.get(exc.errno or 0, exc.strerror)}") from exc


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
