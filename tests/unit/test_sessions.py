"""Signing in and out, as far as it can be judged without a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher

from service.domain.errors import InvalidInput, NotSignedIn, WrongCredentials
from service.domain.model import Principal, Role
from service.usecases.passwords import Passwords
from service.usecases.ports.sessions import Credentials, SessionTokensData
from service.usecases.sessions import Sessions
from tests.fakes.people import a_user
from tests.fakes.tries import unthrottled

GOOD = "Correct-horse-7"
OTHER = "Another-horse-8"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ANN = a_user(7, username="ann")
HERE = Principal(user_id=7, username="ann", role=Role.AGENT, session_id=uuid4())
LIFE = timedelta(days=14)
ENDS = datetime(2024, 1, 15, tzinfo=UTC)


@dataclass
class OneUser:
    """Know one user; `renewed` is the hash that another login puts in place just before the next opening."""

    password_hash: str
    renewed: str | None = None
    looked_up: list[str] = field(default_factory=list)
    opened: list[SessionTokensData] = field(default_factory=list)
    changed: list[tuple[str, UUID]] = field(default_factory=list)

    def credentials(self, username: str) -> Credentials | None:
        self.looked_up.append(username)
        return Credentials(user=ANN, password_hash=self.password_hash) if username == "ann" else None

    def credentials_of(self, user_id: int) -> Credentials | None:
        return Credentials(user=ANN, password_hash=self.password_hash) if user_id == ANN.id else None

    def rehash(self, user_id: int, *, old_hash: str, new_hash: str) -> bool:
        if self.password_hash != old_hash:
            return False
        self.password_hash = new_hash
        return True

    def open(
        self, user_id: int, *, password_hash: str, session_id: UUID, refresh_jti: UUID, life: timedelta
    ) -> SessionTokensData | None:
        if self.renewed is not None:
            self.password_hash, self.renewed = self.renewed, None
        if password_hash != self.password_hash:
            return None
        assert life == LIFE
        self.opened.append(SessionTokensData(session_id=session_id, refresh_jti=refresh_jti, user=ANN, expires_at=ENDS))
        return self.opened[-1]

    def rotate(
        self, session_id: UUID, *, presented: UUID, replacement: UUID, life: timedelta, grace: timedelta
    ) -> SessionTokensData | None:
        return None

    def revoke(self, session_id: UUID) -> None:
        raise NotImplementedError("no test of this file gets here")

    def revoke_all(self, user_id: int, *, except_session: UUID | None) -> int:
        raise NotImplementedError("no test of this file gets here")

    def change_password(self, user_id: int, *, old_hash: str, new_hash: str, except_session: UUID) -> bool:
        if self.renewed is not None:
            return False
        self.changed.append((new_hash, except_session))
        return True

    def principal(self, session_id: UUID) -> Principal | None:
        return HERE if session_id == HERE.session_id else None

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, None] | None:
        return (HERE, None) if session_id == HERE.session_id else None


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP)


@pytest.fixture
def store(passwords: Passwords) -> OneUser:
    return OneUser(password_hash=passwords.hash(GOOD))


@pytest.fixture
def sessions(store: OneUser, passwords: Passwords) -> Sessions:
    return keeper(store, passwords)


def keeper(store: OneUser, passwords: Passwords) -> Sessions:
    return Sessions(store=store, passwords=passwords, throttle=unthrottled(), refresh_life=LIFE)


def test_login_opens_a_session_of_its_own_each_time(sessions: Sessions, store: OneUser) -> None:
    first, second = sessions.login("ann", GOOD, address=None), sessions.login(" ann ", GOOD, address=None)
    assert [first, second] == store.opened
    assert len({first.session_id, first.refresh_jti, second.session_id, second.refresh_jti}) == 4
    assert first.user == ANN


@pytest.mark.parametrize(
    ("username", "password"), [("ann", OTHER), ("bob", GOOD), ("ann", ""), ("", ""), ("a\0n", GOOD)]
)
def test_whatever_is_wrong_the_answer_is_the_same(sessions: Sessions, username: str, password: str) -> None:
    with pytest.raises(WrongCredentials) as caught:
        sessions.login(username, password, address=None)
    assert caught.value.detail == "The username or the password is wrong"
    assert caught.value.facts == {}


@pytest.mark.parametrize("username", ["ann", "nobody", "a\0n", "\ud800"])
def test_a_wrong_login_costs_one_comparison_whoever_is_named(store: OneUser, username: str) -> None:
    class Counting(Passwords):
        compared = 0

        def matches(self, password: str, password_hash: str | None) -> bool:
            self.compared += 1
            return super().matches(password, password_hash)

    passwords = Counting(CHEAP)
    with pytest.raises(WrongCredentials):
        keeper(store, passwords).login(username, OTHER, address=None)
    assert passwords.compared == 1


def test_a_name_no_database_takes_is_not_looked_up(sessions: Sessions, store: OneUser) -> None:
    with pytest.raises(WrongCredentials):
        sessions.login("a\0n", GOOD, address=None)
    assert store.looked_up == []


def test_a_hash_of_old_costs_is_renewed_by_login(store: OneUser) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    old = store.password_hash
    keeper(store, dearer).login("ann", GOOD, address=None)
    assert store.password_hash != old
    assert not dearer.is_outdated(store.password_hash)
    assert dearer.matches(GOOD, store.password_hash)


def test_a_login_beside_one_that_renews_the_hash_succeeds(
    sessions: Sessions, store: OneUser, passwords: Passwords
) -> None:
    store.renewed = passwords.hash(GOOD)
    assert sessions.login("ann", GOOD, address=None).user == ANN


def test_a_login_beside_a_change_of_password_fails(sessions: Sessions, store: OneUser, passwords: Passwords) -> None:
    store.renewed = passwords.hash(OTHER)
    with pytest.raises(WrongCredentials):
        sessions.login("ann", GOOD, address=None)
    assert store.opened == []


def test_a_session_that_is_over_is_not_signed_in(sessions: Sessions) -> None:
    assert sessions.principal(HERE.session_id) == HERE
    with pytest.raises(NotSignedIn):
        sessions.principal(uuid4())
    with pytest.raises(NotSignedIn):
        sessions.refresh(uuid4(), uuid4())


def test_a_new_password_is_hashed_and_the_present_session_kept(
    sessions: Sessions, store: OneUser, passwords: Passwords
) -> None:
    sessions.change_password(HERE, old_password=GOOD, new_password=OTHER)
    [(new_hash, kept)] = store.changed
    assert passwords.matches(OTHER, new_hash)
    assert kept == HERE.session_id


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (OTHER, OTHER, ["old_password: is not your present password"]),
        (GOOD, "Abcdefg1", ["new_password: must contain a special character"]),
        (GOOD, GOOD, ["new_password: must differ from the present one"]),
        ("", "Abcdefg?", ["old_password: is not your present password", "new_password: must contain a digit"]),
    ],
)
def test_a_change_of_password_says_all_that_is_wrong(
    sessions: Sessions, store: OneUser, old: str, new: str, problems: list[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        sessions.change_password(HERE, old_password=old, new_password=new)
    assert caught.value.detail == "; ".join(problems)
    assert store.changed == []


def test_of_two_changes_of_password_at_once_one_is_refused(sessions: Sessions, store: OneUser) -> None:
    store.renewed = "changed meanwhile"
    with pytest.raises(InvalidInput, match="old_password: has just been changed"):
        sessions.change_password(HERE, old_password=GOOD, new_password=OTHER)


def test_a_deleted_user_changes_no_password(sessions: Sessions) -> None:
    gone = Principal(user_id=8, username="bob", role=Role.AGENT, session_id=uuid4())
    with pytest.raises(NotSignedIn):
        sessions.change_password(gone, old_password=GOOD, new_password=OTHER)
