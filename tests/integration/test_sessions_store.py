"""Sessions on real PostgreSQL: rotation, reuse, and being signed out at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event, text

from service.domain.errors import NotSignedIn, WrongCredentials
from service.domain.model import Principal, Role
from service.store.desks import PostgresDesks
from service.store.engine import transaction
from service.store.places import PostgresPlaces
from service.store.sessions import PRINCIPAL, PostgresSessions
from service.store.users import PostgresUsers
from service.usecases.passwords import Passwords
from service.usecases.ports.people import UserChanges, UserDraft
from service.usecases.ports.sessions import SessionTokensData
from service.usecases.sessions import Sessions
from service.usecases.users import Users
from tests.fakes.queue import MemoryTicketQueue
from tests.fakes.tries import unthrottled

GOOD = "Correct-horse-7"
OTHER = "Another-horse-8"
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def users(engine: Engine) -> Users:
    return Users(
        store=PostgresUsers(engine), queue=MemoryTicketQueue(), places=PostgresPlaces(engine), passwords=PASSWORDS
    )


@pytest.fixture
def ann(users: Users) -> int:
    users.ensure_admin("root", GOOD)
    return users.create(UserDraft(username="Ann", password=GOOD, role=Role.AGENT)).id


@pytest.fixture
def sessions(engine: Engine, ann: int) -> Sessions:
    return Sessions(
        store=PostgresSessions(engine), passwords=PASSWORDS, throttle=unthrottled(), refresh_life=timedelta(days=14)
    )


def run(engine: Engine, statement: str, **values: object) -> int:
    with engine.begin() as connection:
        return connection.execute(text(statement), values).rowcount


def is_over(sessions: Sessions, session_id: UUID) -> bool:
    try:
        sessions.principal(session_id)
    except NotSignedIn:
        return True
    return False


def test_login_says_who_is_calling(sessions: Sessions, ann: int) -> None:
    opened = sessions.login("aNN", GOOD, address=None)
    assert opened.user.id == ann
    wanted = datetime.now(UTC) + timedelta(days=14)
    assert abs(opened.expires_at - wanted) < timedelta(minutes=1)
    principal = sessions.principal(opened.session_id)
    assert principal == Principal(user_id=ann, username="Ann", role=Role.AGENT, session_id=opened.session_id)


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()", "password_hash = '!'"])
def test_who_may_not_sign_in_cannot(sessions: Sessions, engine: Engine, ann: int, change: str) -> None:
    run(engine, f"UPDATE users SET {change} WHERE id = :id", id=ann)
    with pytest.raises(WrongCredentials):
        sessions.login("Ann", GOOD, address=None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET revoked_at = now()",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE users SET is_active = false",
        "UPDATE users SET deleted_at = now()",
        "DELETE FROM sessions",
    ],
)
def test_a_session_that_is_over_is_over_at_once(sessions: Sessions, engine: Engine, statement: str) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    run(engine, statement)
    assert is_over(sessions, opened.session_id)
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, opened.refresh_jti)


def test_a_change_of_role_is_effective_at_once(sessions: Sessions, users: Users, ann: int) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    users.update(ann, UserChanges(role=Role.OPERATOR), actor_id=None)
    assert sessions.principal(opened.session_id).role is Role.OPERATOR


def test_whoever_is_activated_again_signs_in_anew(sessions: Sessions, users: Users, ann: int) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    for is_active in (False, True):
        users.update(ann, UserChanges(is_active=is_active), actor_id=None)
    assert is_over(sessions, opened.session_id)
    assert sessions.login("Ann", GOOD, address=None).user.is_active


def test_a_refresh_token_works_once_and_prolongs_the_session(sessions: Sessions, engine: Engine) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    run(engine, "UPDATE sessions SET expires_at = now() + interval '1 minute'")
    rotated = sessions.refresh(opened.session_id, opened.refresh_jti)
    assert rotated.session_id == opened.session_id
    assert rotated.refresh_jti != opened.refresh_jti
    assert rotated.expires_at > datetime.now(UTC) + timedelta(days=13)
    assert rotated.user == opened.user
    again = sessions.refresh(opened.session_id, rotated.refresh_jti)
    assert again.refresh_jti not in (opened.refresh_jti, rotated.refresh_jti)


def test_the_token_before_is_forgiven_for_a_while(sessions: Sessions, engine: Engine) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    rotated = sessions.refresh(opened.session_id, opened.refresh_jti)
    run(engine, "UPDATE sessions SET rotated_at = now() - interval '29 s'")
    assert sessions.refresh(opened.session_id, opened.refresh_jti) == rotated
    assert sessions.refresh(opened.session_id, opened.refresh_jti) == rotated
    assert not is_over(sessions, opened.session_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET revoked_at = now()",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE users SET is_active = false",
    ],
)
def test_nothing_is_forgiven_once_the_session_is_over(sessions: Sessions, engine: Engine, statement: str) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    sessions.refresh(opened.session_id, opened.refresh_jti)
    run(engine, statement)
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, opened.refresh_jti)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "UPDATE sessions SET revoked_at = now()",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE users SET is_active = false",
        "UPDATE users SET deleted_at = now(), is_active = false",
        "DELETE FROM sessions",
    ],
)
def test_who_looks_at_a_desk_is_who_any_request_comes_from(sessions: Sessions, engine: Engine, statement: str) -> None:
    opened = sessions.login("Ann", GOOD)
    if statement.startswith("SELECT"):
        looked = PostgresDesks(engine).look(opened.session_id, resolved=10)
        assert looked is not None
        assert looked.principal == sessions.principal(opened.session_id)
    else:
        run(engine, statement)
        assert is_over(sessions, opened.session_id)
        assert PostgresDesks(engine).look(opened.session_id, resolved=10) is None


def test_a_reused_token_ends_the_session_for_everybody(sessions: Sessions, engine: Engine) -> None:
    opened, bystander = sessions.login("Ann", GOOD, address=None), sessions.login("Ann", GOOD, address=None)
    rotated = sessions.refresh(opened.session_id, opened.refresh_jti)
    run(engine, "UPDATE sessions SET rotated_at = now() - interval '31 s'")
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, opened.refresh_jti)
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, rotated.refresh_jti)
    assert is_over(sessions, opened.session_id)
    assert not is_over(sessions, bystander.session_id)


def test_a_token_two_rotations_old_ends_the_session_however_young(sessions: Sessions) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    rotated = sessions.refresh(opened.session_id, opened.refresh_jti)
    sessions.refresh(opened.session_id, rotated.refresh_jti)
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, opened.refresh_jti)
    assert is_over(sessions, opened.session_id)


def test_an_unknown_token_ends_the_session(sessions: Sessions) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    with pytest.raises(NotSignedIn):
        sessions.refresh(opened.session_id, uuid4())
    assert is_over(sessions, opened.session_id)


def test_two_tabs_that_refresh_at_once_get_the_same_token(sessions: Sessions) -> None:
    for _ in range(5):
        opened = sessions.login("Ann", GOOD, address=None)
        start = Barrier(4, timeout=10)

        def refresh(_: int, opened: SessionTokensData = opened, start: Barrier = start) -> UUID:
            start.wait()
            return sessions.refresh(opened.session_id, opened.refresh_jti).refresh_jti

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(refresh, range(4)))) == 1


def test_revoking_ends_one_session_and_may_be_repeated(sessions: Sessions) -> None:
    opened, other = sessions.login("Ann", GOOD, address=None), sessions.login("Ann", GOOD, address=None)
    for _ in range(2):
        sessions.revoke(opened.session_id)
        assert is_over(sessions, opened.session_id)
    assert not is_over(sessions, other.session_id)


def test_revoking_all_spares_the_one_named_and_other_users(sessions: Sessions, ann: int) -> None:
    mine = [sessions.login("Ann", GOOD, address=None).session_id for _ in range(3)]
    theirs = sessions.login("root", GOOD, address=None).session_id
    assert sessions.revoke_all(ann, except_session=mine[0]) == 2
    assert [is_over(sessions, session_id) for session_id in (*mine, theirs)] == [False, True, True, False]
    assert sessions.revoke_all(ann) == 1
    assert is_over(sessions, mine[0])


def test_a_new_password_of_ones_own_ends_the_other_sessions(sessions: Sessions) -> None:
    here, elsewhere = sessions.login("Ann", GOOD, address=None), sessions.login("Ann", GOOD, address=None)
    sessions.change_password(sessions.principal(here.session_id), old_password=GOOD, new_password=OTHER)
    assert not is_over(sessions, here.session_id)
    assert is_over(sessions, elsewhere.session_id)
    with pytest.raises(WrongCredentials):
        sessions.login("Ann", GOOD, address=None)
    assert sessions.login("Ann", OTHER, address=None)


def test_an_admins_new_password_ends_all_sessions(sessions: Sessions, users: Users, ann: int) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    users.set_password(ann, OTHER, actor_id=1)
    assert is_over(sessions, opened.session_id)
    assert sessions.login("Ann", OTHER, address=None)


def test_a_login_under_way_does_not_outlive_a_new_password(sessions: Sessions, engine: Engine, ann: int) -> None:
    """The session is written, but not committed, when the password changes: the change must wait and then end it."""
    store = PostgresSessions(engine)
    before = store.credentials_of(ann)
    assert before is not None
    changing: list[Any] = []
    with ThreadPoolExecutor(1) as pool:

        def change_now(_c: Any, _cursor: Any, sql: str, _p: Any, _x: Any, _many: bool) -> None:
            if sql.startswith("INSERT INTO sessions") and not changing:
                change: Callable[..., bool] = store.change_password
                hashes = {"old_hash": before.password_hash, "new_hash": "new"}
                changing.append(pool.submit(change, ann, **hashes, except_session=uuid4()))
                _wait_until_blocked(engine)

        event.listen(engine, "after_cursor_execute", change_now)
        try:
            opened = sessions.login("Ann", GOOD, address=None)
        finally:
            event.remove(engine, "after_cursor_execute", change_now)
        assert changing[0].result() is True
    assert is_over(sessions, opened.session_id)


def test_a_session_is_not_opened_on_a_password_that_has_changed(engine: Engine, sessions: Sessions, ann: int) -> None:
    store = PostgresSessions(engine)
    values: dict[str, Any] = {"session_id": uuid4(), "refresh_jti": uuid4(), "life": timedelta(days=1)}
    assert store.open(ann, password_hash="an older one", **values) is None
    run(engine, "UPDATE users SET is_active = false WHERE id = :id", id=ann)
    now = "SELECT password_hash FROM users WHERE id = :id"
    with transaction(engine) as connection:
        password_hash = connection.execute(text(now), {"id": ann}).scalar_one()
    assert store.open(ann, password_hash=password_hash, **values) is None


def test_a_hash_is_renewed_only_in_the_place_of_the_one_checked(engine: Engine, sessions: Sessions, ann: int) -> None:
    store = PostgresSessions(engine)
    found = store.credentials_of(ann)
    assert found is not None
    assert not store.rehash(ann, old_hash="another", new_hash="new")
    assert store.rehash(ann, old_hash=found.password_hash, new_hash="new")
    after = store.credentials_of(ann)
    assert after is not None
    assert after.password_hash == "new"
    assert not store.change_password(ann, old_hash="another", new_hash="x", except_session=uuid4())


def test_who_is_calling_costs_one_query(sessions: Sessions, engine: Engine) -> None:
    opened = sessions.login("Ann", GOOD, address=None)
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, sql: str, _p: Any, _x: Any, _many: bool) -> None:
        seen.append(sql)

    event.listen(engine, "after_cursor_execute", note)
    try:
        sessions.principal(opened.session_id)
    finally:
        event.remove(engine, "after_cursor_execute", note)
    assert len(seen) == 1


def test_who_is_calling_is_found_by_keys(engine: Engine) -> None:
    run(
        engine,
        "INSERT INTO users (username, role, password_hash)"
        " SELECT 'u' || n, 'agent', '!' FROM generate_series(1, 2000) n",
    )
    run(
        engine,
        "INSERT INTO sessions (id, user_id, refresh_jti, expires_at)"
        " SELECT gen_random_uuid(), id, gen_random_uuid(), now() + interval '1 h' FROM users",
    )
    run(engine, "ANALYZE users, sessions")
    query = PRINCIPAL.params(session_id=uuid4()).compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
    assert "sessions_pkey" in plan
    assert "users_pkey" in plan
    assert "Seq Scan" not in plan


def _wait_until_blocked(engine: Engine) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            connection.execute(text("SELECT pg_sleep(0.01)"))
