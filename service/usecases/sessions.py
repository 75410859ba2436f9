"""Signing in and staying signed in: sessions whose refresh token changes with every use.

Every request reads its session and user afresh, so that revocation, deactivation and a change of role or password are
effective at once, whatever tokens are still about.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from service.domain.errors import InvalidInput, NotSignedIn, WrongCredentials
from service.domain.model import HandSeen, Principal
from service.domain.people_rules import check_strength
from service.usecases.passwords import Passwords
from service.usecases.ports.sessions import Credentials, SessionStore, SessionTokensData
from service.usecases.throttle import Throttle
from service.usecases.validation import unprintable

REUSE_GRACE = timedelta(seconds=30)
"""How long the refresh token before the present one is forgiven: a reply may be lost, and two tabs may refresh at once.
After that it can only be a copy."""

ATTEMPTS = 2
"""How often a password is looked at when its hash is replaced between the look and the opening of the session: another
login may have renewed it just then."""


class Sessions:
    """Open, prolong and end sessions."""

    def __init__(
        self,
        *,
        store: SessionStore,
        passwords: Passwords,
        throttle: Throttle,
        refresh_life: timedelta,
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._refresh_life = refresh_life
        self._new_id = new_id

    def login(
        self,
        username: str,
        password: str,
        *,
        address: str | None,
        device: str | None = None,
        session_id: UUID | None = None,
        life: timedelta | None = None,
    ) -> SessionTokensData:
        """Open a session, under a `session_id` and for a `life` of the caller's own where given.

        `address` is where they call from; None: from this machine. `device` is what `device_mark` gave their browser
        before. Raises `WrongCredentials`, in the same words and time whatever was wrong, and after too many of those
        `TooManyTries`.
        """
        for _ in range(ATTEMPTS):
            with self._throttle.sign_in(username, address, device):
                found = self._verified(username, password)
            opened = self._store.open(
                found.user.id,
                password_hash=found.password_hash,
                session_id=session_id or self._new_id(),
                refresh_jti=self._new_id(),
                life=life or self._refresh_life,
            )
            if opened is not None:
                self._renew_hash(found, password)
                return opened
        raise _wrong()

    def device_mark(self, username: str) -> str:
        """Make a mark for the browser in which somebody has just signed in, to be sent along with the next sign-in."""
        return self._throttle.device_mark(username)

    def refresh(self, session_id: UUID, refresh_jti: UUID) -> SessionTokensData:
        """Exchange a refresh token for the next one.

        The one before it is answered with the present one for `REUSE_GRACE`; any other ends the session, for somebody
        uses a copy. Raises `NotSignedIn`.
        """
        rotated = self._store.rotate(
            session_id,
            presented=refresh_jti,
            replacement=self._new_id(),
            life=self._refresh_life,
            grace=REUSE_GRACE,
        )
        if rotated is None:
            raise over()
        return rotated

    def revoke(self, session_id: UUID) -> None:
        """End a session; nothing happens when it is over."""
        self._store.revoke(session_id)

    def revoke_all(self, user_id: int, *, except_session: UUID | None = None) -> int:
        """End a user's sessions and count them."""
        return self._store.revoke_all(user_id, except_session=except_session)

    def principal(self, session_id: UUID) -> Principal:
        """Say who is calling, by one query. Raises `NotSignedIn` when the session, or the user, is over."""
        principal = self._store.principal(session_id)
        if principal is None:
            raise over()
        return principal

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, HandSeen | None]:
        """Say who is calling and, where that is an agent, what they hold, by one query. Raises `NotSignedIn`."""
        found = self._store.principal_and_hand(session_id)
        if found is None:
            raise over()
        return found

    def change_password(self, principal: Principal, *, old_password: str, new_password: str) -> None:
        """Set one's own password; one's other sessions end, the present one goes on.

        Raises `InvalidInput` naming `old_password` when that is wrong (and not `WrongCredentials`, which would send a
        client that is well signed in back to its door), or `new_password` when that is weak or the same; after too
        many wrong ones, `TooManyTries`.
        """
        found = self._store.credentials_of(principal.user_id)
        if found is None:
            raise over()
        problems = [("new_password", message) for message in check_strength(new_password)]
        if not self._is_present(principal, old_password, found.password_hash):
            problems.insert(0, ("old_password", "is not your present password"))
        elif self._passwords.matches(new_password, found.password_hash):
            problems.append(("new_password", "must differ from the present one"))
        if problems:
            raise InvalidInput(*problems)
        changed = self._store.change_password(
            principal.user_id,
            old_hash=found.password_hash,
            new_hash=self._passwords.hash(new_password),
            except_session=principal.session_id,
        )
        if not changed:
            raise InvalidInput(("old_password", "has just been changed by somebody else"))

    def _is_present(self, principal: Principal, password: str, password_hash: str) -> bool:
        """Say whether the password is the present one: whoever has stolen a session must not find it out by trying."""
        try:
            with self._throttle.password_change(principal.session_id):
                if not self._passwords.matches(password, password_hash):
                    raise _wrong()
        except WrongCredentials:
            return False
        return True

    def _verified(self, username: str, password: str) -> Credentials:
        name = username.strip()
        found = None if unprintable(name) else self._store.credentials(name)
        matches = self._passwords.matches(password, None if found is None else found.password_hash)
        if found is None or not matches:
            raise _wrong()
        return found

    def _renew_hash(self, found: Credentials, password: str) -> None:
        """Hash the password anew where the costs have changed since."""
        if self._passwords.is_outdated(found.password_hash):
            new_hash = self._passwords.hash(password)
            self._store.rehash(found.user.id, old_hash=found.password_hash, new_hash=new_hash)


def _wrong() -> WrongCredentials:
    return WrongCredentials("The username or the password is wrong")


def over() -> NotSignedIn:
    """Say that a session is."""
    return NotSignedIn("You are signed out: the session has ended or been revoked; sign in again")
