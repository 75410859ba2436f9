"""Leases as rows: they outlive a lost connection and work behind PgBouncer, where session locks do not."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.store.engine import statement
from service.usecases.ports.reconcile import Lease

ACQUIRE = text("""
INSERT INTO leases (name, holder, expires_at)
VALUES (:name, :holder, clock_timestamp() + CAST(:ttl_s AS double precision) * interval '1 second')
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, token = leases.token + 1, expires_at = excluded.expires_at
WHERE leases.expires_at < clock_timestamp()
RETURNING token
""")

RENEW = text("""
UPDATE leases SET expires_at = clock_timestamp() + CAST(:ttl_s AS double precision) * interval '1 second'
WHERE name = :name AND holder = :holder AND token = :token AND expires_at >= clock_timestamp()
""")

# The row stays, run out: the token must go on rising.
RELEASE = text("""
UPDATE leases SET expires_at = '-infinity'
WHERE name = :name AND holder = :holder AND token = :token
""")

HOLDER = text("SELECT holder FROM leases WHERE name = :name AND expires_at >= clock_timestamp()")


class PostgresLeases:
    """Keep leases in PostgreSQL, by its clock alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, *, holder: str, ttl_s: float) -> Lease | None:
        """Insert the row, or take it over when it has run out."""
        with statement(self._engine) as connection:
            token = connection.execute(ACQUIRE, {"name": name, "holder": holder, "ttl_s": ttl_s}).scalar_one_or_none()
        return None if token is None else Lease(name=name, holder=holder, token=token)

    def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        """Move the end, if the lease is still ours."""
        values = {"name": lease.name, "holder": lease.holder, "token": lease.token, "ttl_s": ttl_s}
        with statement(self._engine) as connection:
            return connection.execute(RENEW, values).rowcount == 1

    def release(self, lease: Lease) -> None:
        """Let the lease run out now, if it is still ours."""
        values = {"name": lease.name, "holder": lease.holder, "token": lease.token}
        with statement(self._engine) as connection:
            connection.execute(RELEASE, values)

    def holder(self, name: str) -> str | None:
        """Read the holder of a lease that has not run out."""
        with statement(self._engine) as connection:
            holder: str | None = connection.execute(HOLDER, {"name": name}).scalar_one_or_none()
        return holder
