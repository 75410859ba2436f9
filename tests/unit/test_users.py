"""What the use cases make of what people typed about users, before any store sees it."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import AlreadyExists, InvalidInput, NotFound
from service.domain.model import Priority, QueuedTicket, Role
from service.usecases.passwords import Passwords, check_strength
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import UNSET, UserChanges, UserDraft, UserFilter
from service.usecases.users import Users
from tests.fakes.people import NOBODY, RecordingUsers, a_user
from tests.fakes.places import KnownPlaces
from tests.fakes.queue import MemoryTicketQueue

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
GOOD = "Correct-horse-7"
RETURNED = (QueuedTicket(3, Priority.LOW), QueuedTicket(5, Priority.MEDIUM))


@pytest.fixture
def store() -> RecordingUsers:
    return RecordingUsers()


@pytest.fixture
def queue() -> MemoryTicketQueue:
    return MemoryTicketQueue()


@pytest.fixture
def users(store: RecordingUsers, queue: MemoryTicketQueue) -> Users:
    return Users(store=store, queue=queue, places=KnownPlaces(RETURNED), passwords=CHEAP)


def draft(**values: object) -> UserDraft:
    return UserDraft(**{"username": "ann", "password": GOOD, "role": Role.OPERATOR, **values})  # type: ignore[arg-type]


def refused(call: object, *args: object, **kwargs: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    return [error["field"] for error in caught.value.facts["errors"]]


def test_the_store_sees_a_hash_and_no_password(users: Users, store: RecordingUsers) -> None:
    users.create(draft())
    assert CHEAP.matches(GOOD, store.drafts[0].password)
    assert GOOD not in repr(store.drafts)


def test_a_password_is_not_in_the_representation_of_a_draft() -> None:
    assert GOOD not in repr(draft()) + repr(UserChanges(password=GOOD))


def test_every_bad_field_is_named_at_once(users: Users, store: RecordingUsers) -> None:
    bad = draft(
        username="a b", password="short", email="nowhere", first_name="x\0", last_name="y" * 151, phone="1" * 65
    )
    assert set(refused(users.create, bad)) == {"username", "password", "email", "first_name", "last_name", "phone"}
    assert store.drafts == []


@pytest.mark.parametrize("name", ["ann", "a.b_c-d@e+f", "A" * 64, "007"])
def test_usernames_of_plain_signs_are_taken_as_they_are(users: Users, store: RecordingUsers, name: str) -> None:
    users.create(draft(username=name))
    assert store.drafts[0].username == name


@pytest.mark.parametrize("name", ["", "ab", "a" * 65, "ann ", "änn", "ann\n", "a/b", "a\0b", "\u0430nn"])
def test_other_usernames_are_refused(users: Users, name: str) -> None:
    assert refused(users.create, draft(username=name)) == ["username"]


@pytest.mark.parametrize(
    "email",
    [
        "ann",
        "@x.org",
        "ann@",
        "ann@x",
        "ann@x..org",
        "ann@.org",
        "a b@x.org",
        "ann@x.org, bob@x.org",
        "<ann@x.org>",
        "ann@x.org\nBcc: z@x.org",
        "ann\0@x.org",
        "a@b@x.org",
        "x" * 65 + "@x.org",
        "a@" + "x" * 250 + ".org",
        "\ud800@x.org",
    ],
)
def test_what_is_no_email_address_is_refused(users: Users, email: str) -> None:
    assert refused(users.create, draft(email=email)) == ["email"]


@pytest.mark.parametrize("email", ["ann@x.org", "a.b+c@sub.example.co.uk", "Ann@X.org", "jörg@müller.de"])
def test_email_addresses_are_kept_as_typed(users: Users, store: RecordingUsers, email: str) -> None:
    users.create(draft(email=f" {email} "))
    assert store.drafts[0].email == email


def test_an_empty_email_is_none(users: Users, store: RecordingUsers) -> None:
    users.create(draft(email=" "))
    users.update(1, UserChanges(email=""), actor_id=None)
    assert store.drafts[0].email is None
    assert store.changes[0].email is None


def test_an_email_not_mentioned_stays(users: Users, store: RecordingUsers) -> None:
    users.update(1, UserChanges(first_name=" Ann "), actor_id=None)
    assert store.changes == [UserChanges(first_name="Ann")]
    assert store.changes[0].email is UNSET


@given(text=st.text(max_size=200))
def test_a_name_is_either_refused_or_safe_to_store(text: str) -> None:
    store = RecordingUsers()
    users = Users(store=store, queue=MemoryTicketQueue(), places=KnownPlaces(RETURNED), passwords=CHEAP)
    try:
        users.update(1, UserChanges(first_name=text), actor_id=None)
    except InvalidInput:
        return
    kept = store.changes[0].first_name
    assert kept is not None
    kept.encode()  # fails on what no database takes
    assert len(kept) <= 150
    assert "\0" not in kept
    assert kept == text.strip()


def test_a_weak_new_password_is_refused_word_by_word(users: Users, store: RecordingUsers) -> None:
    assert refused(users.set_password, 1, "abcdefgh", actor_id=None) == ["password"] * len(check_strength("abcdefgh"))
    assert store.changes == []


def test_what_is_taken_from_a_hand_goes_back_to_its_queue(queue: MemoryTicketQueue) -> None:
    queue.lists[Priority.MEDIUM] = [4, 6]
    queue.held[9] = {3, 5}
    users = Users(store=RecordingUsers(returned=RETURNED), queue=queue, places=KnownPlaces(RETURNED), passwords=CHEAP)
    users.update(9, UserChanges(is_active=False), actor_id=1)
    assert queue.lists[Priority.MEDIUM] == [4, 5, 6]
    assert queue.lists[Priority.LOW] == [3]
    assert queue.held[9] == set()
    assert queue.calls == ["unhold", "enqueue"]


def test_a_queue_that_is_away_stops_no_deletion(queue: MemoryTicketQueue) -> None:
    queue.is_down = True
    store, places = RecordingUsers(returned=RETURNED), KnownPlaces(RETURNED)
    Users(store=store, queue=queue, places=places, passwords=CHEAP).delete(9, actor_id=1)
    assert queue.calls == ["unhold"]
    assert places.looks == [], "a hint that was not given needs no second look"


def test_the_queue_is_left_alone_when_nothing_was_held(users: Users, queue: MemoryTicketQueue) -> None:
    users.delete(9, actor_id=1)
    assert queue.calls == []


def test_a_user_who_is_not_there_is_not_found(users: Users) -> None:
    assert users.get(1).id == 1
    with pytest.raises(NotFound, match="There is no user 2"):
        users.get(2)


def test_a_search_for_nothing_is_no_search(users: Users, store: RecordingUsers) -> None:
    assert users.page(UserFilter(text="  ", role=Role.ADMIN), PageRequest()) is NOBODY
    assert store.filters == [UserFilter(text=None, role=Role.ADMIN)]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 201])
def test_a_text_that_cannot_be_searched_for_is_refused(users: Users, text: str) -> None:
    assert refused(users.page, UserFilter(text=text), PageRequest()) == ["q"]


def test_the_first_admin_gets_a_generated_password(users: Users, store: RecordingUsers) -> None:
    admin, password = users.ensure_admin("root", None)
    assert admin.role is Role.ADMIN
    assert password is not None
    assert check_strength(password) == []
    assert CHEAP.matches(password, store.drafts[0].password)


def test_a_password_that_was_given_is_not_told_again(users: Users, store: RecordingUsers) -> None:
    assert users.ensure_admin("root", GOOD)[1] is None
    assert CHEAP.matches(GOOD, store.drafts[0].password)


def test_a_weak_password_for_the_first_admin_is_refused(users: Users) -> None:
    assert "password" in refused(users.ensure_admin, "root", "admin")


def test_an_admin_who_is_there_stays_as_they_are(queue: MemoryTicketQueue) -> None:
    present = a_user(4, role=Role.ADMIN)
    store = RecordingUsers(admin=present)
    users = Users(store=store, queue=queue, places=KnownPlaces(RETURNED), passwords=CHEAP)
    assert users.ensure_admin("root", "weak") == (present, None)
    assert store.drafts == []


def test_a_first_admin_whose_name_is_taken_is_told_what_to_do(users: Users, store: RecordingUsers) -> None:
    store.taken_name = "root"
    with pytest.raises(AlreadyExists, match=r"'root'.*name the first admin differently") as caught:
        users.ensure_admin("root", GOOD)
    assert caught.value.facts == {"field": "username"}
