"""The queue as the use cases see it: a fast hint about which tickets are open, never the truth.

Every method may raise `QueueUnavailable`; whether the script ran is then unknown, and nothing may depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from service.domain.model import Priority, QueuedTicket


@dataclass(frozen=True, slots=True, kw_only=True)
class Popped:
    """What one claim took from the queue.

    `trusted` is False when the queue carries no generation marker: flushed or new, which is not the same as empty.
    `short` counts the tickets wanted for which the agent's held set left no room.
    """

    claim_id: UUID
    agent_id: int
    tickets: tuple[QueuedTicket, ...]
    trusted: bool = True
    short: int = 0
    token: str = ""
    """The ledger's own name for the claim, to end it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClaim:
    """A claim not settled yet; `age_s` by the queue's own clock."""

    claim_id: UUID
    agent_id: int
    tickets: tuple[QueuedTicket, ...]
    age_s: float
    token: str
    """The ledger's own name for the claim, to end it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandHint:
    """What the queue knows of an agent's hand: the ids that no claim in flight put there, and those claims."""

    settled: frozenset[int]
    claims: tuple[OpenClaim, ...]
    """The agent's own, oldest first."""


class TicketQueue(Protocol):
    """Lists of unassigned ticket ids, one for each priority, ascending and without duplicates."""

    def claim(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        wanted: int,
        capacity: int,
        priorities: Sequence[Priority],
        limits: Mapping[Priority, int] | None = None,
        repeatable: bool = True,
    ) -> Popped:
        """Pop up to `wanted` ids, first priority first, as far as `capacity` less the held set allows.

        With `limits`, no more of each priority than its limit says, and none of those it does not name.
        Asking again with the same `claim_id` within a minute returns the same answer and pops nothing; unless it is not
        `repeatable`, as nobody will: then no answer is kept.
        """

    def settle(self, popped: Popped, *, forget: bool = False) -> None:
        """End a claim. `forget` its answer too where ids went back: a repeated call must not get them once more."""

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        """Insert ids at their places unless they are there already, and count those that were not.

        Does nothing while the queue is not trusted: the rebuild that makes it so brings them in.
        """

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        """Take ids out of the queue where they are near either end, and count them.

        Ids deep inside stay as phantoms: the store refuses them when they are popped, the reconciler takes them out.
        """

    def move(self, leaving: Sequence[QueuedTicket], entering: Sequence[QueuedTicket]) -> None:
        """Take ids out as `remove` does and put the same ids in as `enqueue` does, so that nobody sees one of them out.

        Both name the same tickets, each under the priority it had and has.
        """

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        """Add ids to the agent's held set (an assignment that did not come from the queue)."""

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        """Take ids out of the agent's held set (sold, resolved, released, deleted)."""

    def hand(self, agent_id: int) -> HandHint:
        """Read the agent's held set, and apart from it what claims still in flight put there."""

    def depths(self) -> Mapping[Priority, int]:
        """Count the queued ids of each priority."""

    def inversions(self) -> int:
        """Count the tickets dealt so far before an older one that was in the same queue at that moment."""

    def is_trusted(self) -> bool:
        """Say whether the generation marker is there."""

    def probe(self) -> None:
        """Go the whole way of a claim that takes nothing; raises when it cannot be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPage:
    """Entries of a queue in their order; `None` stands for an entry that is no positive integer (poison)."""

    entries: tuple[int | None, ...]
    poison: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSet:
    """An agent's held set: the ids in it, and what is no id (poison)."""

    ids: frozenset[int]
    poison: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair in place did: it moved `count` tickets, of which `ids` names those taken out.

    `deep` are those left as they are, because their place is so far from either end that everybody would have to wait.
    """

    count: int
    deep: tuple[QueuedTicket, ...] = ()
    ids: frozenset[int] = frozenset()


class QueueAudit(Protocol):
    """The queue as the reconciler sees it. No call keeps the server busy for more than a few milliseconds."""

    def snapshot(self, *, token: str, ttl_s: int) -> Mapping[Priority, int]:
        """Freeze queues and claims, as they are at one instant, and return the queues' lengths.

        The copies vanish after `ttl_s`.
        """

    def snapshot_page(self, *, token: str, priority: Priority, offset: int, count: int) -> SnapshotPage:
        """Read `count` entries of a frozen queue from `offset` on."""

    def snapshot_claimed(self, *, token: str) -> frozenset[int]:
        """Name every id that was in a claim when the queues were frozen."""

    def drop_snapshot(self, *, token: str) -> None:
        """Remove what was frozen."""

    def not_queued(self, priority: Priority, ids: Sequence[int]) -> list[int]:
        """Say which of the ids, which come ascending, are not in the live queue of the priority now."""

    def queued(self, tickets: Sequence[QueuedTicket]) -> frozenset[int]:
        """Say which ids are in the live queue of their priority now (binary search; exact on an ordered queue)."""

    def first(self, priority: Priority, *, count: int) -> tuple[int, ...]:
        """Read the ids at the head of the live queue."""

    def put_in(self, tickets: Sequence[QueuedTicket]) -> Repaired:
        """Insert ids at their places unless they are there, as `TicketQueue.enqueue` does, where that is cheap."""

    def take_out(self, tickets: Sequence[QueuedTicket]) -> Repaired:
        """Remove ids from the queue of their priority where that is cheap, and say which were there."""

    def quarantine(self, entries: Sequence[str]) -> None:
        """Keep entries that are no ids for somebody to look at, the newest of them."""

    def open_claims(self, *, older_than_s: float) -> Sequence[OpenClaim]:
        """List the claims that have been open for longer than this, oldest first, at most 1,000."""

    def end_claim(self, claim: OpenClaim) -> bool:
        """Strike a claim off the ledger; False when it was settled in the meantime."""

    def claimed(self) -> frozenset[int]:
        """Name every id that is in an open claim now."""

    def broken_claims(self) -> Sequence[str]:
        """List the ledger's entries that are no claims."""

    def evict_broken_claims(self, entries: Sequence[str]) -> int:
        """Move entries of the ledger that are no claims to the quarantine, and count them."""

    def held_agents(self) -> Iterable[int]:
        """Name every agent that has a held set."""

    def held(self, agent_id: int) -> frozenset[int]:
        """Read an agent's held set."""

    def held_sets(self, agent_ids: Sequence[int]) -> Mapping[int, HeldSet]:
        """Read the held sets of several agents; an agent without one has an empty one."""

    def evict_held_poison(self, agent_id: int) -> int:
        """Take entries that are no ids out of an agent's held set, thousands at the most, and count them."""

    def stage(self, *, token: str, priority: Priority, ids: Sequence[int], ttl_s: int) -> None:
        """Append ascending ids to a list being built beside the live one."""

    def staged_first(self, *, token: str, priority: Priority, count: int) -> tuple[int, ...]:
        """Read the ids at the head of a list being built."""

    def restage_first(self, *, token: str, priority: Priority, count: int, ids: Sequence[int], ttl_s: int) -> None:
        """Put `ids` in the place of the first `count` ids of a list being built."""

    def publish(self, *, token: str, lengths: Mapping[Priority, int]) -> bool:
        """Put the staged lists in the place of the live ones, all at once, and mark the queue trusted.

        Does nothing and says False when a staged list is not as long as it should be: it was lost in part.
        """

    def drop_staged(self, *, token: str) -> None:
        """Remove the staged lists."""

    def distrust(self) -> None:
        """Take the generation marker away: PostgreSQL serves until the queue has been built anew."""

    def wrong_key_types(self) -> Sequence[str]:
        """Name the keys of a wrong type."""

    def repair_key_types(self) -> Sequence[str]:
        """Move keys of a wrong type out of the way and name them; unless all were held sets, distrust the queue."""

    def identity(self) -> str:
        """Name the server and its data's lineage; another answer than before means a restart or a failover."""
