"""Idempotency keys: see `service.usecases.ports.idempotency.IdempotencyStore` for what each method promises."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import Engine, select, text, update

from service.store.engine import statement
from service.store.rows import NOW
from service.store.tables import idempotency_keys
from service.usecases.ports.idempotency import KeyState, Reply

BEGIN = text("""
INSERT INTO idempotency_keys AS k (user_id, key, operation_id, fingerprint, locked_until)
VALUES (:user_id, :key, :operation_id, :fingerprint, now() + make_interval(secs => :lock_s))
ON CONFLICT (user_id, key) DO UPDATE SET locked_until = excluded.locked_until
    WHERE k.status IS NULL AND k.locked_until <= now() AND k.fingerprint = excluded.fingerprint
RETURNING operation_id
""")

_KEY = idempotency_keys.c


class PostgresIdempotency:
    """Keep keys and replies in PostgreSQL, so that they outlive everything else."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, user_id: int, key: str, *, fingerprint: str, lock_s: float) -> UUID | None:
        """Insert the key, or take it over, by one statement."""
        with statement(self._engine) as connection:
            row = connection.execute(
                BEGIN,
                {
                    "user_id": user_id,
                    "key": key,
                    "operation_id": uuid4(),
                    "fingerprint": fingerprint,
                    "lock_s": lock_s,
                },
            ).one_or_none()
        return None if row is None else row.operation_id

    def read(self, user_id: int, key: str) -> KeyState | None:
        """Read a key by its primary key."""
        query = select(_KEY.fingerprint, _KEY.status, _KEY.headers, _KEY.body).where(
            _KEY.user_id == user_id, _KEY.key == key
        )
        with statement(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        reply = None if row.status is None else Reply(status=row.status, headers=row.headers, body=bytes(row.body))
        return KeyState(fingerprint=row.fingerprint, reply=reply)

    def finish(self, user_id: int, key: str, reply: Reply) -> None:
        """Keep the reply, unless one is kept already."""
        change = (
            update(idempotency_keys)
            .where(_KEY.user_id == user_id, _KEY.key == key, _KEY.status.is_(None))
            .values(status=reply.status, headers=dict(reply.headers), body=reply.body)
        )
        with statement(self._engine) as connection:
            connection.execute(change)

    def abandon(self, user_id: int, key: str) -> None:
        """End the lock of a key without a reply."""
        change = (
            update(idempotency_keys)
            .where(_KEY.user_id == user_id, _KEY.key == key, _KEY.status.is_(None))
            .values(locked_until=NOW)
        )
        with statement(self._engine) as connection:
            connection.execute(change)
