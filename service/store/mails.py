"""Mails in PostgreSQL: see `service.usecases.ports.mails.MailStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, RowMapping, select

from service.domain.model import Cause, Page, Priority, TicketEvent, TicketStatus
from service.domain.notices import Notice, NoticeKind, plan
from service.store import mail_statements as say
from service.store.engine import statement, transaction
from service.store.event_feed import has_news, read_on_and_count
from service.store.paging import keyset_page
from service.store.rows import MAX_BIGINT
from service.store.tables import mails
from service.usecases.ports.mails import (
    REDELIVERABLE,
    Mail,
    MailFilter,
    MailLine,
    MailState,
    Recipient,
    TakenMail,
)
from service.usecases.ports.paging import PageRequest

READER = "mails"

PASSED_OVER, PASSES = 5_000, 4
"""Lines passed over at once, and how often at one look: what is left then has its turn a second later."""

SORT_KEYS = {"id": mails.c.id, "created_at": mails.c.created_at}


class PostgresMails:
    """Keep mails in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_wanted(self, *, silent_s: float) -> bool:
        """Look at three indexes, of which two are nearly always empty, and at the news, if there is any."""
        with statement(self._engine) as connection:
            if (
                connection.execute(say.DUE).scalar_one()
                or connection.execute(say.LEFT, {"silent_s": silent_s}).scalar_one()
            ):
                return True
            if not has_news(connection, READER):
                return False
        for _ in range(PASSES):
            wanted, count = self._look_on()
            if wanted or count < PASSED_OVER:
                return wanted
        return False

    def _look_on(self) -> tuple[bool, int]:
        """Say whether the next lines of the history concern anybody; move the cursor behind them where they do not."""
        with transaction(self._engine) as connection:
            wanted, count = read_on_and_count(connection, READER, limit=PASSED_OVER, page=say.WANTED)
            if wanted:
                connection.rollback()
        return bool(wanted), count

    def plan(self, *, limit: int, attempts_allowed: int, fresh_s: float) -> int:
        """Read, plan and write in one transaction."""
        with transaction(self._engine) as connection:
            found, count = read_on_and_count(connection, READER, limit=limit, page=say.WANTED)
            notices = plan(event for each in found for event in each.events)
            if notices:
                values = {"attempts_allowed": attempts_allowed, "fresh_s": fresh_s, "notices": _written(notices)}
                connection.execute(say.WRITE, values)
        return count

    def settle_abandoned(self, *, silent_s: float) -> tuple[int, int]:
        """Settle by two statements, each of which commits by itself."""
        with statement(self._engine) as connection:
            again = connection.execute(say.WAIT_AGAIN, {"silent_s": silent_s}).rowcount
            unknown = connection.execute(say.GIVE_UP_KNOWING, {"silent_s": silent_s}).rowcount
        return again, unknown

    def take(self) -> TakenMail | None:
        """Take it by one statement, which commits by itself, and read the rest."""
        with statement(self._engine) as connection:
            row = connection.execute(say.TAKE).mappings().one_or_none()
            return None if row is None else _taken(connection, row)

    def hand_over(self, mail: TakenMail, *, address: str) -> bool:
        """Note it by one statement, committed when this returns."""
        with statement(self._engine) as connection:
            return connection.execute(say.HAND_OVER, {**_mine(mail), "address": address}).rowcount == 1

    def settle(self, mail: TakenMail, state: MailState, *, error: str | None = None) -> bool:
        """Write the end by one statement."""
        with statement(self._engine) as connection:
            values = {**_mine(mail), "state": state.value, "error": error}
            return connection.execute(say.SETTLE, values).rowcount == 1

    def retry(self, mail: TakenMail, *, pause_s: float, error: str) -> bool:
        """Put it back by one statement."""
        with statement(self._engine) as connection:
            values = {**_mine(mail), "pause_s": pause_s, "error": error}
            return connection.execute(say.RETRY, values).rowcount == 1

    def postpone(self, *, pause_s: float) -> None:
        """Move what is due by one statement."""
        with statement(self._engine) as connection:
            connection.execute(say.POSTPONE, {"pause_s": pause_s})

    def page(self, wanted: MailFilter, request: PageRequest) -> Page[Mail]:
        """Read one page."""
        query = select(*mails.c)
        if wanted.states:
            query = query.where(mails.c.state.in_([state.value for state in wanted.states]))
        if wanted.kinds:
            query = query.where(mails.c.kind.in_([kind.value for kind in wanted.kinds]))
        if wanted.user_id is not None:
            query = query.where(mails.c.user_id == wanted.user_id)
        with statement(self._engine) as connection:
            return keyset_page(
                connection, select=query, columns=SORT_KEYS, id_column=mails.c.id, request=request, build=_mail
            )

    def get(self, mail_id: int) -> Mail | None:
        """Read one row."""
        if not 1 <= mail_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            row = connection.execute(select(*mails.c).where(mails.c.id == mail_id)).one_or_none()
        return None if row is None else _mail(row)

    def redeliver(self, mail_id: int, *, attempts_allowed: int) -> Mail | None:
        """Put it back by one statement, guarded by its state."""
        values = {"id": mail_id, "attempts_allowed": attempts_allowed, "states": [one.value for one in REDELIVERABLE]}
        with statement(self._engine) as connection:
            moved = connection.execute(say.REDELIVER, values).rowcount == 1
        return self.get(mail_id) if moved else None

    def prune(self, *, older_than_s: float, limit: int) -> int:
        """Delete the oldest first, along an index."""
        with statement(self._engine) as connection:
            return connection.execute(say.PRUNE, {"age_s": older_than_s, "limit": limit}).rowcount


def _written(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """Word notices for the statement that writes them, in the order of their happening."""
    return [
        {
            "place": place,
            "user_id": notice.user_id,
            "kind": notice.kind.value,
            "event_id": notice.event_id,
            "happened_at": max(event.at for event in notice.events).isoformat(),
            "lines": [_line_written(event) for event in notice.events],
        }
        for place, notice in enumerate(notices)
    ]


def _line_written(event: TicketEvent) -> dict[str, Any]:
    return {
        "ticket_id": event.ticket_id,
        "cause": event.cause.value,
        "actor_id": event.actor_id,
        "note": event.note,
    }


def _mine(mail: TakenMail) -> dict[str, Any]:
    return {"id": mail.id, "attempt": mail.attempt}


def _taken(connection: Connection, row: RowMapping) -> TakenMail:
    person = connection.execute(say.RECIPIENT, {"user_id": row["user_id"]}).one_or_none()
    lines = connection.execute(say.LINES, {"lines": row["lines"]}).mappings().all()
    return TakenMail(
        id=row["id"],
        attempt=row["attempts"],
        tries_left=row["attempts_allowed"] - row["attempts"],
        kind=NoticeKind(row["kind"]),
        message_id=row["message_id"],
        happened_at=row["happened_at"],
        recipient=None if person is None else Recipient(address=person.email, name=person.name or person.username),
        lines=tuple(_line(line) for line in lines),
    )


def _line(row: RowMapping) -> MailLine:
    return MailLine(
        **{
            **row,
            "status": TicketStatus(row["status"]),
            "priority": Priority(row["priority"]),
            "cause": Cause(row["cause"]),
        }
    )


def _mail(row: Row[Any]) -> Mail:
    state = MailState(row.state)
    return Mail(
        id=row.id,
        user_id=row.user_id,
        kind=NoticeKind(row.kind),
        state=state,
        ticket_ids=tuple(line["ticket_id"] for line in row.lines),
        message_id=row.message_id,
        attempts=row.attempts,
        attempts_allowed=row.attempts_allowed,
        happened_at=row.happened_at,
        created_at=row.created_at,
        next_try_at=row.next_try_at if state is MailState.WAITING else None,
        handed_over_at=row.handed_over_at,
        settled_at=row.settled_at,
        sent_to=row.sent_to,
        last_error=row.last_error,
    )
