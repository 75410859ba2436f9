"""Claims older than the lease: their request is dead, and what it popped goes back."""

from __future__ import annotations

from service.domain.model import QueuedTicket
from service.usecases.ports.queue import OpenClaim, QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets, Drift
from service.usecases.reconciliation.run import Run


class StaleClaims:
    """End claims that nobody will settle any more."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, open_tickets: AuditedTickets, lease_s: float) -> None:
        """Make it with `lease_s`, the age beyond which no request is still running: the wait is in it."""
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets
        self._lease_s = lease_s

    def end(self, run: Run) -> None:
        """End each stale claim, and move out what is no claim at all."""
        run.step("claims")
        stale = self._audit.open_claims(older_than_s=self._lease_s)
        broken = self._audit.broken_claims()
        run.tally.proven(Drift.STALE_CLAIM, len(stale))
        run.tally.proven(Drift.POISON, len(broken))
        if run.dry_run or not (stale or broken):
            return
        run.hold()
        run.tally.repaired[Drift.POISON] += self._audit.evict_broken_claims(broken)
        for claim in stale:
            run.keep()
            if self._end_one(claim):
                run.tally.repaired[Drift.STALE_CLAIM] += 1
            else:
                run.tally.confirmed[Drift.STALE_CLAIM] -= 1
                run.tally.false_candidates[Drift.STALE_CLAIM] += 1

    def _end_one(self, claim: OpenClaim) -> bool:
        """Give back what is still open, and strike the claim off last: dying in between, it is found again.

        The hand is emptied before the queue is filled: whoever claims a ticket at once must find it in no held set.
        What would have to go deep into a long queue is left to the next full run: what was popped stood at its head.
        """
        ids = [ticket.id for ticket in claim.tickets]
        opened = self._open_tickets.still_open(ids)
        held = self._open_tickets.held_by(claim.agent_id)
        self._queue.unhold(claim.agent_id, [ticket_id for ticket_id in ids if ticket_id not in held])
        self._audit.put_in([QueuedTicket(ticket_id, priority) for ticket_id, priority in opened.items()])
        return self._audit.end_claim(claim)
