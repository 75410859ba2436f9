"""Sessions as records: see `service.usecases.ports.people.SessionStore` for what each method promises.

The database's clock judges what has expired. A session is over when it is revoked or expired, or when its user is
deactivated or deleted; every statement here says so by the same conditions.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, Update, Uuid, bindparam, func, insert, select, update

from service.domain.model import HandSeen, Principal, Role
from service.store.engine import statement, transaction
from service.store.openings import Openings
from service.store.rows import NOW
from service.store.tables import sessions, users
from service.store.users import USER_COLUMNS, user
from service.usecases.ports.sessions import Credentials, SessionTokensData

_USER_ACTIVE = (users.c.is_active, users.c.deleted_at.is_(None))
_GOES_ON = (
    sessions.c.revoked_at.is_(None),
    sessions.c.expires_at > NOW,
    users.c.id == sessions.c.user_id,
    *_USER_ACTIVE,
)

_CREDENTIALS = select(*USER_COLUMNS, users.c.password_hash).where(*_USER_ACTIVE)

PRINCIPAL = select(users.c.id, users.c.username, users.c.role).where(
    sessions.c.id == bindparam("session_id", type_=Uuid()), *_GOES_ON
)


class PostgresSessions:
    """Keep sessions in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._openings = Openings(engine)

    def credentials(self, username: str) -> Credentials | None:
        """Find an active user by name."""
        return self._credentials(func.lower(users.c.username) == func.lower(username))

    def credentials_of(self, user_id: int) -> Credentials | None:
        """Find an active user by id."""
        return self._credentials(users.c.id == user_id)

    def _credentials(self, condition: ColumnElement[bool]) -> Credentials | None:
        with statement(self._engine) as connection:
            row = connection.execute(_CREDENTIALS.where(condition)).mappings().one_or_none()
        return None if row is None else Credentials(user=user(row), password_hash=row["password_hash"])

    def rehash(self, user_id: int, *, old_hash: str, new_hash: str) -> bool:
        """Put a new hash in the place of the old."""
        change = update(users).where(users.c.id == user_id, users.c.password_hash == old_hash)
        with statement(self._engine) as connection:
            return connection.execute(change.values(password_hash=new_hash)).rowcount == 1

    def open(
        self, user_id: int, *, password_hash: str, session_id: UUID, refresh_jti: UUID, life: timedelta
    ) -> SessionTokensData | None:
        """Write a session, unless the password has changed since it was checked.

        The user's row is locked in share mode: a change of password is either seen here, or waits and then ends this
        session with the others.
        """
        unchanged = (users.c.id == user_id, users.c.password_hash == password_hash, *_USER_ACTIVE)
        values = {"id": session_id, "user_id": user_id, "refresh_jti": refresh_jti, "expires_at": NOW + life}
        opening = insert(sessions).values(values).returning(sessions.c.expires_at)
        with transaction(self._engine) as connection:
            still = select(*USER_COLUMNS).where(*unchanged).with_for_update(read=True)
            row = connection.execute(still).mappings().one_or_none()
            if row is None:
                return None
            expires_at = connection.execute(opening).scalar_one()
        return SessionTokensData(session_id=session_id, refresh_jti=refresh_jti, user=user(row), expires_at=expires_at)

    def rotate(
        self, session_id: UUID, *, presented: UUID, replacement: UUID, life: timedelta, grace: timedelta
    ) -> SessionTokensData | None:
        """Rotate where the present jti was presented; forgive the one before for a while; else revoke."""
        token_columns = (sessions.c.refresh_jti, sessions.c.expires_at)
        rotation = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.refresh_jti == presented, *_GOES_ON)
            .values(refresh_jti=replacement, previous_jti=presented, rotated_at=NOW, expires_at=NOW + life)
            .returning(*token_columns, *USER_COLUMNS)
        )
        forgiven = select(*token_columns, *USER_COLUMNS).where(
            sessions.c.id == session_id,
            sessions.c.previous_jti == presented,
            sessions.c.rotated_at > NOW - grace,
            *_GOES_ON,
        )
        with statement(self._engine) as connection:
            row = (
                connection.execute(rotation).mappings().one_or_none()
                or connection.execute(forgiven).mappings().one_or_none()
            )
        if row is None:
            self.revoke(session_id)
            return None
        return SessionTokensData(
            session_id=session_id, refresh_jti=row["refresh_jti"], user=user(row), expires_at=row["expires_at"]
        )

    def revoke(self, session_id: UUID) -> None:
        """End a session."""
        change = update(sessions).where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        with statement(self._engine) as connection:
            connection.execute(change.values(revoked_at=NOW))

    def revoke_all(self, user_id: int, *, except_session: UUID | None) -> int:
        """End a user's sessions."""
        with statement(self._engine) as connection:
            return connection.execute(_ending(user_id, except_session)).rowcount

    def change_password(self, user_id: int, *, old_hash: str, new_hash: str, except_session: UUID) -> bool:
        """Set a new hash and end the other sessions."""
        change = (
            update(users)
            .where(users.c.id == user_id, users.c.password_hash == old_hash, *_USER_ACTIVE)
            .values(password_hash=new_hash, updated_at=NOW)
        )
        with transaction(self._engine) as connection:
            changed = connection.execute(change).rowcount == 1
            if changed:
                connection.execute(_ending(user_id, except_session))
        return changed

    def principal(self, session_id: UUID) -> Principal | None:
        """Read who is calling, by one prebuilt query: this runs on every request."""
        with statement(self._engine) as connection:
            row = connection.execute(PRINCIPAL, {"session_id": session_id}).one_or_none()
        if row is None:
            return None
        return Principal(user_id=row.id, username=row.username, role=Role(row.role), session_id=session_id)

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, HandSeen | None] | None:
        """Read who is calling, and what they hold."""
        return self._openings.principal_and_hand(session_id)


def _ending(user_id: int, except_session: UUID | None) -> Update:
    change = update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    if except_session is not None:
        change = change.where(sessions.c.id != except_session)
    return change.values(revoked_at=NOW)
