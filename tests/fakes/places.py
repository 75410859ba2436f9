"""Places that a test decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.domain.model import InQueue, Place, Priority, QueuedTicket


class KnownPlaces:
    """Say that the tickets given are open, and all others nowhere; `looks` keeps what was read, `questions` counts."""

    def __init__(self, tickets: Iterable[QueuedTicket] = ()) -> None:
        self.known: dict[int, Place] = {ticket.id: InQueue(ticket.priority) for ticket in tickets}
        self.looks: list[list[int]] = []
        self.questions = 0

    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        self.looks.append(list(ids))
        return {ticket_id: self.known[ticket_id] for ticket_id in ids if ticket_id in self.known}

    def all_open(self, ids: Sequence[int], priority: Priority) -> bool:
        self.questions += 1
        return all(self.known.get(ticket_id) == InQueue(priority) for ticket_id in ids)
