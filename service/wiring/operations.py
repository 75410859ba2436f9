"""The parts of the composition root that are about watching the service."""

from __future__ import annotations

import time
from dataclasses import dataclass

from service.config import Settings
from service.job_queue.watch import RqJobWatch
from service.store.backlog import PostgresBacklog
from service.store.readings import Readings
from service.store.samples import PostgresSamples
from service.usecases.health import Health
from service.usecases.operations import Operations
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import Leases
from service.usecases.queue_stats import QueueStats
from service.usecases.sampling import Sampling
from service.wiring.connections import Connections


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorParts:
    """What the rest of the service needs of it."""

    sampling: Sampling
    operations: Operations


def wire_operations(
    settings: Settings,
    connections: Connections,
    *,
    queue: TicketQueue,
    audit: QueueAudit,
    health: Health,
    leases: Leases,
    readings: Readings,
) -> OperatorParts:
    """Wire them: samples are taken with patience, pages are answered without."""
    engine, background_engine = connections.engine, connections.background_engine
    return OperatorParts(
        sampling=Sampling(
            stats=QueueStats(queue=queue, audit=audit, store=PostgresBacklog(background_engine)),
            store=PostgresSamples(background_engine),
        ),
        operations=Operations(
            stats=QueueStats(queue=queue, audit=audit, store=PostgresBacklog(engine)),
            health=health,
            samples=PostgresSamples(engine, readings=readings),
            jobs=RqJobWatch(connections.job_client, prefix=settings.queue_prefix),
            leases=leases,
            queue=queue,
            clock=time.monotonic,
        ),
    )
