"""What a good password is, and keeping passwords as hashes."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from service.usecases.passwords import Passwords, check_strength, generate_password

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Count the comparisons."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self.verified += 1
        return super().verify(hash, password)  # type: ignore[return-value]


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP)


@pytest.mark.parametrize("password", ["Abcdef1!", "Ünïcode-7", "with Spaces 1.", "A" + "b" * 125 + "1!"])
def test_a_good_password_lacks_nothing(password: str) -> None:
    assert check_strength(password) == []


@pytest.mark.parametrize(
    ("password", "lacking"),
    [
        ("Abcde1!", ["must have at least 8 characters"]),
        ("Ab1!" * 32 + "x", ["must have at most 128 characters"]),
        ("abcdef1!", ["must contain an upper-case letter"]),
        ("ABCDEF1!", ["must contain a lower-case letter"]),
        ("Abcdefg!", ["must contain a digit"]),
        ("Abcdefg1", ["must contain a special character"]),
        ("Abcdefg 1", ["must contain a special character"]),
    ],
)
def test_each_missing_thing_is_a_message_of_its_own(password: str, lacking: list[str]) -> None:
    assert check_strength(password) == lacking


def test_an_empty_password_lacks_everything_but_shortness() -> None:
    assert len(check_strength("")) == 5


def test_generated_passwords_are_good_and_differ() -> None:
    made = {generate_password() for _ in range(50)}
    assert len(made) == 50
    assert all(check_strength(password) == [] for password in made)


@given(password=st.text(max_size=40) | st.just("lone \ud800 surrogate"))
def test_any_text_can_be_a_password_and_matches_itself_alone(password: str) -> None:
    passwords = Passwords(CHEAP)
    hashed = passwords.hash(password)
    assert passwords.matches(password, hashed)
    assert not passwords.matches(password + "x", hashed)


def test_a_hash_tells_nothing_of_the_password_and_is_salted(passwords: Passwords) -> None:
    first, second = passwords.hash("Abcdef1!"), passwords.hash("Abcdef1!")
    assert first.startswith("$argon2id$")
    assert "Abcdef1!" not in first
    assert first != second


def test_accents_may_be_typed_either_way(passwords: Passwords) -> None:
    assert passwords.matches("Cafe\u0301-1234", passwords.hash("Caf\u00e9-1234"))


def test_nobody_matches_at_the_price_of_a_comparison() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(hasher)
    assert not passwords.matches("Abcdef1!", None)
    assert hasher.verified == 1


def test_nobody_matches_even_the_password_compared_with(passwords: Passwords) -> None:
    passwords._dummy_hash = passwords.hash("Abcdef1!")
    assert not passwords.matches("Abcdef1!", None)


def test_what_is_no_hash_matches_nothing(passwords: Passwords) -> None:
    assert not passwords.matches("!", "!")
    assert not passwords.matches("", "")


def test_a_hash_of_other_costs_is_outdated(passwords: Passwords) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    hashed = passwords.hash("Abcdef1!")
    assert not passwords.is_outdated(hashed)
    assert dearer.is_outdated(hashed)
    assert dearer.matches("Abcdef1!", hashed)


def test_the_costs_are_at_least_what_owasp_asks_for() -> None:
    assert "m=19456,t=2,p=1" in Passwords().hash("Abcdef1!")
