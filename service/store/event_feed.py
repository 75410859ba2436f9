"""The history read as an outbox: each reader gets every line once, in the order of the transactions that wrote them.

A line is handed out as soon as no transaction can commit any more that began before the one that wrote it. Ids could
not promise that: they are handed out before the commit, so a reader that has come to id 20 would pass over an id 19
that commits later. The price is that a transaction left open somewhere on the server, in whatever database, holds the
readers up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from service.domain.model import TicketEvent
from service.store import rows

_COLUMNS = tuple(column.name for column in rows.EVENT_COLUMNS)
_NAMES = ", ".join(_COLUMNS)

# A reader that is new begins with the first line that names its transaction.
# Looked for first: to insert beside a cursor that another reader is moving would be to wait for that reader.
BEGIN = text("""
INSERT INTO event_cursors (reader, xact, event_id)
SELECT :reader, '0', 0 WHERE NOT EXISTS (SELECT FROM event_cursors WHERE reader = :reader)
ON CONFLICT (reader) DO NOTHING
""")

LOCK = text("""
SELECT CAST(xact AS text) AS xact, event_id FROM event_cursors WHERE reader = :reader FOR UPDATE SKIP LOCKED
""")

# A page that was cut short leaves its last transaction for the next time, unless that one fills it. Of the lines that
# nobody `wants` the last alone is told, for it says how far the page goes.
_PAGE = """
WITH page AS MATERIALIZED (
    SELECT {names}, xact FROM ticket_events
    WHERE (xact, id) > (CAST(CAST(:xact AS text) AS xid8), :event_id)
      AND xact < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY ticket_events.xact, id LIMIT :limit
),
ends AS (
    SELECT (SELECT xact FROM page ORDER BY page.xact, id LIMIT 1) AS first,
           (SELECT xact FROM page ORDER BY page.xact DESC, id DESC LIMIT 1) AS last,
           (SELECT count(*) FROM page) AS count
),
whole AS (
    SELECT page.*, row_number() OVER (ORDER BY page.xact DESC, id DESC) AS place, count(*) OVER () AS read
    FROM page, ends WHERE ends.count < :limit OR ends.first = ends.last OR page.xact <> ends.last
)
SELECT {names}, CAST(xact AS text) AS xact, read, {wanted} AS is_wanted
FROM whole e WHERE place = 1 OR {wanted} ORDER BY e.xact, id
"""


def page_of(wanted: str) -> TextClause:
    """Word the reading of lines `e` that meet a condition, which may look at `whole`, all lines of the page."""
    return text(_PAGE.format(names=_NAMES, wanted=f"({wanted})"))


EVERY_LINE = page_of("true")

# Not EXISTS: the planner, which takes a third of all lines to be news, would look for one by reading the whole history.
# In the index's order the first line behind the cursor is the answer.
HAS_NEWS = text("""
SELECT (SELECT id FROM ticket_events
        WHERE (xact, id) > (coalesce((SELECT xact FROM event_cursors WHERE reader = :reader), '0'),
                            coalesce((SELECT event_id FROM event_cursors WHERE reader = :reader), 0))
          AND xact < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY ticket_events.xact, id LIMIT 1) IS NOT NULL
""")

ADVANCE = text("""
UPDATE event_cursors SET xact = CAST(CAST(:xact AS text) AS xid8), event_id = :event_id WHERE reader = :reader
""")

SKIP = text("""
UPDATE event_cursors SET xact = CAST(CAST(:xact AS text) AS xid8), event_id = 0
WHERE reader = :reader AND xact < CAST(CAST(:xact AS text) AS xid8)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What one transaction wrote into the history; a very large one comes in several parts."""

    xact: int
    events: tuple[TicketEvent, ...]


def read_on(connection: Connection, reader: str, *, limit: int, page: TextClause = EVERY_LINE) -> list[Transaction]:
    """Read the next lines, `limit` at most, and move the reader's cursor behind them, all in the caller's transaction.

    What the caller writes of them in the same transaction is therefore written once, whatever breaks. Nothing is read
    while another transaction reads for the same reader. A transaction's lines come together unless they are more than
    `limit`. With a `page` of `page_of`, the cursor moves behind all lines, and those wanted are returned.
    """
    return read_on_and_count(connection, reader, limit=limit, page=page)[0]


def read_on_and_count(
    connection: Connection, reader: str, *, limit: int, page: TextClause = EVERY_LINE
) -> tuple[list[Transaction], int]:
    """Read on as `read_on` does, and say how many lines that were, those that nobody wants included."""
    connection.execute(BEGIN, {"reader": reader})
    cursor = connection.execute(LOCK, {"reader": reader}).one_or_none()
    if cursor is None:
        return [], 0
    found = connection.execute(page, {"xact": cursor.xact, "event_id": cursor.event_id, "limit": limit}).all()
    if not found:
        return [], 0
    last = found[-1]
    connection.execute(ADVANCE, {"reader": reader, "xact": last.xact, "event_id": last.id})
    wanted = [row for row in found if row.is_wanted]
    return [
        Transaction(xact=int(xact), events=tuple(_event(row) for row in group))
        for xact, group in groupby(wanted, key=lambda row: row.xact)
    ], last.read


def has_news(connection: Connection, reader: str) -> bool:
    """Say whether there are lines that the reader could read on to: one look at an index."""
    return bool(connection.execute(HAS_NEWS, {"reader": reader}).scalar_one())


def skip_to(connection: Connection, reader: str, xact: int | str) -> None:
    """Move the reader's cursor on to the beginning of a transaction, over all that was written before it.

    Nothing happens where it is there already, or where another transaction reads for the same reader.
    """
    connection.execute(BEGIN, {"reader": reader})
    if connection.execute(LOCK, {"reader": reader}).one_or_none() is not None:
        connection.execute(SKIP, {"reader": reader, "xact": str(xact)})


def _event(row: Row[Any]) -> TicketEvent:
    return rows.event({name: row._mapping[name] for name in _COLUMNS})
