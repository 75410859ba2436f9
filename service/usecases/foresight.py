"""Of whom it is to be supposed that their next fetch is dealt tickets: whose last one, in this process, was.

Nothing of it is believed. It decides which of two ways a fetch goes, and the arbiter checks what is supposed on the way
that begins with the queue (docs/adr/0048).
"""

from __future__ import annotations

from uuid import UUID

from service.domain.model import Taker
from service.usecases.ports.tickets import Supposed

MOST = 10_000
"""Sessions kept in mind; then all are forgotten, which costs each of them one look."""


class Foresight:
    """What the sessions' last fetches came to."""

    def __init__(self) -> None:
        self._supposed: dict[UUID, Supposed] = {}

    def of(self, session_id: UUID) -> Supposed | None:
        """Say what is to be supposed of a session; None where its next fetch is likely to be dealt nothing."""
        return self._supposed.get(session_id)

    def learn(self, session_id: UUID, agent: Taker, assigned: int) -> None:
        """Note what a session's fetch came to."""
        if not assigned:
            self.forget(session_id)
            return
        if len(self._supposed) >= MOST and session_id not in self._supposed:
            self.clear()
        self._supposed[session_id] = Supposed(session_id=session_id, agent=agent)

    def forget(self, session_id: UUID) -> None:
        """Suppose nothing of a session any more."""
        self._supposed.pop(session_id, None)

    def clear(self) -> None:
        """Suppose nothing of anybody: where PostgreSQL does not answer, what is popped first can be given to nobody."""
        self._supposed.clear()
