"""What repeated requests need of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it went out: status, the headers that belong to it, and the bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What is known of a key: for which request, and the reply once there is one."""

    fingerprint: str
    reply: Reply | None


class IdempotencyStore(Protocol):
    """Keys and their replies. Every method may raise `StoreUnavailable`."""

    def begin(self, user_id: int, key: str, *, fingerprint: str, lock_s: float) -> UUID | None:
        """Take a key that is new, or whose earlier try died without a reply, and return the operation's id.

        A key taken again keeps its operation, so that the second try finds what the first has done. None when the key
        is finished, in flight, or belongs to another request.
        """

    def read(self, user_id: int, key: str) -> KeyState | None:
        """Read what is known of a key."""

    def finish(self, user_id: int, key: str, reply: Reply) -> None:
        """Keep the reply."""

    def abandon(self, user_id: int, key: str) -> None:
        """Let the next try begin at once."""
