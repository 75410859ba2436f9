"""Every Redis key and entry format, in one place.

All keys share one hash tag, so that a script finds all of its keys on one node of a Redis Cluster.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from service.domain.model import Priority, QueuedTicket

LETTERS = {Priority.HIGH: "h", Priority.MEDIUM: "m", Priority.LOW: "l"}
"""How the claim ledger abbreviates a priority."""

PRIORITIES = {letter: priority for priority, letter in LETTERS.items()}

MAX_ID = 2**63 - 1

_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_ITEMS = re.compile(r"(?:\A|,)([hml])([1-9][0-9]{0,18})(?=,|\Z)")
"""The items of `pack`; what stands between commas and is none is passed over."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Name the keys of one queue; `prefix` keeps several queues on one server apart."""

    prefix: str

    def _key(self, *parts: str) -> str:
        return ":".join((f"{{{self.prefix}}}", *parts))

    def queue(self, priority: Priority) -> str:
        """Name the LIST of ids, strictly ascending."""
        return self._key("queue", priority.value)

    def held(self, agent_id: int) -> str:
        """Name the SET of the ids an agent holds."""
        return self._key("held", str(agent_id))

    @property
    def held_pattern(self) -> str:
        """Match every held set (for SCAN)."""
        return self._key("held", "*")

    def agent_of(self, held_key: str) -> int:
        """Read the agent's id back from the key of a held set. Raises `ValueError` when there is none in it."""
        agent_id = parse_id(held_key.rsplit(":", 1)[1])
        if agent_id is None:
            raise ValueError(f"{held_key!r} names no agent")
        return agent_id

    @property
    def claims(self) -> str:
        """Name the ZSET of claims in flight, scored by the server's time in milliseconds."""
        return self._key("claims")

    def reply(self, claim_id: UUID | str) -> str:
        """Name the STRING of what a claim popped, kept for a minute."""
        return self._key("reply", str(claim_id))

    @property
    def generation(self) -> str:
        """Name the STRING that is present while the queue is trusted; absent means flushed or new, not empty."""
        return self._key("generation")

    @property
    def quarantine(self) -> str:
        """Name the LIST of entries that were no ids, newest last, at most a thousand."""
        return self._key("quarantine")

    @property
    def inversions(self) -> str:
        """Name the STRING that counts tickets dealt before an older one of the same queue."""
        return self._key("inversions")

    def snapshot(self, token: str, priority: Priority) -> str:
        """Name the LIST that is a frozen copy of a queue."""
        return self._key("snap", token, priority.value)

    def claims_snapshot(self, token: str) -> str:
        """Name the ZSET that is a frozen copy of the claim ledger."""
        return self._key("snap", token, "claims")

    def staging(self, token: str, priority: Priority) -> str:
        """Name the LIST of a queue being built."""
        return self._key("stage", token, priority.value)

    def aside(self, token: str) -> str:
        """Whatever had the wrong type, kept for a while for somebody to look at."""
        return self._key("aside", token)


def parse_id(entry: str) -> int | None:
    """Read a queue entry; None when it is no id as we write them (positive, canonical, 64 bits)."""
    if _ID.fullmatch(entry) is None:
        return None
    value = int(entry)
    return value if value <= MAX_ID else None


def pack(tickets: Iterable[QueuedTicket]) -> str:
    """Write tickets as the claim ledger does: ``m12,m15,h7``."""
    return ",".join(f"{LETTERS[ticket.priority]}{ticket.id}" for ticket in tickets)


def unpack(packed: str) -> tuple[QueuedTicket, ...]:
    """Read what `pack` or claim.lua wrote, each ticket once; entries that are not ours are left out."""
    found: dict[int, Priority] = {}
    for letter, digits in _ITEMS.findall(packed):
        ticket_id = int(digits)
        if ticket_id <= MAX_ID:
            found.setdefault(ticket_id, PRIORITIES[letter])
    return tuple(itertools.starmap(QueuedTicket, found.items()))


def claim_member(claim_id: UUID | str, agent_id: int, packed: str) -> str:
    """Name a claim in the ledger: ``<claim id>|<agent id>|<tickets>``; claim.lua builds the same."""
    return f"{claim_id}|{agent_id}|{packed}"
