"""A file gone on with in the middle: what comes behind a line is read as if all of it had been."""

from __future__ import annotations

import io
import random

import pytest

from service.domain.errors import InvalidInput
from service.usecases.ticket_files import MAX_ROW_BYTES, FileFormat, Row, RowError, rows_of

CSV = (
    b"a,b\n",
    b'"x\ny",z\n',
    b'5" pipe,b\n',
    b"\n",
    b",\n",
    b"a\n",
    b'"q""q",e\n',
    b"a\rb,c\n",
    b"\xff,v\r\n",
    b'"open,\n',
)
NDJSON = (b'{"subject": "a"}\n', b"{}\n", b"\n", b"nonsense\n", b'{"subject": "\xff"}\n', b"12\n")


def read(content: bytes, format_: FileFormat, after_line: int = 0) -> list[Row | RowError]:
    return list(rows_of(io.BytesIO(content), format_, after_line=after_line))


@pytest.mark.parametrize("seed", range(400))
def test_what_comes_behind_a_line_is_what_a_whole_reading_finds_there(seed: int) -> None:
    dice = random.Random(seed)
    format_ = dice.choice(list(FileFormat))
    head, lines = (b"subject,description\n", CSV) if format_ is FileFormat.CSV else (b"", NDJSON)
    content = head + b"".join(dice.choices(lines, weights=[9] * (len(lines) - 1) + [1], k=dice.randint(0, 14)))
    content = content.rstrip(b"\n") if dice.random() < 0.3 else content
    if not content.strip():
        return
    whole = read(content, format_)
    for after_line in range(18):
        assert read(content, format_, after_line) == [row for row in whole if row.line > after_line], content


def test_a_row_too_long_is_passed_over_whole() -> None:
    content = b"subject\n" + b"x" * (2 * MAX_ROW_BYTES) + b"\nsecond\nthird\n"
    assert read(content, FileFormat.CSV, 3) == [Row(4, {"subject": "third"})]
    assert read(content, FileFormat.CSV, 2) == [Row(3, {"subject": "second"}), Row(4, {"subject": "third"})]


def test_a_file_that_cannot_be_read_is_refused_in_the_middle_too() -> None:
    with pytest.raises(InvalidInput):
        read(b"colour\nred\n", FileFormat.CSV, 1)


def test_most_of_what_is_passed_over_is_not_read_as_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    read_as_rows: list[object] = []
    monkeypatch.setattr(
        "service.usecases.ticket_files.Row", lambda *values: read_as_rows.append(values) or Row(*values)
    )
    rows = read(b"subject\n" + b"x\n" * 100, FileFormat.CSV, 99)
    assert [row.line for row in rows] == [100, 101]
    assert len(read_as_rows) == 2
