"""Tries as records: see `service.usecases.ports.throttle` for what each method promises.

All by the database's clock, and by the generic cell rate algorithm: a try moves the moment at which the budget is whole
by what one try takes to be regained. A commit does not wait for the disk: a crash of the server may forget a few tries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from service.store.engine import statement, transaction
from service.usecases.ports.throttle import Charge

IS_KNOWN = text("SELECT EXISTS (SELECT FROM password_tries WHERE key = :key AND known_until > clock_timestamp())")

_OVER = "CAST(extract(epoch FROM whole_at - clock_timestamp()) AS double precision) - :window_s"

# How long until there is a try: negative or nothing while there is one.
LOOK = text(f"SELECT {_OVER} + :every_s FROM password_tries WHERE key = :key")  # noqa: S608 - constants

CHARGE = text(f"""
INSERT INTO password_tries AS t (key, whole_at)
VALUES (:key, clock_timestamp() + CAST(:every_s AS double precision) * interval '1 second')
ON CONFLICT (key) DO UPDATE
SET whole_at = greatest(t.whole_at, clock_timestamp()) + CAST(:every_s AS double precision) * interval '1 second'
RETURNING {_OVER}
""")  # noqa: S608 - constants

GIVE_BACK = text("""
UPDATE password_tries SET whole_at = whole_at - CAST(:every_s AS double precision) * interval '1 second'
WHERE key = :key
""")

WELCOME = text("""
INSERT INTO password_tries (key, whole_at, known_until)
VALUES (:key, clock_timestamp(), clock_timestamp() + CAST(:life_s AS double precision) * interval '1 second')
ON CONFLICT (key) DO UPDATE SET whole_at = excluded.whole_at, known_until = excluded.known_until
""")

PRUNE = text("""
WITH old AS MATERIALIZED (
    SELECT key FROM password_tries
    WHERE whole_at < clock_timestamp() AND (known_until IS NULL OR known_until < clock_timestamp())
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM password_tries t USING old WHERE t.key = old.key
""")

PRUNED_AT_ONCE = 10_000


class _UsedUp(Exception):
    """One budget of several has no try left: nothing is to be charged."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class PostgresTries:
    """Count tries in PostgreSQL: for all processes on all hosts, whatever becomes of Redis."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_known(self, key: bytes) -> bool:
        """Look whether the key is known, by the primary key."""
        with statement(self._engine) as connection:
            return bool(connection.execute(IS_KNOWN, {"key": key}).scalar_one())

    def look(self, charges: Sequence[Charge]) -> float:
        """Look by the primary key, writing nothing."""
        with statement(self._engine) as connection:
            waits = [connection.execute(LOOK, _values(charge)).scalar_one_or_none() for charge in charges]
        return max(0.0, *(wait or 0.0 for wait in waits))

    def charge(self, charges: Sequence[Charge]) -> float:
        """Charge each, and take it all back where one had no try left."""
        try:
            with self._hastily() as connection:
                for charge in _in_order(charges):
                    _charge(connection, charge)
        except _UsedUp as used_up:
            return used_up.wait_s
        return 0.0

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Move the moment back by what the charge has moved it."""
        with self._hastily() as connection:
            for charge in _in_order(charges):
                connection.execute(GIVE_BACK, {"key": charge.key, "every_s": charge.budget.every_s})

    def welcome(self, key: bytes, *, life_s: float) -> None:
        """Write or renew the row."""
        with self._hastily() as connection:
            connection.execute(WELCOME, {"key": key, "life_s": life_s})

    def prune(self) -> int:
        """Remove them piece by piece, passing over what is in use."""
        total = 0
        while True:
            with statement(self._engine) as connection:
                pruned = connection.execute(PRUNE, {"limit": PRUNED_AT_ONCE}).rowcount
            total += pruned
            if pruned < PRUNED_AT_ONCE:
                return total

    @contextmanager
    def _hastily(self) -> Iterator[Connection]:
        """Lend a transaction whose commit does not wait for the disk, which would make who shares an address queue."""
        with transaction(self._engine) as connection:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield connection


def _in_order(charges: Sequence[Charge]) -> list[Charge]:
    """Order charges as everybody does: two that lock the same rows in another order would wait for each other."""
    return sorted(charges, key=lambda charge: charge.key)


def _charge(connection: Connection, charge: Charge) -> None:
    over_s = connection.execute(CHARGE, _values(charge)).scalar_one()
    if over_s > 0:
        raise _UsedUp(over_s)


def _values(charge: Charge) -> dict[str, object]:
    return {"key": charge.key, "every_s": charge.budget.every_s, "window_s": charge.budget.window_s}
