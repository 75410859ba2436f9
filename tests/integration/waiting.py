"""Letting time pass for tickets in hand, by moving what happened into the past."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from sqlalchemy import Engine, text

from service.domain.hold_limit import HoldLimit
from service.store.hold_limit import PostgresHoldLimit
from service.store.places import PostgresPlaces
from service.usecases.hold_limit import HoldLimits
from service.usecases.ports.queue import TicketQueue

LIMIT = HoldLimit(limit_s=3_600, warning_s=600)

_TICKETS = text("UPDATE tickets SET assigned_at = assigned_at - :s * interval '1 second' WHERE status = 'assigned'")
_WARNINGS = text("UPDATE ticket_events SET at = at - :s * interval '1 second' WHERE cause = 'hold_warning'")


def let_pass(engine: Engine, seconds: int) -> None:
    """Make every hold, and every warning, so much older."""
    with engine.begin() as connection:
        # A superuser's replica role passes the guard that keeps the history as it was written.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (_TICKETS, _WARNINGS):
            connection.execute(statement, {"s": seconds})


def lose_untouched(engine: Engine, queue: TicketQueue) -> int:
    """Let nobody begin anything until the hold limit takes it back; count what went back."""
    limits = HoldLimits(store=PostgresHoldLimit(engine), queue=queue, places=PostgresPlaces(engine), limit=LIMIT)
    gone = 0
    for _ in ("until the warning", "until the limit"):
        let_pass(engine, LIMIT.limit_s)
        gone += limits.run()
    return gone


def wait_until_blocked(engine: Engine, blocked: Future[Any]) -> None:
    """Wait until somebody waits for a lock, which must be whoever carries this out."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            assert not blocked.done(), "nothing was waited for"
            connection.execute(text("SELECT pg_sleep(0.01)"))
