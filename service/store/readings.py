"""Lists, searches and figures: read from a replica where there is one, and no older there than on the primary.

Before each, the primary is asked how far its log has been flushed: whatever anybody has been told is done lies before
that point. The replica is read when it has replayed as far, else the primary is. So a list is never older than the
question, whoever wrote, by whichever session or host, and whoever reads by `Readings` need not know of a replica. See
docs/adr/0043.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.domain.errors import StoreUnavailable
from service.store.engine import QUERY_CANCELED, statement

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

WAIT_S = 0.1
"""How long a replica may take to replay up to the point: the lag beyond which it is left alone."""

PAUSE_S = 0.005
REST_S = 5.0
"""How long a replica is left alone after it was away or behind, in each process; then one read tries it."""

WHICH = "(SELECT system_identifier FROM pg_control_system())"
POINT = text(f"""
SELECT {WHICH} AS cluster,
       CAST(CASE WHEN pg_is_in_recovery() THEN NULL
                 WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
                 ELSE pg_current_wal_flush_lsn() END AS text) AS point
""")
"""Where commits do not wait for the disk, what has been told to anybody may not have been flushed."""

HAS_REPLAYED = text(f"""
SELECT pg_is_in_recovery() AND {WHICH} = :cluster AS follows,
       pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= CAST(:point AS pg_lsn) AS is_there
""")
"""Whoever is not in recovery is no replica: it may be a primary of old that nobody has stopped."""


class Server(StrEnum):
    """Who answered; `INSTEAD` is the primary in the place of a replica that was away or behind."""

    PRIMARY = "primary"
    REPLICA = "replica"
    INSTEAD = "primary_instead"


class Readings:
    """Read from the replica, if there is one, or from the primary."""

    def __init__(
        self,
        primary: Engine,
        replica: Engine | None = None,
        *,
        tell: Callable[[Server], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` is told of every read who answered it."""
        self._primary = primary
        self._replica = replica
        self._tell = tell
        self._clock = clock
        self._lock = Lock()
        self._resting_until = 0.0
        self._is_doubted = False

    def read(self, query: Callable[[Connection], Answer]) -> Answer:
        """Return what `query` reads by the connection it is given: it may be called twice, and must not write.

        Raises `StoreUnavailable` when the primary is away, and what `query` raises.
        """
        if self._replica is not None and self._is_to_be_tried():
            try:
                with statement(self._primary) as connection:
                    known = connection.execute(POINT).one()
                with statement(self._replica) as connection:
                    if known.point is not None and _catches_up(connection, known.cluster, known.point):
                        answer = query(connection)
                        self._trust()
                        self._tell(Server.REPLICA)
                        return answer
                self._rest("behind")
            except StoreUnavailable as exc:
                if _took_too_long(exc):
                    raise  # as it would on the primary
                self._rest("away")
        with statement(self._primary) as connection:
            answer = query(connection)
        self._tell(Server.PRIMARY if self._replica is None else Server.INSTEAD)
        return answer

    def _is_to_be_tried(self) -> bool:
        """Say whether this read may try the replica: one at a time while it is doubted."""
        with self._lock:
            if self._clock() < self._resting_until:
                return False
            if self._is_doubted:
                self._resting_until = self._clock() + REST_S
            return True

    def _trust(self) -> None:
        if self._is_doubted:
            with self._lock:
                self._is_doubted, self._resting_until = False, 0.0
            log.info("replica_taken_in")

    def _rest(self, why: str) -> None:
        with self._lock:
            self._is_doubted, self._resting_until = True, self._clock() + REST_S
        log.warning("replica_left_out", extra={"why": why, "for_s": REST_S})


def _catches_up(connection: Connection, cluster: int, point: str) -> bool:
    """Wait a moment for a server to have replayed up to the point; one that does not follow the primary never does."""
    end = time.monotonic() + WAIT_S
    while True:
        found = connection.execute(HAS_REPLAYED, {"cluster": cluster, "point": point}).one()
        if not found.follows:
            return False
        if found.is_there or time.monotonic() > end:
            return bool(found.is_there)
        time.sleep(PAUSE_S)


def _took_too_long(exc: StoreUnavailable) -> bool:
    cause = exc.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "pgcode", None) == QUERY_CANCELED
