"""`fairdeal import` without servers: interruptions, failures, and what is told of bad rows."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli import cli
from service.cli.setup import Setup
from service.domain.errors import StoreUnavailable
from service.usecases.ports.tickets import ImportedTicket, TicketDraft
from service.usecases.ticket_import import BATCH, TicketImport


class CountedTickets:
    """Stand in for `Tickets`; at batch `interrupt_at`, Ctrl-C is pressed in the middle."""

    def __init__(self, *, interrupt_at: int = 0, fail_at: int = 0) -> None:
        self.batches = 0
        self.created = 0
        self._interrupt_at = interrupt_at
        self._fail_at = fail_at

    def import_many(self, drafts: Sequence[TicketDraft], **_: Any) -> list[ImportedTicket]:
        self.batches += 1
        if self.batches == self._fail_at:
            raise StoreUnavailable("PostgreSQL did not answer")
        if self.batches == self._interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        self.created += len(drafts)
        return [ImportedTicket(n, draft.external_id != "old") for n, draft in enumerate(drafts)]

    def queue_imported(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
        """Nothing to know here."""

    def refresh_statistics(self, *, new: int) -> None:
        """Nor here."""


def run(*args: str, tickets: CountedTickets, stdin: str = "") -> Result:
    parts: Any = SimpleNamespace(ticket_import=TicketImport(tickets=tickets))  # type: ignore[arg-type]
    return CliRunner().invoke(cli, ("import", *args), obj=Setup({}, container=parts), input=stdin)


def run_import(tickets: CountedTickets, content: str, *args: str) -> Result:
    return run("-", "--format", "csv", *args, tickets=tickets, stdin=content)


def test_ctrl_c_in_a_transaction_lets_it_end_and_counts_it() -> None:
    tickets = CountedTickets(interrupt_at=2)
    before = signal.getsignal(signal.SIGINT)
    result = run_import(tickets, "subject\n" + "One\n" * (5 * BATCH))
    assert tickets.created == 2 * BATCH
    assert result.exit_code == 130
    assert result.stderr == f"Interrupted: {2 * BATCH:,} tickets imported, up to line {2 * BATCH + 1}\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_an_import_that_fails_under_way_says_what_was_done() -> None:
    result = run_import(CountedTickets(fail_at=3), "subject\n" + "One\n" * (5 * BATCH))
    assert result.exit_code == 1
    assert f"whether lines {2 * BATCH + 2} to {3 * BATCH + 1} were imported is unknown" in result.stderr
    assert f"before that, {2 * BATCH:,} tickets imported" in result.stderr


def test_bad_rows_are_told_up_to_a_number_and_all_counted() -> None:
    result = run_import(CountedTickets(), "subject,priority\nOne,low\n" + "One,urgent\n" * 60)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "line 3: priority: must be high, medium or low"
    assert len(lines) == 51
    assert lines[-1] == "... and 10 bad rows more"
    assert result.stdout == "1 ticket imported, 60 bad rows left out\n"


def test_an_aborted_import_says_where_it_stopped() -> None:
    result = run_import(CountedTickets(), "subject,priority\nOne,low\nTwo,x\nThree,low\n", "--on-error", "abort")
    assert result.exit_code == 1
    assert "Stopped at line 3" in result.stderr
    assert result.stdout == "1 ticket imported, 1 bad row left out\n"


def test_a_file_that_is_no_table_is_refused_in_a_sentence() -> None:
    result = run_import(CountedTickets(), "colour\nred\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: file: line 1 names an unknown column: 'colour'")


@pytest.mark.parametrize(("name", "content"), [("a.csv", "subject\nx\n"), ("a.NDJSON", '{"subject":"x"}')])
def test_the_format_is_known_by_the_files_name(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert run(str(path), tickets=CountedTickets()).stdout == "1 ticket imported\n"


def test_rows_that_were_there_are_counted_apart() -> None:
    result = run_import(CountedTickets(), "subject,external_id\nOne,new\nTwo,old\nThree,\n")
    assert (result.exit_code, result.stdout) == (0, "2 tickets imported, 1 already there\n")
