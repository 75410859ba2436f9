"""Long-lived tokens (`Authorization: Token <token>`): random, revocable, and kept as a hash alone.

A token is no signed statement: its SHA-256, cut to the 128 bits of a UUID, is the id of its session. So the table of
sessions holds the hash and nothing to sign in with, and whatever ends a session (revocation, a new password,
deactivation, deletion) ends the token.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from flask import request

SCHEME = "token"
LIFE = timedelta(days=365)
SECRET_BYTES = 20
"""Random bytes of a token: 40 hexadecimal digits, the length that clients of such tokens expect."""


def new_token() -> str:
    """Make a token."""
    return secrets.token_hex(SECRET_BYTES)


def session_of(token: str) -> UUID:
    """Say which session a token opens, if it is one of ours."""
    return UUID(bytes=sha256(token.encode()).digest()[:16])


def is_presented() -> bool:
    """Say whether the present request signs in by such a token."""
    return request.headers.get("Authorization", "").strip().partition(" ")[0].lower() == SCHEME
