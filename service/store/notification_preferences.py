"""What people want to be told: see `service.usecases.ports.mails.PreferenceStore` for what each method promises."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.store.engine import statement
from service.store.rows import MAX_BIGINT

READ = text("""
SELECT coalesce(p.muted, '{}') AS muted
FROM users u LEFT JOIN notification_preferences p ON p.user_id = u.id
WHERE u.id = :user_id AND u.deleted_at IS NULL
""")

WRITE = text("""
INSERT INTO notification_preferences (user_id, muted)
SELECT id, CAST(:muted AS text[]) FROM users WHERE id = :user_id AND deleted_at IS NULL
ON CONFLICT (user_id) DO UPDATE SET muted = excluded.muted, updated_at = now()
""")


class PostgresPreferences:
    """Keep in PostgreSQL what somebody has turned off, and nothing for who has turned nothing off."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def muted(self, user_id: int) -> frozenset[str] | None:
        """Read one row."""
        if not 1 <= user_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            muted = connection.execute(READ, {"user_id": user_id}).scalar_one_or_none()
        return None if muted is None else frozenset(muted)

    def mute(self, user_id: int, kinds: frozenset[str]) -> bool:
        """Write one row."""
        if not 1 <= user_id <= MAX_BIGINT:
            return False
        with statement(self._engine) as connection:
            return connection.execute(WRITE, {"user_id": user_id, "muted": sorted(kinds)}).rowcount == 1
