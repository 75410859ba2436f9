"""Files of tickets, CSV (RFC 4180) or NDJSON (one JSON object on a line), read row by row.

Whatever is in the file ends in a `Row`, a `RowError` or `InvalidInput`; memory is bounded by the longest row allowed.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, NamedTuple

from service.domain.errors import InvalidInput

MAX_ROW_BYTES = 1_048_576
"""A row may not be longer. The longest description takes a quarter of it, with every character escaped in JSON."""

COLUMNS = ("subject", "description", "priority", "external_id")
"""The columns there are; `title` is another name for the first, and only that one is required."""

_ALIASES = {"title": "subject"}


class FileFormat(StrEnum):
    """How a file of tickets is written."""

    CSV = "csv"
    NDJSON = "ndjson"


FORMATS_BY_SUFFIX = {".csv": FileFormat.CSV, ".ndjson": FileFormat.NDJSON, ".jsonl": FileFormat.NDJSON}
"""What the end of a file's name, in lower case, says of it."""


class Row(NamedTuple):
    """A row's values by column, not checked yet. `line` is where it begins."""

    line: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with the row that begins on `line`. After a `fatal` one it is unknown where the next row begins."""

    line: int
    message: str
    fatal: bool = False


class _RowTooLong(Exception):
    """The row is longer than `MAX_ROW_BYTES`."""


def rows_of(
    source: BinaryIO,
    format: FileFormat,  # noqa: A002 - the word for it
    *,
    after_line: int = 0,
) -> Iterator[Row | RowError]:
    """Read a file's rows, leaving out empty lines. Raises `InvalidInput` where the file as a whole will not do.

    Those that begin on lines up to `after_line` are passed over, most of them unread: an import that goes on in the
    middle of a large file would else spend its time on what is done.
    """
    lines = _Lines(source, after_line)
    rows = _csv_rows(lines) if format is FileFormat.CSV else _ndjson_rows(lines)
    return (row for row in rows if row.line > after_line) if after_line else rows


class _Lines:
    """Decoded lines, counted, and the raw facts about the row they belong to."""

    def __init__(self, source: BinaryIO, after: int = 0) -> None:
        self._source = source
        self.after = after
        self._put_back = b""
        self.number = 0
        self.first = 1
        self.valid = True
        self._bytes = 0
        self._quotes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def begin_row(self) -> None:
        """Start counting anew: the next line is the first of another row."""
        self.first = self.number + 1
        self.valid = True
        self._bytes = self._quotes = 0

    def pass_over(self) -> None:
        """Where a row begins, pass over the lines that are a row each and not wanted.

        A line with a quote in it may be a part of a row, and one that is too long has more to it: those are read.
        """
        while self.number < self.after:
            line = self._source.readline(MAX_ROW_BYTES)
            if b'"' in line or not line.endswith(b"\n"):
                self._put_back = line
                return
            self.number += 1

    def __next__(self) -> str:
        """Read a line. Raises `_RowTooLong`, having read past the line, and `InvalidInput` for UTF-16."""
        line = self._line() if self._put_back else self._source.readline(MAX_ROW_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = _without_byte_order_mark(line)
        self._bytes += len(line)
        self._quotes += line.count(b'"')
        if self._bytes > MAX_ROW_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._source.readline(MAX_ROW_BYTES)
                self._quotes += line.count(b'"')
            raise _RowTooLong(f"is longer than {MAX_ROW_BYTES:,} bytes")
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.valid = False
            return line.decode(errors="replace")

    def _line(self) -> bytes:
        line, self._put_back = self._put_back, b""
        return line if line.endswith(b"\n") else line + self._source.readline(MAX_ROW_BYTES + 1 - len(line))

    @property
    def quote_is_open(self) -> bool:
        """Say whether the row's quotes do not pair, so that its end is unknown."""
        return self._quotes % 2 == 1


def _without_byte_order_mark(line: bytes) -> bytes:
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput(("file", "is UTF-16; save it as UTF-8"))
    return line.removeprefix(codecs.BOM_UTF8)


def _csv_rows(lines: _Lines) -> Iterator[Row | RowError]:
    columns: tuple[str, ...] | None = None
    for record in _csv_records(lines):
        if columns is None:
            columns = _header(record, lines)
        elif isinstance(record, RowError):
            yield record
        elif len(record) != len(columns):
            yield RowError(lines.first, f"has {len(record)} values for {len(columns)} columns")
        else:
            yield Row(lines.first, dict(zip(columns, record, strict=True)))
    if columns is None:
        raise InvalidInput(("file", f"is empty; its first row must name the columns ({', '.join(COLUMNS)})"))


def _csv_records(lines: _Lines) -> Iterator[Sequence[str] | RowError]:
    reader, after = csv.reader(lines, strict=True), lines.after
    while True:
        if 0 < lines.number < after:  # the first row names the columns
            lines.pass_over()
        lines.begin_row()
        try:
            record = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RowTooLong) as exc:
            unclosed = "has a quoted field that is never closed" if lines.quote_is_open else f"is malformed: {exc}"
            message = str(exc) if isinstance(exc, _RowTooLong) else unclosed
            yield RowError(lines.first, message, fatal=lines.quote_is_open)
            if lines.quote_is_open:
                return
            continue
        if not lines.valid:
            yield RowError(lines.first, "is not valid UTF-8")
        elif any(map(str.strip, record)):
            yield record


def _header(record: Sequence[str] | RowError, lines: _Lines) -> tuple[str, ...]:
    """Read the columns from the first row. Raises `InvalidInput` naming every one that is not known."""
    if isinstance(record, RowError):
        raise InvalidInput(("file", f"line {record.line} {record.message}; it must name the columns"))
    columns = tuple(_ALIASES.get(name, name) for name in (column.strip().lower() for column in record))
    problem = _column_problem(columns)
    if problem is None and "subject" not in columns:
        problem = "has no column subject (or title)"
    if problem is not None:
        raise InvalidInput(("file", f"line {lines.first} {problem}"))
    return columns


def _column_problem(columns: Sequence[str]) -> str | None:
    unknown = [repr(name[:60]) for name in columns if name not in COLUMNS]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        what = "an unknown column" if len(unknown) == 1 else "unknown columns"
        known = f"known are {', '.join(COLUMNS)} (title is another name for subject)"
        return f"names {what}: {', '.join(unknown[:5])}{more}; {known}"
    twice = sorted({name for name in columns if columns.count(name) > 1})
    return f"names a column twice: {', '.join(twice)} (title is another name for subject)" if twice else None


def _ndjson_rows(lines: _Lines) -> Iterator[Row | RowError]:
    while True:
        lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            return
        except _RowTooLong as exc:
            yield RowError(lines.first, str(exc))
            continue
        if not lines.valid:
            yield RowError(lines.first, "is not valid UTF-8")
        elif line.strip():
            yield _ndjson_row(line, lines.number)


def _ndjson_row(line: str, number: int) -> Row | RowError:
    try:
        pairs = _DECODER.decode(line)
    except (ValueError, RecursionError) as exc:
        reason = exc.msg if isinstance(exc, json.JSONDecodeError) else "too deep, or a number too long"
        return RowError(number, f"is not JSON ({reason}); there must be one object on each line")
    if not isinstance(pairs, _Pairs):
        return RowError(number, "is not a JSON object; there must be one object on each line")
    columns = [_ALIASES.get(name, name) for name in (name.strip().lower() for name, _ in pairs)]
    problem = _column_problem(columns)
    if problem is not None:
        return RowError(number, problem)
    values = (value for _, value in pairs)
    return Row(number, {name: value for name, value in zip(columns, values, strict=True) if value is not None})


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object, so that one named twice is noticed."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)
"""Made once: `json.loads` with a hook makes one for every line."""
