"""The history in PostgreSQL, replayed: who had which ticket when, and whether it was ever two, or too many for one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HELD = frozenset({"assigned", "in_progress"})
CAP = 15

EVENTS = """
SELECT id, ticket_id, cause, from_status, to_status, agent_id, actor_id, extract(epoch FROM at)::float8 AS at_s
FROM ticket_events ORDER BY id
"""
"""A ticket's events, and an agent's, are numbered under the locks of their rows: the order of ids is what happened."""


@dataclass(frozen=True, slots=True)
class Period:
    """A ticket with an agent, from one event to another; `until_s` is None while they have it still."""

    agent_id: int
    from_s: float
    until_s: float | None


class Replay:
    """All events, walked through once."""

    def __init__(self, events: Iterable[Any]) -> None:
        self.causes: Counter[tuple[int, str, int | None]] = Counter()
        self.receivers: set[tuple[int, str, int]] = set()
        self.dealt_twice: list[str] = []
        self.above_cap: list[str] = []
        self.unsold: list[str] = []
        self.largest_hand = 0
        self._periods: dict[int, list[Period]] = defaultdict(list)
        self._holder: dict[int, tuple[int, float]] = {}
        self._held: Counter[int] = Counter()
        self._sold: set[int] = set()
        for event in events:
            self._take(event)
        for ticket_id, (agent_id, from_s) in self._holder.items():
            self._periods[ticket_id].append(Period(agent_id, from_s, None))

    def _take(self, event: Any) -> None:
        self.causes[event.ticket_id, event.cause, event.actor_id] += 1
        if event.agent_id is not None:
            self.receivers.add((event.ticket_id, event.cause, event.agent_id))
        before = self._holder.get(event.ticket_id)
        holder = event.agent_id if event.to_status in HELD else None
        if event.cause in {"fetch", "dispatch"} and before is not None:
            self.dealt_twice.append(f"ticket {event.ticket_id} was dealt to {holder} while {before[0]} had it")
        if event.to_status == "sold":
            self._sold.add(event.ticket_id)
        elif event.ticket_id in self._sold and event.cause not in {"edit", "note", "delete"}:
            self.unsold.append(f"ticket {event.ticket_id} was sold, and then came {event.cause}")
        if before is None or before[0] != holder:
            self._pass_on(event, before, holder)

    def _pass_on(self, event: Any, before: tuple[int, float] | None, holder: int | None) -> None:
        if before is not None:
            self._periods[event.ticket_id].append(Period(before[0], before[1], event.at_s))
            self._held[before[0]] -= 1
            del self._holder[event.ticket_id]
        if holder is not None:
            self._holder[event.ticket_id] = (holder, event.at_s)
            self._held[holder] += 1
            self.largest_hand = max(self.largest_hand, self._held[holder])
            if self._held[holder] > CAP:
                self.above_cap.append(f"agent {holder} held {self._held[holder]} with event {event.id}")

    def had(self, agent_id: int, ticket_id: int, *, between_s: tuple[float, float], slack_s: float) -> bool:
        """Say whether the agent had the ticket at some moment of this time; an event is dated before its commit."""
        began_s, ended_s = between_s
        return any(
            period.agent_id == agent_id
            and period.from_s <= ended_s
            and (period.until_s is None or period.until_s + slack_s >= began_s)
            for period in self.periods(ticket_id)
        )

    def periods(self, ticket_id: int) -> Sequence[Period]:
        return self._periods.get(ticket_id, [])
