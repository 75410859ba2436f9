"""What commands work with: the settings and the wired service, made when first asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from service import config

if TYPE_CHECKING:
    from service.bootstrap import Container

F = TypeVar("F", bound=Callable[..., Any])


class Setup:
    """Read the settings from `environ` (default: the process environment) and wire the service, both lazily."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        container: Container | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use `container` instead of wiring one, and leave it open; `clock` and `sleep` are for commands that wait."""
        self.clock = clock
        self.sleep = sleep
        self._environ = environ
        self._container = container
        self._made_here = False

    @cached_property
    def settings(self) -> config.Settings:
        """Read the settings. Raises `ConfigurationError`."""
        return config.load(self._environ)

    @property
    def container(self) -> Container:
        """Wire the service; nothing connects yet. Raises `ConfigurationError`."""
        if self._container is None:
            # Imported here: `--help` and a wrong environment need none of it, and it takes half a second.
            from service.bootstrap import build_container
            from service.observability import configure_logging

            configure_logging(level="error", shape="text")
            self._container = build_container(self.settings)
            self._made_here = True
        return self._container

    def close(self) -> None:
        """Close the connections that were opened here."""
        if self._container is not None and self._made_here:
            self._container.close()
            self._container = None


def pass_setup(command: F) -> F:
    """Hand the `Setup` to a command as its first argument."""
    return cast("F", click.make_pass_decorator(Setup)(command))
