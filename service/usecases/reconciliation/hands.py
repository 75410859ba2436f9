"""The agents' held sets against what they hold in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


WrongHands = dict[int, WrongHand]


class Hands:
    """Find held sets that are wrong, and put them right id by id."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, open_tickets: AuditedTickets) -> None:
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets

    def mark(self, run: Run) -> WrongHands:
        """Compare every agent that has a held set or holds a ticket; what is wrong is looked at twice at once."""
        agents = sorted({*self._audit.held_agents(), *self._open_tickets.agents_holding()})
        marked: WrongHands = {}
        for page in batches(agents, AGENTS_AT_ONCE):
            run.step("held sets")
            marked |= self._look(page)
        marked = self.look_again(marked)
        run.tally.found[Drift.WRONG_HELD] += len(marked)
        return marked

    def look_again(self, marked: WrongHands) -> WrongHands:
        """Keep what is wrong still, in the same way."""
        again: WrongHands = {}
        for page in batches(marked, AGENTS_AT_ONCE):
            again |= self._look(page)
        looked = {agent_id: wrong.still(again.get(agent_id)) for agent_id, wrong in marked.items()}
        return {agent_id: wrong for agent_id, wrong in looked.items() if wrong}

    def settle(self, run: Run, marked: WrongHands) -> None:
        """Repair what is wrong after the wait."""
        confirmed = self.look_again(marked)
        run.tally.looked_again(Drift.WRONG_HELD, found=len(marked), confirmed=len(confirmed))
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
