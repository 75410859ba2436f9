"""How templates word things: filters for states, times and counts."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from service.domain.model import Availability, Cause, Level, Priority, Role, TicketStatus
from service.domain.wording import duration

Words = TicketStatus | Priority | Availability | Level | Role

_CAUSES = {
    Cause.CREATE: "Created",
    Cause.IMPORT: "Imported",
    Cause.EDIT: "Edited",
    Cause.NOTE: "Note",
    Cause.FETCH: "Fetched",
    Cause.DISPATCH: "Dispatched",
    Cause.START: "Started",
    Cause.RESOLVE: "Resolved",
    Cause.CLOSE: "Closed",
    Cause.SELL: "Sold",
    Cause.RELEASE: "Given back",
    Cause.RETURN: "Returned to the queue",
    Cause.REASSIGN: "Assigned",
    Cause.REOPEN: "Reopened",
    Cause.AWAY: "Returned: agent away",
    Cause.HOLD_WARNING: "Warned: not begun",
    Cause.HOLD_LIMIT: "Returned: not begun",
    Cause.DEACTIVATE: "Returned: agent deactivated",
    Cause.DELETE: "Deleted",
    Cause.RECONCILE: "Repaired",
}


def words(value: Words) -> str:
    """Word a state: `in_progress` reads "In progress"."""
    return value.value.replace("_", " ").capitalize()


def cause_words(cause: Cause) -> str:
    """Word what happened to a ticket."""
    return _CAUSES[cause]


def age(moment: datetime) -> str:
    """Word how long ago something was."""
    return duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))


def is_past(moment: datetime) -> bool:
    """Say whether a moment has been."""
    return moment <= datetime.now(UTC)


def moment_words(moment: datetime) -> str:
    """Word a moment, in UTC; a script turns it into the reader's own time."""
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Word a count: `1 ticket`, `2 tickets`, `1,500 tickets`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def install(app: Flask) -> None:
    """Give the words to the templates of an app."""
    app.jinja_env.tests["past"] = is_past
    app.jinja_env.filters.update(
        words=words, duration=duration, cause_words=cause_words, age=age, moment_words=moment_words, counted=counted
    )
