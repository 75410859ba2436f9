"""Dispatch, wired."""

from __future__ import annotations

import time

from service.job_queue import RqJobQueue
from service.store.dispatch import PostgresDispatch
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.dealing import Dealer
from service.usecases.dispatch import Dispatcher
from service.usecases.ports.reconcile import Leases
from service.usecases.ports.tickets import AssignmentStore, TicketPlaces


def wire_dispatcher(
    store: PostgresDispatch,
    assignments: AssignmentStore,
    *,
    queue: RedisTicketQueue,
    places: TicketPlaces,
    leases: Leases,
    calls: RqJobQueue,
    holder: str,
) -> Dispatcher:
    """Wire it: it deals by the same store as a fetch."""
    return Dispatcher(
        store=store,
        assignments=assignments,
        dealer=Dealer(store=assignments, queue=queue, places=places),
        leases=leases,
        calls=calls,
        holder=holder,
        clock=time.monotonic,
        sleep=time.sleep,
    )
