"""Passwords: what a good one is, and keeping them as argon2id hashes."""

from __future__ import annotations

import secrets
import string
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 8
MAX_LENGTH = 128
GENERATED_LENGTH = 20

_SPECIAL = "-_.+!#%*"


def check_strength(password: str) -> list[str]:
    """List what a password lacks, one message each; nothing for a good one."""
    wanted = {
        f"must have at least {MIN_LENGTH} characters": len(password) >= MIN_LENGTH,
        f"must have at most {MAX_LENGTH} characters": len(password) <= MAX_LENGTH,
        "must contain an upper-case letter": any(map(str.isupper, password)),
        "must contain a lower-case letter": any(map(str.islower, password)),
        "must contain a digit": any(map(str.isdigit, password)),
        "must contain a special character": any(not c.isalnum() and not c.isspace() for c in password),
    }
    return [message for message, fulfilled in wanted.items() if not fulfilled]


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
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

    def hash(self, password: str) -> str:
        """Hash a password with a salt of its own."""
        return self._hasher.hash(_encoded(password))

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Say whether the password belongs to the hash.

        None stands for a user who does not exist: the answer is no, at the cost of a comparison, so that the time
        taken does not tell which names exist.
        """
        dummy_hash = self._dummy_hash
        try:
            self._hasher.verify(password_hash or dummy_hash, _encoded(password))
        except (VerificationError, InvalidHashError):
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
