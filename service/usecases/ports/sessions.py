"""What the use cases need to keep sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from service.domain.model import HandSeen, Principal, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user, and the hash that their password must match."""

    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTokensData:
    """What a pair of tokens is made of; `expires_at` is the end of an unused refresh token."""

    session_id: UUID
    refresh_jti: UUID
    user: User
    expires_at: datetime


class SessionStore(Protocol):
    """Sessions as records, judged by the database's clock."""

    def credentials(self, username: str) -> Credentials | None:
        """Read a user by name, whatever its case; None when there is none, or deleted, or deactivated."""

    def credentials_of(self, user_id: int) -> Credentials | None:
        """Read a user by id; None as above."""

    def rehash(self, user_id: int, *, old_hash: str, new_hash: str) -> bool:
        """Put a new hash of the same password in the place of the old; False when it has changed meanwhile."""

    def open(
        self, user_id: int, *, password_hash: str, session_id: UUID, refresh_jti: UUID, life: timedelta
    ) -> SessionTokensData | None:
        """Write a session; None when the user is no longer active or the hash no longer theirs."""

    def rotate(
        self, session_id: UUID, *, presented: UUID, replacement: UUID, life: timedelta, grace: timedelta
    ) -> SessionTokensData | None:
        """Put `replacement` in the place of the `presented` jti and let the session live `life` from now.

        The jti before the present one is answered with the present one for `grace`. Any other revokes the session:
        somebody uses a copy. None when the session does not go on.
        """

    def revoke(self, session_id: UUID) -> None:
        """End a session; nothing happens when it is over."""

    def revoke_all(self, user_id: int, *, except_session: UUID | None) -> int:
        """End a user's sessions and count them."""

    def change_password(self, user_id: int, *, old_hash: str, new_hash: str, except_session: UUID) -> bool:
        """Set a new hash and end the user's other sessions at once; False when the hash has changed meanwhile."""

    def principal(self, session_id: UUID) -> Principal | None:
        """Read who a session belongs to; None when it, or the user, is over."""

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, HandSeen | None] | None:
        """Read who a session belongs to and, of an agent, what they hold: at one moment. None as above."""
