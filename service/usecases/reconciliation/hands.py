"""The agents' held sets against what they hold in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets, Drift
from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.run import Run

AGENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class WrongHand:
    """How a held set differs: ids it should not have, ids it lacks, entries that are no ids."""

    extra: frozenset[int]
    lacking: frozenset[int]
    poison: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.extra or self.lacking or self.poison)

    def still(self, other: WrongHand | None) -> WrongHand:
        """Keep what another look shows too."""
        if other is None:
            return WrongHand(frozenset(), frozenset())
        poison = tuple(entry for entry in self.poison if entry in other.poison)
        return WrongHand(self.extra & other.extra, self.lacking & other.lacking, poison)

    def without(self, ids: frozenset[int]) -> WrongHand:
        """Leave these tickets out of it."""
        return WrongHand(self.extra - ids, self.lacking - ids, self.poison)


WrongHands = dict[int, WrongHand]


@dataclass(frozen=True, slots=True)
class MarkedHands:
    """Held sets that look wrong; what has changed hands `since` then is traffic, not drift."""

    wrong: WrongHands
    since: datetime

    def __bool__(self) -> bool:
        return bool(self.wrong)


class Hands:
    """Find held sets that are wrong, and put them right id by id."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, open_tickets: AuditedTickets, grace_s: float) -> None:
        """Leave alone tickets that changed less than `grace_s` ago: their writer may be about to tell the queue."""
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets
        self._grace_s = grace_s

    def mark(self, run: Run) -> MarkedHands:
        """Compare every agent that has a held set or holds a ticket; what is wrong is looked at twice at once."""
        since = self._open_tickets.moment() - timedelta(seconds=self._grace_s)
        agents = sorted({*self._audit.held_agents(), *self._open_tickets.agents_holding()})
        wrong: WrongHands = {}
        for page in batches(agents, AGENTS_AT_ONCE):
            run.step("held sets")
            wrong |= self._look(page)
        marked = self.look_again(MarkedHands(wrong, since))
        run.tally.found[Drift.WRONG_HELD] += len(marked.wrong)
        return marked

    def look_again(self, marked: MarkedHands) -> MarkedHands:
        """Keep what is wrong still, in the same way, of tickets that have not moved.

        The looks alone cannot tell a lasting difference from a ticket that one agent takes and gives back again and
        again, seen each time between PostgreSQL's answer and the hint that follows it.
        """
        again: WrongHands = {}
        for page in batches(marked.wrong, AGENTS_AT_ONCE):
            again |= self._look(page)
        looked = {agent_id: wrong.still(again.get(agent_id)) for agent_id, wrong in marked.wrong.items()}
        ids = sorted({ticket_id for wrong in looked.values() for ticket_id in wrong.extra | wrong.lacking})
        moved = self._open_tickets.changed_since(ids, marked.since) if ids else frozenset()
        settled = {agent_id: wrong.without(moved) for agent_id, wrong in looked.items()}
        return MarkedHands({agent_id: wrong for agent_id, wrong in settled.items() if wrong}, marked.since)

    def settle(self, run: Run, marked: MarkedHands) -> None:
        """Repair what is wrong after the wait."""
        confirmed = self.look_again(marked).wrong
        run.tally.looked_again(Drift.WRONG_HELD, found=len(marked.wrong), confirmed=len(confirmed))
        if run.dry_run:
            return
        for agent_id, wrong in confirmed.items():
            run.keep()
            self._queue.hold(agent_id, wrong.lacking)
            self._queue.unhold(agent_id, wrong.extra)
            if wrong.poison:
                self._audit.evict_held_poison(agent_id)
            run.tally.repaired[Drift.WRONG_HELD] += 1

    def _look(self, agents: Iterable[int]) -> WrongHands:
        """Held sets, ledger, PostgreSQL, in this order: a claim is in the held set before PostgreSQL decides."""
        ids = list(agents)
        held_sets = self._audit.held_sets(ids)
        claimed = self._audit.claimed()
        hands = self._open_tickets.held_by_each(ids)
        looked = {
            agent_id: WrongHand(
                extra=held.ids - hands.get(agent_id, frozenset()) - claimed,
                lacking=hands.get(agent_id, frozenset()) - held.ids,
                poison=held.poison,
            )
            for agent_id, held in held_sets.items()
        }
        return {agent_id: wrong for agent_id, wrong in looked.items() if wrong}
