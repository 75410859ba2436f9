"""Agents by the thousand, signed in: rows as the service writes them, tokens by the service's own issuer.

Only the passwords are left out, since five thousand argon2 hashes take ten minutes: nobody here signs in by one but the
admin. Every session is in PostgreSQL and every token signed, and the service checks both on every request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from scripts.benchmark.wire import request
from service.api import tokens
from service.config import Settings
from service.domain.model import Role, User
from service.usecases.ports.sessions import SessionTokensData

_LAY = """
WITH people AS (
    INSERT INTO users (username, role, password_hash)
    SELECT 'agent-' || n, 'agent', '!' FROM generate_series(1, %(count)s) AS n
    RETURNING id
), profiles AS (
    INSERT INTO agents (id) SELECT id FROM people ORDER BY id
)
INSERT INTO sessions (id, user_id, refresh_jti, expires_at)
SELECT gen_random_uuid(), id, gen_random_uuid(), now() + interval '1 day' FROM people
"""
_READ = """
SELECT s.id, s.refresh_jti, s.user_id, u.username, s.expires_at
FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.role = 'agent' ORDER BY u.id LIMIT %(count)s
"""


@dataclass(slots=True)
class Seat:
    """An agent at work: the token, the request for tickets, and the last hand that was answered."""

    agent_id: int
    token: str = field(repr=False)
    fetch: bytes = field(repr=False)
    hand: bytes = field(default=b"", repr=False)

    def take(self, body: bytes) -> None:
        """Keep the answer to a fetch."""
        self.hand = body


def lay_agents(connection: Connection, count: int) -> None:
    """Write so many agents, each with a session."""
    with connection.cursor() as cursor:
        cursor.execute(_LAY, {"count": count})
        cursor.execute("ANALYZE users, agents, sessions")


def seats(connection: Connection, settings: Settings, count: int) -> list[Seat]:
    """Issue the first so many agents a token each."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"count": count})
        rows = cursor.fetchall()
    app = Flask("benchmark")
    tokens.install(app, settings)
    with app.app_context():
        return [_seat(row) for row in rows]


def _seat(row: Sequence[Any]) -> Seat:
    session_id, refresh_jti, user_id, username, expires_at = row
    now = datetime.now(UTC)
    user = User(
        id=user_id, username=username, email=None, first_name="", last_name="", phone="", role=Role.AGENT,
        is_active=True, created_at=now, updated_at=now,
    )  # fmt: skip
    data = SessionTokensData(session_id=session_id, refresh_jti=refresh_jti, user=user, expires_at=expires_at)
    token = str(tokens.tokens().issue(data)["access"])
    return Seat(user_id, token, request("POST", "/api/tickets/fetch", token=token))
