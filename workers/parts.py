"""The wired parts that a job works with: its own, or those of the process that it shares with others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.bootstrap import Container, build_container
from service.config import load


class _Shared:
    """What one job leaves to the next one of this process."""

    wanted = False
    container: Container | None = None


_shared = _Shared()


def keep() -> None:
    """Have the jobs of this process share their parts from now on."""
    _shared.wanted = True


def let_go() -> None:
    """Close what is shared, at the end of the process: what is to be written yet is written then."""
    if _shared.container is not None:
        _shared.container.close()
        _shared.container = None


@contextmanager
def lent() -> Iterator[Container]:
    """Lend the wired parts to a job."""
    container = _shared.container or build_container(load(), "worker")
    if _shared.wanted:
        _shared.container = container
    try:
        yield container
    finally:
        if not _shared.wanted:
            container.close()
