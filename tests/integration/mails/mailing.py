"""What the tests of mails share: a day at the desk whose mails can be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.domain.mail_rules import parse_sender
from service.mail.letters import Letters
from service.store.mails import PostgresMails
from service.usecases.mailing import Mailing
from service.usecases.ports.mails import Carrier, Mail, MailFilter
from service.usecases.ports.paging import PageRequest

LONG_ENOUGH_S = 60.0

_ALL_READABLE = text("SELECT coalesce(max(xact) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM ticket_events")
LETTERS = Letters(sender=parse_sender("Fairdeal <desk@example.com>"), public_url=None, now=lambda: datetime.now(UTC))


def let_history_settle(engine: Engine) -> None:
    """Wait until all that was committed can be read: transactions of other tests on the server hold readers up."""

    def is_readable() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(_ALL_READABLE).scalar_one())

    assert wait_until(is_readable, LONG_ENOUGH_S), "something on the server has been open for too long"


def mailing(engine: Engine, carrier: Carrier, *, silent_s: float = 300.0) -> Mailing:
    """Wire what sends mails, with pauses that are not spread."""
    store = PostgresMails(engine)
    return Mailing(
        store=store, writer=LETTERS, carrier=carrier, clock=time.monotonic, silent_s=silent_s, chance=lambda: 1.0
    )


def all_mails(engine: Engine) -> list[Mail]:
    """Read every mail, the oldest first."""
    return list(PostgresMails(engine).page(MailFilter(), PageRequest(limit=1_000)).items)


def give_address(engine: Engine, *user_ids: int) -> None:
    """Give people addresses: the name, at example.com."""
    query = text("UPDATE users SET email = username || '@example.com' WHERE id = ANY (:ids)")
    with engine.begin() as connection:
        connection.execute(query, {"ids": list(user_ids)})


def make_due(engine: Engine) -> None:
    """Let every mail that waits be due now."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE mails SET next_try_at = now() WHERE state = 'waiting'"))


def set_mails(engine: Engine, values: str) -> None:
    """Change all mails by a piece of SQL."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE mails SET {values}"))


Told = list[tuple[str, str, tuple[int, ...]]]
Planned = Callable[[], Told]


def told(engine: Engine, names: dict[int, str]) -> Told:
    """Say who is told what of which tickets."""
    return [(names[mail.user_id], mail.kind.value, mail.ticket_ids) for mail in all_mails(engine)]


def states(engine: Engine) -> list[str]:
    """Say where each mail stands, the oldest first."""
    return [mail.state.value for mail in all_mails(engine)]
