"""Passwords: making good ones, and keeping them as argon2id hashes."""

from __future__ import annotations

import secrets
import string
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.domain.people_rules import MAX_PASSWORD, check_strength
from service.usecases.turns import Turns

MAX_LENGTH = MAX_PASSWORD
GENERATED_LENGTH = 20

_SPECIAL = "-_.+!#%*"


def generate_password() -> str:
    """Make a strong password that is easy to select and to type."""
    alphabet = string.ascii_letters + string.digits + _SPECIAL
    while True:
        password = "".join(secrets.choice(alphabet) for _ in range(GENERATED_LENGTH))
        if not check_strength(password):
            return password


class Passwords:
    """Hash passwords and compare them.

    The default costs (19 MiB, two passes, one lane) are the least that OWASP's Password Storage Cheat Sheet recommends
    for argon2id: about 20 ms, and little enough memory that every thread of a small machine may check one at once.
    They are checked in `turns`: a crowd that signs in must leave time and threads for those who are.
    """

    def __init__(self, hasher: PasswordHasher | None = None, *, turns: Turns | None = None) -> None:
        self._turns = turns or Turns(at_once=1, waiting=1000)
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

    def hash(self, password: str) -> str:
        """Hash a password with a salt of its own. Raises `PasswordsBusy`."""
        with self._turns.turn():
            return self._hasher.hash(_encoded(password))

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Say whether the password belongs to the hash.

        None stands for a user who does not exist: the answer is no, at the cost of a comparison, so that the time
        taken does not tell which names exist. Raises `PasswordsBusy`.
        """
        with self._turns.turn():
            return self._verify(password, password_hash)

    def _verify(self, password: str, password_hash: str | None) -> bool:
        dummy_hash = self._dummy_hash
        try:
            self._hasher.verify(password_hash or dummy_hash, _encoded(password))
        except InvalidHashError:  # no password fits, and that is not to be seen by its being said at once
            return self._verify(password, None)
        except VerificationError:
            return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Say whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @cached_property
    def _dummy_hash(self) -> str:
        return self._hasher.hash(secrets.token_bytes(16))


def _encoded(password: str) -> bytes:
    """Spell the password in one way (keyboards differ in how they send accents, NIST SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
