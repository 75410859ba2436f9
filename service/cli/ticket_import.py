"""`fairdeal import`: tickets from a file."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO

import click

from service.cli.failures import sentence
from service.cli.printing import ProgressLine, examples
from service.cli.setup import Setup, pass_setup
from service.domain.errors import FairdealError
from service.usecases.ports.imports import OnError
from service.usecases.ticket_files import FORMATS_BY_SUFFIX, FileFormat
from service.usecases.ticket_import import ImportBatch

LISTED_ERRORS = 50
"""Bad rows told one by one; the others are only counted."""

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended."""


@click.command(
    "import",
    epilog=examples(
        "fairdeal import tickets.csv --dry-run",
        "fairdeal import tickets.csv --on-error abort",
        "zcat tickets.ndjson.gz | fairdeal import - --format ndjson",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "format_name",
    type=click.Choice([format_.value for format_ in FileFormat]),
    help="What the file is (default: by its name).",
)
@click.option(
    "--on-error",
    type=click.Choice([choice.value for choice in OnError]),
    default=OnError.SKIP.value,
    show_default=True,
    help="Leave bad rows out, or stop before the first.",
)
@click.option("--dry-run", is_flag=True, help="Check the file and import nothing.")
@pass_setup
def import_tickets(setup: Setup, *, file: BinaryIO, format_name: str | None, on_error: str, dry_run: bool) -> None:
    """Create tickets from FILE, CSV or NDJSON, `-` for stdin.

    The columns are subject (or title), description, priority (high, medium or low; medium when empty) and external_id
    (what another system calls the ticket); only the subject is needed. CSV begins with a row that names them; NDJSON
    has one JSON object on each line. Both are UTF-8.

    A row whose external_id is there already makes no second ticket, so that an import may be repeated; --dry-run says
    how many of those there are.

    Tickets are created in the order of the file, some thousands in a transaction; each batch is queued once it is
    committed. Bad rows are reported with their line numbers on stderr. Exit status 1 when there were any.
    """
    format_ = _format(file, format_name)
    run = _Run(dry_run=dry_run, size=_size(file), position=_position(file))
    with run.attended():
        batches = setup.container.ticket_import.batches(
            file,
            format=format_,
            actor_id=None,
            on_error=OnError(on_error),
            dry_run=dry_run,
            undisturbed=lambda: run.interrupt,
            ahead=run.size is not None,
        )
        for batch in batches:
            run.count(batch)
    run.finish()


def _format(file: BinaryIO, name: str | None) -> FileFormat:
    if name is not None:
        return FileFormat(name)
    suffix = Path(str(getattr(file, "name", ""))).suffix.lower()
    if suffix not in FORMATS_BY_SUFFIX:
        raise click.UsageError("Say what the file is: --format csv or --format ndjson.")
    return FORMATS_BY_SUFFIX[suffix]


def _size(file: BinaryIO) -> int | None:
    """Return the file's length in bytes; None for a pipe."""
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _position(file: BinaryIO) -> Callable[[], int]:
    return file.tell


class _Interrupt:
    """Hold Ctrl-C back from the start of a batch's transaction until the batch has been counted."""

    def __init__(self) -> None:
        self._busy = False
        self._pressed = False

    def __enter__(self) -> None:
        self._busy = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stay busy: the batch is committed, and not counted yet."""

    def counted(self) -> None:
        """Let Ctrl-C through again. Raises `KeyboardInterrupt` for one held back."""
        self._busy = False
        if self._pressed:
            raise KeyboardInterrupt

    def press(self, _signal: int, _frame: FrameType | None) -> None:
        """Take the signal: the first one during a batch waits, a second one does not."""
        if not self._busy or self._pressed:
            raise KeyboardInterrupt
        self._pressed = True


@dataclass(slots=True)
class _Run:
    """What has come of the import so far."""

    dry_run: bool
    size: int | None
    position: Callable[[], int]
    imported: int = 0
    already_there: int = 0
    bad: int = 0
    line: int = 0
    stopped: bool = False
    interrupt: _Interrupt = field(default_factory=_Interrupt)
    progress: ProgressLine = field(default_factory=ProgressLine)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Let Ctrl-C and failures end with an account of what was done."""
        before = signal.signal(signal.SIGINT, self.interrupt.press)
        try:
            yield
        except KeyboardInterrupt:
            self.progress.clear()
            click.echo(f"Interrupted: {self._account()}, up to line {self.line}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except FairdealError as exc:
            self.progress.clear()
            so_far = f"; before that, {self._account()}" if self.line else ""
            raise click.ClickException(sentence(exc) + so_far) from exc
        finally:
            signal.signal(signal.SIGINT, before)

    def count(self, batch: ImportBatch) -> None:
        """Add a batch, tell its errors, and show how far it is."""
        new = sum(row.is_new for row in batch.rows)
        self.imported += new
        self.already_there += len(batch.rows) - new
        self.line = batch.line
        self.stopped = batch.stopped
        self.progress.clear()
        for error in batch.errors:
            self.bad += 1
            if self.bad <= LISTED_ERRORS:
                click.echo(f"line {error.line}: {error.message}", err=True)
        done = f", {100 * self.position() // self.size} %" if self.size else ""
        self.progress.show(f"{self._account()}{done}")
        self.interrupt.counted()

    def finish(self) -> None:
        """Print the summary; bad rows are a failure."""
        self.progress.clear()
        if self.bad > LISTED_ERRORS:
            click.echo(f"... and {self.bad - LISTED_ERRORS:,} bad rows more", err=True)
        click.echo(self._account())
        if self.stopped:
            raise click.ClickException(f"Stopped at line {self.line}; what comes after it was not imported")
        if self.bad:
            raise click.exceptions.Exit(1)

    def _account(self) -> str:
        verb = "would be imported" if self.dry_run else "imported"
        noun = "ticket" if self.imported == 1 else "tickets"
        bad = f", {self.bad:,} bad {'row' if self.bad == 1 else 'rows'} left out" if self.bad else ""
        there = f", {self.already_there:,} already there" if self.already_there else ""
        return f"{self.imported:,} {noun} {verb}{there}{bad}"
