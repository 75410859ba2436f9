"""Plain fetches by a session, as `service.api.fast_path` carries them out."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from service.usecases.assignments import Assignments, Hand
from service.usecases.sessions import over

SIGN_IN = text("""
INSERT INTO sessions (id, user_id, refresh_jti, expires_at)
VALUES (:session_id, :user_id, gen_random_uuid(), now() + interval '10 years')
""")


def sign_in(engine: Engine, user_id: int) -> UUID:
    """Open a session, whatever has become of its user."""
    session_id = uuid4()
    with engine.begin() as connection:
        connection.execute(SIGN_IN, {"session_id": session_id, "user_id": user_id})
    return session_id


def poll(assignments: Assignments, sessions: Any, session_id: UUID) -> Hand:
    """Fetch by a session, of which `sessions` knows the agent. Raises `NotSignedIn`, and what `Assignments` does."""
    ahead = assignments.fetch_ahead(session_id)
    if ahead.hand is not None:
        return ahead.hand
    found = sessions.principal_and_hand(session_id)
    if found is None:
        raise over()
    return assignments.fetch_seen(session_id, found[1], ahead)
