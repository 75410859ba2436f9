"""Importing tickets from files: what is read, what is refused, and what a batch is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from service.domain.errors import InvalidInput, StoreUnavailable
from service.domain.model import Priority
from service.usecases.ports.imports import ImportMark, OnError
from service.usecases.ports.tickets import ImportedTicket, TicketDraft
from service.usecases.ticket_files import MAX_ROW_BYTES, FileFormat
from service.usecases.ticket_import import BATCH, ImportBatch, TicketImport
from service.usecases.tickets import Tickets

CSV, NDJSON = FileFormat.CSV, FileFormat.NDJSON


class CreatedTickets:
    """Stand in for `Tickets`: keep the batches of drafts, and number them."""

    def __init__(self) -> None:
        self.batches: list[list[TicketDraft]] = []
        self.refreshed_at: list[int] = []
        self.fails = False

    @property
    def drafts(self) -> list[TicketDraft]:
        return [draft for batch in self.batches for draft in batch]

    def import_many(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, mark: ImportMark | None
    ) -> list[ImportedTicket]:
        assert actor_id in (7, None)
        if self.fails:
            raise StoreUnavailable("PostgreSQL did not answer")
        first = len(self.drafts) + 1
        self.batches.append(list(drafts))
        return [ImportedTicket(first + place, is_new=True) for place, _ in enumerate(drafts)]

    def queue_imported(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
        assert len(drafts) == len(imported)

    def refresh_statistics(self, *, new: int) -> None:
        self.refreshed_at.append(new)


@pytest.fixture
def tickets() -> CreatedTickets:
    return CreatedTickets()


def run(tickets: CreatedTickets, content: str | bytes, format_: FileFormat = CSV, **options: Any) -> list[ImportBatch]:
    source = io.BytesIO(content.encode() if isinstance(content, str) else content)
    importer = TicketImport(tickets=tickets)  # type: ignore[arg-type]
    return list(importer.batches(source, format=format_, actor_id=7, **options))


def errors(batches: list[ImportBatch]) -> list[tuple[int, str]]:
    return [(error.line, error.message) for batch in batches for error in batch.errors]


def test_csv_rows_become_tickets_in_the_order_of_the_file(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject,description,priority\nFirst,It broke,high\nSecond,,\nThird,Help,LOW\n")
    assert tickets.drafts == [
        TicketDraft(subject="First", description="It broke", priority=Priority.HIGH),
        TicketDraft(subject="Second", description="", priority=Priority.MEDIUM),
        TicketDraft(subject="Third", description="Help", priority=Priority.LOW),
    ]
    assert [(row.line, row.ticket_id) for row in batches[0].rows] == [(2, 1), (3, 2), (4, 3)]
    assert errors(batches) == []


def test_ndjson_objects_become_tickets(tickets: CreatedTickets) -> None:
    lines = [{"subject": "First", "priority": "high"}, {"title": "Second", "description": None, "priority": None}]
    run(tickets, "\n".join(map(json.dumps, lines)), NDJSON)
    assert tickets.drafts == [
        TicketDraft(subject="First", priority=Priority.HIGH),
        TicketDraft(subject="Second", priority=Priority.MEDIUM),
    ]


def test_columns_may_stand_in_any_order_and_case_and_title_means_subject(tickets: CreatedTickets) -> None:
    run(tickets, " Priority ,TITLE\nlow,One\n")
    assert tickets.drafts == [TicketDraft(subject="One", priority=Priority.LOW)]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_line_ends_and_empty_lines_do_not_matter(tickets: CreatedTickets, newline: str) -> None:
    rows = ["\ufeffsubject,priority", "", "One,low", "   ", ",", '"Two",high', ""]
    batches = run(tickets, newline.join(rows))
    assert [draft.subject for draft in tickets.drafts] == ["One", "Two"]
    assert [row.line for row in batches[0].rows] == [3, 6]


def test_a_file_without_a_newline_at_its_end_is_read_to_the_end(tickets: CreatedTickets) -> None:
    run(tickets, "subject\nOne\nTwo")
    assert [draft.subject for draft in tickets.drafts] == ["One", "Two"]


def test_quoted_newlines_and_quotes_stay_in_the_description(tickets: CreatedTickets) -> None:
    batches = run(tickets, 'subject,description\nOne,"He said ""no"".\nTwice, even."\nTwo,plain\n')
    assert tickets.drafts[0].description == 'He said "no".\nTwice, even.'
    assert [row.line for row in batches[0].rows] == [2, 4]


def test_ndjson_reads_what_json_escapes(tickets: CreatedTickets) -> None:
    run(tickets, '{"subject": "\\u00fc \\ud83d\\ude00", "description": "a\\nb"}\n', NDJSON)
    assert tickets.drafts == [TicketDraft(subject="ü 😀", description="a\nb")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("  ,x,low", "subject: must not be empty"),
        (f"{'s' * 201},x,low", "subject: must be at most 200 characters, not 201"),
        ("a\tb,x,low", "subject: must be one line without control characters"),
        ("One,x,urgent", "priority: must be high, medium or low"),
        (f"One,{'d' * 20_001},low", "description: must be at most 20000 characters, not 20001"),
        ("One,a\0b,low", "description: must not contain NUL or half of a surrogate pair"),
        ("One,x", "has 2 values for 3 columns"),
        ("One,x,low,more", "has 4 values for 3 columns"),
        ('One,"x"y,low', "is malformed: ',' expected after '\"'"),
    ],
)
def test_a_bad_csv_row_is_named_by_line_and_the_others_are_imported(
    tickets: CreatedTickets, row: str, words: str
) -> None:
    batches = run(tickets, f"subject,description,priority\nBefore,,\n{row}\nAfter,,\n")
    assert errors(batches) == [(3, words)]
    assert [draft.subject for draft in tickets.drafts] == ["Before", "After"]


def test_every_bad_field_of_a_row_is_named(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject,priority\n ,urgent\n")
    batches += run(tickets, "subject,priority\n,urgent\n")
    assert errors(batches) == [(2, "subject: must not be empty; priority: must be high, medium or low")] * 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "is not JSON (Expecting value)"),
        ("[1, 2]", "is not a JSON object"),
        ('{"subject": 5}', "subject: must be text"),
        ('{"subject": {"a": 1}}', "subject: must be text"),
        ('{"subject": "x", "priority": 0}', "priority: must be text"),
        ('{"subject": "\\ud800"}', "subject: must not be empty"),
        ('{"subject": "a\\ud800"}', "subject: must be one line"),
        ('{"description": "x"}', "subject: must not be empty"),
        ('{"subject": "x", "colour": "red"}', "names an unknown column: 'colour'; known are subject, desc"),
        ('{"subject": "x", "title": "y"}', "names a column twice: subject"),
        ('{"subject": "x", "subject": "y"}', "names a column twice: subject"),
        ('{"subject": ' + "[" * 100_000, "is not JSON (too deep"),
        ('{"subject": ' + "9" * 10_000 + "}", "is not JSON (too deep, or a number too long)"),
    ],
)
def test_a_bad_ndjson_line_is_named_and_the_others_are_imported(tickets: CreatedTickets, line: str, words: str) -> None:
    batches = run(tickets, f'{{"subject": "Before"}}\n{line}\n{{"subject": "After"}}\n', NDJSON)
    assert len(errors(batches)) == 1
    assert errors(batches)[0][0] == 2
    assert errors(batches)[0][1].startswith(words)
    assert [draft.subject for draft in tickets.drafts] == ["Before", "After"]


@pytest.mark.parametrize("format_", [CSV, NDJSON])
def test_a_row_that_is_not_utf8_is_refused_alone(tickets: CreatedTickets, format_: FileFormat) -> None:
    rows = {
        CSV: [b"subject", b"Before", b"Gr\xfc\xdfe", b"After"],
        NDJSON: [b"", b'{"subject": "Before"}', b'{"subject": "Gr\xfc\xdfe"}', b'{"subject": "After"}'],
    }[format_]
    batches = run(tickets, b"\n".join(rows), format_)
    assert errors(batches) == [(3, "is not valid UTF-8")]
    assert [draft.subject for draft in tickets.drafts] == ["Before", "After"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "file: is empty"),
        (b"\n\n", "file: is empty"),
        ("subject\nOne\n".encode("utf-16"), "file: is UTF-16; save it as UTF-8"),
        (b"description,priority\nx,low\n", "file: line 1 has no column subject (or title)"),
        (b"\nsubject,colour,weight\n", "file: line 2 names unknown columns: 'colour', 'weight'; known are"),
        (b"subject,title\n", "file: line 1 names a column twice: subject"),
        (b"subject;priority\n", "file: line 1 names an unknown column: 'subject;priority'"),
        (b"\xff\xfa\x00,subject\n", "file: line 1 is not valid UTF-8"),
        (b'"subject\n', "file: line 1 has a quoted field that is never closed"),
        (b"PK\x03\x04" + bytes(range(256)) * 20, "file: line 1 "),
        (b"subject\rOne\r", "file: line 1 is malformed"),
        (b"s" * (MAX_ROW_BYTES + 5), "file: line 1 is longer than 1,048,576 bytes"),
    ],
)
def test_a_file_that_will_not_do_as_a_whole_is_refused_in_words(
    tickets: CreatedTickets, content: bytes, words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        run(tickets, content)
    assert refused.value.detail.startswith(words)
    assert refused.value.detail.isprintable()
    assert tickets.drafts == []


def test_a_row_too_long_is_skipped_whatever_its_length(tickets: CreatedTickets) -> None:
    huge = "x" * (3 * MAX_ROW_BYTES)
    for format_, content in ((CSV, f"subject\nBefore\n{huge}\nAfter\n"), (NDJSON, f"\nnull\n{huge}\n")):
        batches = run(tickets, content, format_)
        assert (3, "is longer than 1,048,576 bytes") in errors(batches)
    assert [draft.subject for draft in tickets.drafts] == ["Before", "After"]


def test_a_quoted_field_of_many_short_lines_is_cut_off_too(tickets: CreatedTickets) -> None:
    batches = run(tickets, 'subject,description\nBefore,\nOne,"' + "line\n" * 300_000)
    assert errors(batches) == [(3, "has a quoted field that is never closed")]
    assert batches[-1].stopped
    assert [draft.subject for draft in tickets.drafts] == ["Before"]


def test_what_follows_an_unclosed_quote_is_not_guessed_at(tickets: CreatedTickets) -> None:
    batches = run(tickets, 'subject,description\nBefore,\nOne,"oops\nTwo,"quoted" word\nThree,\n')
    assert [draft.subject for draft in tickets.drafts] == ["Before"]
    assert batches[-1].stopped
    assert errors(batches)[0][0] == 3


def test_a_bad_row_aborts_when_asked_to_and_the_rows_before_it_are_imported(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject,priority\nOne,low\nTwo,urgent\nThree,low\n", on_error=OnError.ABORT)
    assert [draft.subject for draft in tickets.drafts] == ["One"]
    assert batches[-1].stopped
    assert batches[-1].line == 3


def test_a_dry_run_checks_everything_and_creates_nothing(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject,priority\nOne,low\nTwo,urgent\n", dry_run=True)
    assert tickets.batches == []
    assert [(row.line, row.ticket_id) for row in batches[0].rows] == [(2, None)]
    assert [line for line, _ in errors(batches)] == [3]


def test_rows_are_created_a_batch_at_a_time(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject\n" + "One\n" * (2 * BATCH + 1))
    assert [len(batch) for batch in tickets.batches] == [BATCH, BATCH, 1]
    assert [batch.line for batch in batches] == [BATCH + 1, 2 * BATCH + 1, 2 * BATCH + 2]


def test_a_batch_of_bad_rows_alone_does_not_grow_without_end(tickets: CreatedTickets) -> None:
    batches = run(tickets, "subject,priority\n" + "One,urgent\n" * (BATCH + 1))
    assert [len(batch.errors) for batch in batches] == [BATCH, 1]
    assert tickets.batches == []


class Endless(io.RawIOBase):
    """A file of tickets without an end."""

    lines = 0

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        self.lines += 1
        return b"subject\n" if self.lines == 1 else b"One\n"


def test_a_batch_of_long_texts_is_a_smaller_one(tickets: CreatedTickets) -> None:
    description = "d" * 20_000
    run(tickets, "subject,description\n" + f"One,{description}\n" * 250)
    assert [len(batch) for batch in tickets.batches] == [100, 100, 50]


def test_the_file_is_read_no_further_than_the_batch_at_hand(tickets: CreatedTickets) -> None:
    source = Endless()
    batches = TicketImport(tickets=tickets).batches(source, format=CSV, actor_id=None)  # type: ignore[arg-type]
    next(batches)
    assert source.lines == BATCH + 1
    batches.close()  # type: ignore[attr-defined]


def test_at_most_one_batch_is_read_ahead_and_nothing_once_nobody_wants_more(tickets: CreatedTickets) -> None:
    source = Endless()
    batches = TicketImport(tickets=tickets).batches(source, format=CSV, actor_id=None, ahead=True)  # type: ignore[arg-type]
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert source.lines == 2 * BATCH + 1
    assert [len(batch) for batch in tickets.batches] == [BATCH]


def test_reading_ahead_changes_nothing_about_what_is_imported(tickets: CreatedTickets) -> None:
    content = "subject,priority\n" + "One,low\nTwo,urgent\n" * BATCH + 'Three,low\n"Four'
    plain = run(tickets, content)
    others = CreatedTickets()
    assert run(others, content, ahead=True) == plain
    assert others.batches == tickets.batches
    assert plain[-1].stopped


def test_what_goes_wrong_while_reading_ahead_is_told_after_the_batches_before_it(tickets: CreatedTickets) -> None:
    class Broken(Endless):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.lines > BATCH:
                raise StoreUnavailable("the upload is out of reach")
            return super().readline(size)

    batches = TicketImport(tickets=tickets).batches(Broken(), format=CSV, actor_id=None, ahead=True)  # type: ignore[arg-type]
    assert len(next(batches).rows) == BATCH
    with pytest.raises(StoreUnavailable, match="out of reach"):
        next(batches)


def test_external_ids_are_trimmed_and_may_be_left_out(tickets: CreatedTickets) -> None:
    run(tickets, "subject,external_id\nOne, ZD-1 \nTwo,\n")
    run(tickets, '{"subject": "Three", "external_id": 17}\n{"subject": "Four", "external_id": null}\n', NDJSON)
    assert [draft.external_id for draft in tickets.drafts] == ["ZD-1", None, "17", None]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("true", "external_id: must be text"),
        ("1.5", "external_id: must be text"),
        ('"a\\nb"', "external_id: must be one line without control characters"),
        (f'"{"x" * 201}"', "external_id: must be at most 200 characters, not 201"),
    ],
)
def test_an_external_id_that_will_not_do_is_named_with_its_line(
    tickets: CreatedTickets, given: str, words: str
) -> None:
    batches = run(tickets, f'{{"subject": "x", "external_id": {given}}}\n{{"subject": "", "external_id": 5}}', NDJSON)
    assert errors(batches) == [(1, words), (2, "subject: must not be empty")]


def test_when_the_store_is_away_the_lines_in_doubt_are_named(tickets: CreatedTickets) -> None:
    tickets.fails = True
    with pytest.raises(StoreUnavailable, match="whether lines 2 to 3 were imported is unknown"):
        run(tickets, "subject\nOne\nTwo\n")


def test_each_transaction_is_undisturbed(tickets: CreatedTickets) -> None:
    seen: list[str] = []

    @contextmanager
    def undisturbed() -> Iterator[None]:
        seen.append(f"begin {len(tickets.batches)}")
        yield
        seen.append(f"end {len(tickets.batches)}")

    run(tickets, "subject\n" + "One\n" * (BATCH + 1), undisturbed=undisturbed)
    assert seen == ["begin 0", "end 1", "begin 1", "end 2"]


def test_statistics_follow_an_import_as_it_grows(tickets: CreatedTickets) -> None:
    run(tickets, "subject\n" + "x\n" * (4 * BATCH + 7))
    assert tickets.refreshed_at == [BATCH, 4 * BATCH]


def test_statistics_go_on_where_an_import_goes_on(tickets: CreatedTickets) -> None:
    run(tickets, "subject\n" + "x\n" * (5 * BATCH), after_line=1 + 2 * BATCH, imported=2 * BATCH)
    assert tickets.refreshed_at == [4 * BATCH]


def test_a_small_import_leaves_statistics_alone(tickets: CreatedTickets) -> None:
    run(tickets, "subject\n" + "x\n" * 100)
    assert tickets.refreshed_at == []


def test_an_import_goes_on_where_statistics_cannot_be_refreshed() -> None:
    class Store:
        def refresh_statistics(self, *, new: int) -> None:
            raise StoreUnavailable("PostgreSQL did not answer")

    Tickets(store=Store(), queue=None, places=None).refresh_statistics(new=1)  # type: ignore[arg-type]
