"""Who is given what without having asked: the rule of dispatch, without any store or queue.

High tickets go to seniors alone; medium ones to a senior with room, else to a junior; low ones to anybody. Of those
whom a ticket may go to, whoever holds the fewest gets it; of equals, whoever has gone longest without being given
one.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.domain.model import Level, Priority

Rank = tuple[int, int, datetime, int]
"""What candidates are compared by: tickets held, turn in this deal (0: none yet), idle since, id. Least first."""

DISPATCHED_TO: Mapping[Priority, tuple[frozenset[Level], ...]] = {
    Priority.HIGH: (frozenset({Level.SENIOR}),),
    Priority.MEDIUM: (frozenset({Level.SENIOR}), frozenset({Level.JUNIOR})),
    Priority.LOW: (frozenset({Level.SENIOR, Level.JUNIOR}),),
}
"""Whom tickets of a priority are given to: the first of these groups in which somebody has room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent who takes what they are given, is available, and has room.

    `idle_since` is when they were last given a ticket by whatever way, or else when they became an agent.
    """

    agent_id: int
    level: Level
    held: int
    capacity: int
    idle_since: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent is to be given in one go: how many of each priority."""

    agent_id: int
    counts: Mapping[Priority, int]

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self.counts.values())


def share_out(candidates: Sequence[Candidate], waiting: Mapping[Priority, int]) -> tuple[Share, ...]:
    """Share out as many of the waiting tickets as there is room for, `waiting` counting them by priority.

    High before medium before low. The shares come in the order in which the rule first named their agents: whoever is
    named first gets the oldest.
    """
    hopefuls = _Hopefuls(candidates)
    counts: dict[int, dict[Priority, int]] = {}
    for priority in Priority:
        for _ in range(waiting.get(priority, 0)):
            agent_id = hopefuls.next(priority)
            if agent_id is None:
                break
            given = counts.setdefault(agent_id, {})
            given[priority] = given.get(priority, 0) + 1
    return tuple(Share(agent_id, given) for agent_id, given in counts.items())


class _Hopefuls:
    """Candidates with room, those of each level in a heap by their rank."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._capacity = {candidate.agent_id: candidate.capacity for candidate in candidates}
        self._turn = 0
        self._heaps: dict[Level, list[Rank]] = {level: [] for level in Level}
        for candidate in candidates:
            if candidate.held < candidate.capacity:
                rank = (candidate.held, 0, candidate.idle_since, candidate.agent_id)
                heapq.heappush(self._heaps[candidate.level], rank)

    def next(self, priority: Priority) -> int | None:
        """Name who gets the next ticket of this priority, and count it as theirs; None when nobody can have it."""
        for levels in DISPATCHED_TO[priority]:
            heaps = [self._heaps[level] for level in levels if self._heaps[level]]
            if heaps:
                return self._give(min(heaps, key=lambda heap: heap[0]))
        return None

    def _give(self, heap: list[Rank]) -> int:
        held, _, idle_since, agent_id = heapq.heappop(heap)
        self._turn += 1
        if held + 1 < self._capacity[agent_id]:
            heapq.heappush(heap, (held + 1, self._turn, idle_since, agent_id))
        return agent_id
