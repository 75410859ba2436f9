"""Users on real PostgreSQL: unique names, the last admin, and what a user who goes leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from redis import Redis
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from service.domain.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.domain.model import Priority, Role, User
from service.store.places import PostgresPlaces
from service.store.uniqueness import taken_values_as_facts
from service.store.users import PostgresUsers
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.passwords import Passwords
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import UserChanges, UserDraft, UserFilter
from service.usecases.users import Users
from tests.fakes.queue import MemoryTicketQueue

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

GOOD = "Correct-horse-7"
HUGE = 2**63


@pytest.fixture
def users(engine: Engine) -> Users:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Users(
        store=PostgresUsers(engine),
        queue=MemoryTicketQueue(),
        places=PostgresPlaces(engine),
        passwords=Passwords(hasher),
    )


def draft(username: str = "ann", role: Role = Role.OPERATOR, **values: Any) -> UserDraft:
    return UserDraft(username=username, password=GOOD, role=role, **values)


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def rows(engine: Engine, query: str, **values: object) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def give(engine: Engine, agent_id: int, ids: list[int]) -> None:
    run(
        engine,
        "UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1, assigned_at = now()"
        " WHERE id = ANY(:ids)",
        agent=agent_id,
        ids=ids,
    )


def open_session(engine: Engine, user_id: int) -> None:
    run(
        engine,
        "INSERT INTO sessions (id, user_id, refresh_jti, expires_at) VALUES (:id, :user, :jti, now() + interval '1 h')",
        id=uuid4(),
        user=user_id,
        jti=uuid4(),
    )


def live_sessions(engine: Engine, user_id: int) -> int:
    query = "SELECT count(*) FROM sessions WHERE user_id = :user AND revoked_at IS NULL"
    return int(rows(engine, query, user=user_id)[0][0])


def names(users: Users, wanted: UserFilter | None = None, sort: str = "id") -> list[str]:
    return [user.username for user in users.page(wanted or UserFilter(), PageRequest(sort=sort)).items]


def test_a_created_user_reads_as_written(users: Users) -> None:
    created = users.create(
        draft(email="Ann@X.org", first_name="Ann", last_name="Lee", phone="+1 555", is_active=False, role=Role.ADMIN)
    )
    assert users.get(created.id) == created
    assert (created.username, created.email, created.role, created.is_active) == ("ann", "Ann@X.org", Role.ADMIN, False)
    assert (created.first_name, created.last_name, created.phone) == ("Ann", "Lee", "+1 555")
    assert created.created_at.utcoffset() is not None


def test_a_created_agent_has_a_profile_of_defaults(users: Users, engine: Engine) -> None:
    ann = users.create(draft(role=Role.AGENT))
    users.create(draft("bob", role=Role.OPERATOR))
    profiles = rows(engine, "SELECT id, level, availability, capacity, held, is_active, auto_assign FROM agents")
    assert profiles == [(ann.id, "junior", "available", 15, 0, True, False)]


def test_a_username_is_unique_whatever_its_case(users: Users) -> None:
    bob = users.create(draft("bob"))
    users.create(draft("Ann"))
    with pytest.raises(AlreadyExists) as caught:
        users.create(draft("aNN"))
    assert caught.value.facts == {"field": "username"}
    with pytest.raises(AlreadyExists) as caught:
        users.update(bob.id, UserChanges(username="ANN"), actor_id=None)
    assert caught.value.facts == {"field": "username"}
    assert users.update(bob.id, UserChanges(username="BOB"), actor_id=None).username == "BOB"


def test_an_email_is_unique_whatever_its_case_but_may_be_missing(users: Users) -> None:
    users.create(draft("ann", email="a@x.org"))
    bob = users.create(draft("bob"))
    users.create(draft("cid"))
    with pytest.raises(AlreadyExists) as caught:
        users.update(bob.id, UserChanges(email="A@X.ORG"), actor_id=None)
    assert caught.value.facts == {"field": "email"}


def test_other_violations_are_not_taken_for_taken_names(engine: Engine) -> None:
    twice = "INSERT INTO leases (name, holder, expires_at) VALUES ('x', 'a', now()), ('x', 'b', now())"
    with pytest.raises(IntegrityError, match="leases_pkey"), taken_values_as_facts():
        run(engine, twice)


def test_what_a_deleted_user_had_is_free_again(users: Users) -> None:
    first = users.create(draft("ann", email="a@x.org"))
    users.delete(first.id, actor_id=None)
    assert users.create(draft("ann", email="a@x.org")).id != first.id


def test_a_deleted_user_is_not_found_anywhere(users: Users) -> None:
    ann = users.create(draft())
    users.delete(ann.id, actor_id=None)
    for call in (
        lambda: users.get(ann.id),
        lambda: users.delete(ann.id, actor_id=None),
        lambda: users.update(ann.id, UserChanges(first_name="x"), actor_id=None),
        lambda: users.set_password(ann.id, GOOD, actor_id=None),
    ):
        with pytest.raises(NotFound):
            call()
    assert names(users) == []


@pytest.mark.parametrize("user_id", [0, -1, 1, HUGE - 1, HUGE, HUGE**2])
def test_an_id_that_no_user_has_is_not_found(users: Users, user_id: int) -> None:
    for call in (
        lambda: users.get(user_id),
        lambda: users.delete(user_id, actor_id=None),
        lambda: users.update(user_id, UserChanges(first_name="x"), actor_id=None),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_change_leaves_the_rest_as_it_is(users: Users) -> None:
    before = users.create(draft(email="a@x.org", first_name="Ann", last_name="Lee", phone="1"))
    after = users.update(before.id, UserChanges(last_name="Poe"), actor_id=None)
    assert (after.email, after.first_name, after.last_name, after.phone) == ("a@x.org", "Ann", "Poe", "1")
    assert after.updated_at > before.updated_at
    assert users.update(before.id, UserChanges(email=None), actor_id=None).email is None
    assert users.update(before.id, UserChanges(), actor_id=None) == users.get(before.id)


def test_users_are_found_by_name_email_and_full_name(users: Users) -> None:
    users.create(draft("ann", first_name="Ann", last_name="Lee"))
    users.create(draft("bob", email="B_b@X.org", role=Role.ADMIN))
    users.create(draft("cid", last_name="100%", is_active=False))
    expected: dict[str, list[str]] = {
        "NN": ["ann"],
        "n le": ["ann"],
        "b_B@": ["bob"],
        "%": ["cid"],
        "_": ["bob"],
        "\\": [],
        "x.ORG": ["bob"],
        "zed": [],
    }
    assert {q: names(users, UserFilter(text=q)) for q in expected} == expected
    assert names(users, UserFilter(role=Role.ADMIN)) == ["bob"]
    assert names(users, UserFilter(is_active=False)) == ["cid"]
    assert names(users, UserFilter(is_active=True, role=Role.OPERATOR)) == ["ann"]


def test_users_are_listed_by_every_sort_on_offer_page_by_page(users: Users) -> None:
    for name, email in (("cid", None), ("Ann", "z@x.org"), ("bob", None), ("dan", "a@x.org")):
        users.create(draft(name, email=email))
    for sort in ("id", "username", "email", "role", "created_at"):
        for direction in ("", "-"):
            seen: list[User] = []
            cursor = None
            while len(seen) < 4:
                page = users.page(UserFilter(), PageRequest(limit=1, cursor=cursor, sort=direction + sort))
                seen += page.items
                cursor = page.next
            assert cursor is None
            assert len({user.id for user in seen}) == 4
    assert names(users, sort="username") == ["Ann", "bob", "cid", "dan"]
    assert names(users, sort="email") == ["dan", "Ann", "cid", "bob"]
    with pytest.raises(InvalidInput, match="sort"):
        names(users, sort="password_hash")


CHANGES_THAT_END_A_HAND = [
    (UserChanges(is_active=False), "deactivate", ""),
    (UserChanges(role=Role.OPERATOR), "deactivate", "role changed to operator"),
    (None, "delete", ""),
]


@pytest.mark.parametrize(("changes", "cause", "note"), CHANGES_THAT_END_A_HAND)
def test_an_agent_who_stops_loses_the_hand_at_once(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_user: Make,
    make_tickets: MakeMany,
    changes: UserChanges | None,
    cause: str,
    note: str,
) -> None:
    users = Users(store=PostgresUsers(engine), queue=queue, places=PostgresPlaces(engine), passwords=Passwords())
    admin, ann, bob = make_user(), make_agent("ann"), make_agent("bob")
    ids = make_tickets(6, enqueue=False)
    give(engine, ann, ids[:4])
    give(engine, bob, ids[4:5])
    run(engine, "UPDATE tickets SET status = 'in_progress' WHERE id = :id", id=ids[1])
    run(engine, "UPDATE tickets SET status = 'resolved', resolved_at = now() WHERE id = :id", id=ids[2])
    run(engine, "UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[3])
    queue.hold(ann, [ids[0], ids[1]])

    if changes is None:
        users.delete(ann, actor_id=admin)
    else:
        users.update(ann, changes, actor_id=admin)

    tickets = rows(engine, "SELECT id, status, agent_id, epoch, assigned_at IS NULL FROM tickets ORDER BY id")
    assert tickets == [
        (ids[0], "open", None, 2, True),
        (ids[1], "open", None, 2, True),
        (ids[2], "resolved", ann, 1, False),
        (ids[3], "assigned", ann, 1, False),
        (ids[4], "assigned", bob, 1, False),
        (ids[5], "open", None, 0, True),
    ]
    history = "SELECT ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch, note FROM ticket_events"
    assert rows(engine, f"{history} ORDER BY id") == [
        (ids[0], cause, "assigned", "open", ann, admin, 2, note),
        (ids[1], cause, "in_progress", "open", ann, admin, 2, note),
    ]
    assert rows(engine, "SELECT held, is_active FROM agents ORDER BY id") == [(0, False), (1, True)]
    assert queue.depths()[Priority.MEDIUM] == 2
    assert redis_client.smembers(keys.held(ann)) == set()


def test_a_refused_change_leaves_the_hand_alone(
    engine: Engine, users: Users, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, ids = make_agent("ann"), make_tickets(1, enqueue=False)
    make_agent("bob")
    give(engine, ann, ids)
    with pytest.raises(AlreadyExists):
        users.update(ann, UserChanges(is_active=False, username="bob"), actor_id=None)
    assert rows(engine, "SELECT status, agent_id FROM tickets") == [("assigned", ann)]
    assert rows(engine, "SELECT count(*) FROM ticket_events") == [(0,)]


def test_a_user_who_becomes_an_agent_gets_a_profile_and_keeps_it(users: Users, engine: Engine) -> None:
    ann = users.create(draft(role=Role.OPERATOR))
    users.update(ann.id, UserChanges(role=Role.AGENT), actor_id=None)
    assert rows(engine, "SELECT id, is_active FROM agents") == [(ann.id, True)]
    run(engine, "UPDATE agents SET level = 'senior'")
    users.update(ann.id, UserChanges(role=Role.OPERATOR), actor_id=None)
    assert rows(engine, "SELECT id, is_active FROM agents") == [(ann.id, False)]
    users.update(ann.id, UserChanges(role=Role.AGENT), actor_id=None)
    assert rows(engine, "SELECT id, is_active, level FROM agents") == [(ann.id, True, "senior")]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        (UserChanges(is_active=False), 0),
        (UserChanges(password="Another-horse-8"), 0),
        (UserChanges(role=Role.AGENT), 2),
        (UserChanges(first_name="Ann", is_active=True), 2),
    ],
)
def test_deactivation_and_a_new_password_end_the_sessions(
    users: Users, engine: Engine, changes: UserChanges, left: int
) -> None:
    ann, bob = users.create(draft("ann")), users.create(draft("bob"))
    for user_id in (ann.id, ann.id, bob.id):
        open_session(engine, user_id)
    users.update(ann.id, changes, actor_id=None)
    assert (live_sessions(engine, ann.id), live_sessions(engine, bob.id)) == (left, 1)


def test_deletion_ends_the_sessions(users: Users, engine: Engine) -> None:
    ann = users.create(draft())
    open_session(engine, ann.id)
    users.delete(ann.id, actor_id=None)
    assert live_sessions(engine, ann.id) == 0


LAST_ADMIN = [UserChanges(is_active=False), UserChanges(role=Role.AGENT), None]


def go(users: Users, user_id: int, changes: UserChanges | None) -> None:
    if changes is None:
        users.delete(user_id, actor_id=user_id)
    else:
        users.update(user_id, changes, actor_id=user_id)


@pytest.mark.parametrize("changes", LAST_ADMIN)
def test_the_last_active_admin_stays(users: Users, changes: UserChanges | None) -> None:
    last = users.create(draft("last", Role.ADMIN))
    users.create(draft("asleep", Role.ADMIN, is_active=False))
    deleted = users.create(draft("deleted", Role.ADMIN))
    users.delete(deleted.id, actor_id=last.id)
    with pytest.raises(Conflict, match="last active admin"):
        go(users, last.id, changes)
    assert users.get(last.id) == last
    assert users.update(last.id, UserChanges(first_name="A", role=Role.ADMIN, is_active=True), actor_id=None).is_active


@pytest.mark.parametrize("changes", LAST_ADMIN)
def test_an_admin_may_go_when_another_stays(users: Users, changes: UserChanges | None) -> None:
    first, _ = users.create(draft("ann", Role.ADMIN)), users.create(draft("bob", Role.ADMIN))
    go(users, first.id, changes)


def test_an_admin_who_is_inactive_already_may_go(users: Users) -> None:
    asleep = users.create(draft("bob", Role.ADMIN, is_active=False))
    users.delete(asleep.id, actor_id=None)


@pytest.mark.parametrize("changes", LAST_ADMIN)
def test_two_admins_cannot_each_leave_the_last_to_the_other(
    users: Users, engine: Engine, changes: UserChanges | None
) -> None:
    """Both have their own row locked before either looks for another admin, which is where a careless guard fails."""
    admins = [users.create(draft(name, Role.ADMIN)) for name in ("ann", "bob")]
    both_locked = Barrier(2, timeout=10)

    def wait_for_the_other(_c: Any, _cursor: Any, sql: str, _p: Any, _x: Any, _many: bool) -> None:
        if "FROM users" in sql and "FOR NO KEY UPDATE" in sql:
            both_locked.wait()

    event.listen(engine, "after_cursor_execute", wait_for_the_other)
    try:
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(go, users, admin.id, changes) for admin in admins]
            failures = [type(future.exception()) for future in futures]
    finally:
        event.remove(engine, "after_cursor_execute", wait_for_the_other)
    assert sorted(failures, key=str) == [type(None), Conflict] or sorted(failures, key=str) == [Conflict, type(None)]
    still = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active AND deleted_at IS NULL"
    assert rows(engine, still) == [(1,)]


def test_two_starts_at_once_make_one_admin(users: Users, engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: users.ensure_admin("root", None), range(4)))
    assert len({admin.id for admin, _ in made}) == 1
    assert sum(password is not None for _, password in made) == 1
    assert rows(engine, "SELECT username, role FROM users") == [("root", "admin")]


def test_an_admin_is_made_only_where_no_active_one_is(users: Users) -> None:
    asleep = users.create(draft("asleep", Role.ADMIN, is_active=False))
    first, _ = users.ensure_admin("root", GOOD)
    assert first.username == "root"
    assert users.ensure_admin("other", None) == (first, None)
    assert not users.get(asleep.id).is_active


def test_a_name_that_is_no_active_admins_is_not_taken_over(users: Users) -> None:
    users.create(draft("root", Role.AGENT))
    with pytest.raises(AlreadyExists, match="name the first admin differently"):
        users.ensure_admin("root", None)
