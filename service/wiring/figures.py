"""The parts of the composition root that are about metrics."""

from __future__ import annotations

from functools import partial

from service.config import Settings
from service.job_queue.counts import RedisJobCounts
from service.job_queue.watch import RqJobWatch
from service.meters import Meters
from service.store.archive import PostgresArchive
from service.store.dispatch import PostgresDispatch
from service.store.figures import PostgresFigures
from service.store.invariants import PostgresInvariants
from service.store.leases import PostgresLeases
from service.store.measured import pool_use
from service.store.open_tickets import PostgresOpenTickets
from service.store.samples import PostgresSamples
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.figures import Figures
from service.usecases.invariants import Invariants
from service.usecases.queue_stats import QueueStats
from service.usecases.webhooks import Webhooks
from service.wiring.connections import Connections


def wire_figures(
    settings: Settings, connections: Connections, *, stats: QueueStats, queue: RedisTicketQueue, webhooks: Webhooks
) -> Figures:
    """Wire what every scrape reads."""
    engine = connections.engine
    return Figures(
        stats=stats,
        queue=queue,
        store=PostgresFigures(engine),
        targets=settings.targets,
        dispatch=PostgresDispatch(engine),
        webhooks=webhooks,
        samples=PostgresSamples(engine),
        leases=PostgresLeases(engine),
        jobs=RqJobWatch(connections.job_client, prefix=settings.queue_prefix),
        sweeps=PostgresArchive(engine),
        job_counts=RedisJobCounts(connections.job_client, prefix=settings.queue_prefix),
    )


def wire_invariants(
    settings: Settings, connections: Connections, *, open_tickets: PostgresOpenTickets, audit: RedisQueueAudit
) -> Invariants:
    """Wire what checks the promises, and keeps what it found for the scrapes."""
    return Invariants(
        store=PostgresInvariants(connections.background_engine),
        open_tickets=open_tickets,
        audit=audit,
        lease_s=settings.claim_lease_s,
        tick_s=settings.reconcile_fast_s,
        figures=PostgresFigures(connections.engine),
    )


def watch_parts(meters: Meters, connections: Connections, queue: RedisTicketQueue) -> None:
    """Have a process's meters look at its pools and its breaker."""
    pools = {"requests": connections.engine, "background": connections.background_engine}
    if connections.replica_engine is not None:
        pools["replica"] = connections.replica_engine
    meters.watch(
        pools={name: partial(pool_use, engine) for name, engine in pools.items()}, is_cut_off=lambda: queue.is_cut_off
    )
