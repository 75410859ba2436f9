"""Secrets that anybody could guess: the defaults of examples and images, and what is too plain to be random."""

from __future__ import annotations

MIN_SERVER_PASSWORD = 8
"""Characters of a password of PostgreSQL or Redis."""

MIN_DISTINCT = 12
"""Different characters of a key of 32: random ones have more but once in millions."""

PLACEHOLDERS = (
    "changeme", "secretkey", "mysecret", "yoursecret", "topsecret", "supersecret", "example", "replaceme",
    "placeholder", "password", "insecure", "development", "testkey", "devkey", "fairdeal",
)  # fmt: skip
"""What stands in keys that were copied from somewhere."""

DEFAULTS = frozenset(
    {
        "postgres", "postgresql", "password", "passw0rd", "password1", "secret", "fairdeal", "admin", "root", "redis",
        "default", "changeme", "foobared", "example", "test", "guest", "letmein", "qwerty", "12345678", "123456789",
    }
)  # fmt: skip
"""Passwords that images, manuals and attackers begin with."""

TAUGHT = frozenset({"letmein1", "adminadmin1", "password1", "passw0rd1", "changeme1", "admin123", "dealmein1"})
"""Passwords that fulfil the rule and stand in manuals, this service's among them."""


def key_weakness(key: str) -> str | None:
    """Say what is wrong with a key that signs; None for a good one."""
    plain = _plain(key)
    if any(word in plain for word in PLACEHOLDERS):
        return "looks like an example"
    if len(set(key)) < MIN_DISTINCT:
        return f"has fewer than {MIN_DISTINCT} different characters"
    return None


def server_password_weakness(password: str, username: str) -> str | None:
    """Say what is wrong with the password of a server; None for a good one."""
    if _plain(password) in DEFAULTS or password == username:
        return "is a default or the name of its user"
    if len(password) < MIN_SERVER_PASSWORD:
        return f"is shorter than {MIN_SERVER_PASSWORD} characters"
    return None


def admin_password_weakness(password: str) -> str | None:
    """Say what is wrong with an admin's password that fulfils the rule; None for a good one."""
    return "stands in manuals" if _plain(password) in TAUGHT else None


def _plain(secret: str) -> str:
    """Spell a secret without what people decorate words with."""
    return "".join(char for char in secret.casefold() if char.isalnum())
