"""How commands show things: tables for people, JSON for programs, progress for terminals."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program.")(command)


def examples(*lines: str) -> str:
    """Word examples for the end of a command's help, each on a line of its own."""
    listed = "\n".join(f"  {line}" for line in lines)
    return f"\b\n{'Example' if len(lines) == 1 else 'Examples'}:\n{listed}"


def print_json(value: object) -> None:
    """Print a value, dataclasses included, as JSON."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value) if isinstance(value, Mapping) else str(value)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below headings, in columns as wide as they need to be; numbers stand on the right."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    numeric = [rows and all(isinstance(row[place], int | float) for row in rows) for place in range(len(headings))]
    for line in (headings, *texts):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


class ProgressLine:
    """One line on stderr that is written over, where a person is watching; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._length = 0

    def show(self, text: str) -> None:
        """Write the line anew."""
        if self._shown:
            click.echo(f"\r{text.ljust(self._length)}", err=True, nl=False)
            self._length = len(text)

    def clear(self) -> None:
        """Take the line away."""
        self.show("")
        if self._shown:
            click.echo("\r", err=True, nl=False)


def counts(mapping: Mapping[str, int]) -> str:
    """Word counts by kind: "missing 3, phantom 1"."""
    return ", ".join(f"{kind} {count:,}" for kind, count in mapping.items() if count) or "nothing"
