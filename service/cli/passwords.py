"""How a command is given a password: typed twice, piped in, or made up; never as an argument, which `ps` would show."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from service.usecases.passwords import MAX_LENGTH, generate_password

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ChosenPassword:
    """A password, and whether it was made up here and is to be shown once."""

    text: str = field(repr=False)
    generated: bool = False

    def show_if_generated(self) -> None:
        """Print a generated password."""
        if self.generated:
            click.echo(f"generated password: {self.text}")


def password_options(command: F) -> F:
    """Give a command `--password-stdin` and `--generate-password`."""
    add_generated = click.option("--generate-password", is_flag=True, help="Make a password up and print it, once.")
    add_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
    return add_stdin(add_generated(command))


def choose_password(*, password_stdin: bool, generate: bool) -> ChosenPassword:
    """Get the password in the way that was asked for; without one, ask twice, hidden. Raises `UsageError`."""
    if password_stdin and generate:
        raise click.UsageError("Give --password-stdin or --generate-password, not both.")
    if generate:
        return ChosenPassword(generate_password(), generated=True)
    if password_stdin:
        return ChosenPassword(_first_line())
    return ChosenPassword(click.prompt("Password", hide_input=True, confirmation_prompt="The same again"))


def _first_line() -> str:
    line = sys.stdin.buffer.readline(4 * MAX_LENGTH).rstrip(b"\r\n")
    if not line:
        raise click.UsageError("--password-stdin was given, but there is no password on stdin.")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise click.UsageError("The password on stdin is not valid UTF-8.") from None
