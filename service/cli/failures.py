"""How expected failures end: one sentence on stderr and an exit status, never a traceback."""

from __future__ import annotations

from typing import IO, Any

import click

from service.config import ConfigurationError
from service.domain.errors import FairdealError, QueueUnavailable, StoreUnavailable


class BadEnvironment(click.ClickException):
    """The environment is wrong: name every bad variable."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def show(self, file: IO[Any] | None = None) -> None:
        """Print each problem on a line of its own."""
        listed = "\n  ".join(self.problems)
        click.echo(f"Error: the environment is not right:\n  {listed}", file=file, err=file is None)


class FairdealGroup(click.Group):
    """Turn the facts that the core raises into exit statuses."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises `ClickException` for what is expected to fail."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as exc:
            raise BadEnvironment(exc.problems) from exc
        except FairdealError as exc:
            raise click.ClickException(sentence(exc)) from exc


def sentence(error: FairdealError) -> str:
    """Say what went wrong, and what the driver said of a server that is away."""
    reason = driver_words(error)
    return f"{error.detail} ({reason})" if reason else error.detail


def driver_words(error: FairdealError) -> str:
    """Quote the first line of the driver's error; empty for errors that no driver raised."""
    if not isinstance(error, StoreUnavailable | QueueUnavailable) or error.__cause__ is None:
        return ""
    if isinstance(error.__cause__, FairdealError):
        return driver_words(error.__cause__)
    words = str(getattr(error.__cause__, "orig", None) or error.__cause__).strip().splitlines()
    return words[0].strip() if words else ""
