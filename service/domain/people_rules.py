"""What a user's name and password must be: one rule for the environment, the command line and the API."""

from __future__ import annotations

import re

MIN_PASSWORD = 8
MAX_PASSWORD = 128
"""Characters of a password."""

USERNAME_RULE = "must be 3 to 64 letters (a-z, A-Z), digits or any of . _ - @ +"

_USERNAME = re.compile(r"[A-Za-z0-9._@+-]{3,64}")


def is_username(name: str) -> bool:
    """Say whether a user may have this name; `USERNAME_RULE` says it in words."""
    return _USERNAME.fullmatch(name) is not None


def check_strength(password: str) -> list[str]:
    """List what a password lacks, one message each; nothing for a good one."""
    wanted = {
        f"must have at least {MIN_PASSWORD} characters": len(password) >= MIN_PASSWORD,
        f"must have at most {MAX_PASSWORD} characters": len(password) <= MAX_PASSWORD,
        "must contain an upper-case letter": any(map(str.isupper, password)),
        "must contain a lower-case letter": any(map(str.islower, password)),
        "must contain a digit": any(map(str.isdigit, password)),
        "must contain a special character": any(not c.isalnum() and not c.isspace() for c in password),
    }
    return [message for message, fulfilled in wanted.items() if not fulfilled]
