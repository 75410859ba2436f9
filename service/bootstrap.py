"""The composition root: settings in, wired parts out. Nothing connects until it is used."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service import config
from service.config import Settings
from service.job_queue import Lane, RqJobQueue
from service.meters import Meters
from service.observability import configure_logging
from service.store.agents import PostgresAgents
from service.store.away import PostgresAway
from service.store.backlog import PostgresBacklog
from service.store.customers import PostgresCustomers
from service.store.desks import PostgresDesks
from service.store.dispatch import PostgresDispatch
from service.store.erasure import PostgresErasure
from service.store.health import PostgresProbe
from service.store.hold_limit import PostgresHoldLimit
from service.store.idempotency import PostgresIdempotency
from service.store.import_jobs import PostgresImports
from service.store.leases import PostgresLeases
from service.store.measured import MeasuredAssignments
from service.store.open_tickets import PostgresOpenTickets
from service.store.places import PostgresPlaces
from service.store.readings import Readings
from service.store.reconciliations import PostgresReconciliations
from service.store.situations import PostgresSituations
from service.store.ticket_history import PostgresHistory
from service.store.tickets import PostgresTickets
from service.store.users import PostgresUsers
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.ticket_queue.measured import MeasuredTicketQueue
from service.ticket_queue.queue import RedisTicketQueue
from service.tracing import Tracer
from service.usecases import away, hold_limit
from service.usecases.agents import Agents
from service.usecases.archive import LOOK_EVERY_S, Archiving
from service.usecases.assignments import Assignments
from service.usecases.bulk import Bulk
from service.usecases.customers import Customers
from service.usecases.demo import Demo
from service.usecases.desk import Desks
from service.usecases.dispatch import Dispatcher
from service.usecases.dispatch_report import DispatchReport
from service.usecases.erasure import Erasures
from service.usecases.explanation import Explanations
from service.usecases.figures import Figures
from service.usecases.health import Health
from service.usecases.history import History
from service.usecases.idempotency import Idempotency
from service.usecases.imports import Imports
from service.usecases.invariants import Invariants
from service.usecases.lifecycle import Lifecycle
from service.usecases.mailing import Mailing, Mails
from service.usecases.notification_preferences import NotificationPreferences
from service.usecases.operations import Operations
from service.usecases.queue_rebuild import QueueRebuild
from service.usecases.queue_stats import QueueStats
from service.usecases.reconcile import Reconciler
from service.usecases.reconciliation.schedule import Schedule
from service.usecases.reconciliations import Reconciliations
from service.usecases.sampling import Sampling
from service.usecases.service_levels import ServiceLevels
from service.usecases.sessions import Sessions
from service.usecases.throttle import Throttle
from service.usecases.ticket_export import TicketExport
from service.usecases.ticket_import import TicketImport
from service.usecases.tickets import Tickets
from service.usecases.users import Users
from service.usecases.waking import Bell
from service.usecases.webhook_sending import WebhookSending
from service.usecases.webhooks import Webhooks
from service.wiring.archive import wire_archiving
from service.wiring.chores import chores
from service.wiring.connections import wire_connections
from service.wiring.dispatch import wire_dispatcher
from service.wiring.figures import watch_parts, wire_figures, wire_invariants
from service.wiring.mails import wire_mails
from service.wiring.operations import wire_operations
from service.wiring.sign_in import wire_sign_in
from service.wiring.webhooks import wire_webhooks

if TYPE_CHECKING:
    from flask import Flask


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Every use case, wired. `close` gives the connections back."""

    settings: Settings
    tickets: Tickets
    assignments: Assignments
    lifecycle: Lifecycle
    desks: Desks
    history: History
    explanations: Explanations
    service_levels: ServiceLevels
    bulk: Bulk
    users: Users
    agents: Agents
    customers: Customers
    erasures: Erasures
    archiving: Archiving
    sessions: Sessions
    throttle: Throttle
    ticket_import: TicketImport
    ticket_export: TicketExport
    imports: Imports
    demo: Demo
    webhooks: Webhooks
    webhook_sending: WebhookSending
    away_returns: away.AwayReturns
    hold_limits: hold_limit.HoldLimits
    mailing: Mailing
    mails: Mails
    notification_preferences: NotificationPreferences
    dispatcher: Dispatcher
    dispatch_report: DispatchReport
    reconciler: Reconciler
    reconciliations: Reconciliations
    schedule: Schedule
    queue_stats: QueueStats
    queue_rebuild: QueueRebuild
    invariants: Invariants
    figures: Figures
    meters: Meters
    tracer: Tracer | None
    health: Health
    sampling: Sampling
    operations: Operations
    idempotency: Idempotency
    close: Callable[[], None]


def build_container(settings: Settings, component: str = "cli") -> Container:
    """Wire everything for one process of the `component`. No connection is made before the first use of a part."""
    connections = wire_connections(settings, component)
    engine, background_engine = connections.engine, connections.background_engine
    client, background_client = connections.client, connections.background_client

    keys = Keys(settings.queue_prefix)
    dispatch_store = PostgresDispatch(background_engine)
    jobs = RqJobQueue(connections.job_client, prefix=settings.queue_prefix)
    bell = Bell(need=dispatch_store, calls=jobs)
    meters = Meters()
    queue = MeasuredTicketQueue(client, keys, ring=bell.ring, meters=meters)
    watch_parts(meters, connections, queue)
    audit = RedisQueueAudit(background_client, keys)
    assignment_store = MeasuredAssignments(engine, meters)
    places = PostgresPlaces(engine)
    open_tickets = PostgresOpenTickets(background_engine)
    runs = PostgresReconciliations(background_engine)
    leases = PostgresLeases(background_engine)
    messages = RqJobQueue(connections.job_client, prefix=settings.queue_prefix, lane=Lane.MESSAGES)
    door = wire_sign_in(settings, engine)
    passwords = door.passwords

    readings = Readings(engine, connections.replica_engine, tell=meters.list_read)
    ticket_store = PostgresTickets(engine, readings=readings, targets=settings.targets)
    history_store = PostgresHistory(engine, readings=readings)
    tickets = Tickets(store=ticket_store, queue=queue, places=places)
    assignments = Assignments(store=assignment_store, queue=queue, places=places)
    lifecycle = Lifecycle(store=assignment_store, queue=queue, places=places)
    user_store = PostgresUsers(engine, readings=readings)
    users = Users(store=user_store, queue=queue, places=places, passwords=passwords, ring=bell.ring)
    agent_store = PostgresAgents(engine, readings=readings)
    agents = Agents(store=agent_store, queue=queue, places=places, passwords=passwords, ring=bell.ring)
    customers = Customers(store=PostgresCustomers(engine, readings=readings))
    reconciler = Reconciler(
        queue=RedisTicketQueue(background_client, keys),
        audit=audit,
        open_tickets=open_tickets,
        runs=runs,
        leases=leases,
        claim_lease_s=settings.claim_lease_s,
        recent_s=max(20.0, 5 * settings.reconcile_fast_s),
        margin_s=3 * settings.statement_timeout_ms / 1000,
    )

    ticket_import = TicketImport(tickets=tickets)
    imports = Imports(
        store=PostgresImports(background_engine), ticket_import=ticket_import, jobs=jobs, clock=time.monotonic
    )
    queue_stats = QueueStats(queue=queue, audit=audit, store=PostgresBacklog(engine))
    health = Health(store=PostgresProbe(engine), queue=queue)
    operator_parts = wire_operations(
        settings, connections, queue=queue, audit=audit, health=health, leases=leases, readings=readings
    )
    letters = wire_mails(settings, engine=engine, background_engine=background_engine, jobs=messages)
    hooks = wire_webhooks(settings, engine, messages)
    archiving = wire_archiving(settings, background_engine, jobs)
    holder = f"{socket.gethostname()}:{os.getpid()}"

    def close() -> None:
        queue.close()
        bell.close()
        meters.close()
        connections.close()

    return Container(
        settings=settings,
        tickets=tickets,
        assignments=assignments,
        lifecycle=lifecycle,
        desks=Desks(store=PostgresDesks(engine), users=user_store, lifecycle=lifecycle),
        history=History(store=history_store, tickets=ticket_store, agents=agent_store),
        service_levels=ServiceLevels(tickets=tickets, store=history_store, targets=settings.targets),
        explanations=Explanations(store=PostgresSituations(engine), queue=queue, audit=RedisQueueAudit(client, keys)),
        bulk=Bulk(store=assignment_store, lifecycle=lifecycle, tickets=tickets),
        users=users,
        agents=agents,
        customers=customers,
        erasures=Erasures(store=PostgresErasure(engine)),
        archiving=archiving,
        sessions=door.sessions,
        throttle=door.throttle,
        ticket_import=ticket_import,
        ticket_export=TicketExport(store=ticket_store),
        imports=imports,
        demo=Demo(users=users, agents=agents, tickets=tickets, assignments=assignments, lifecycle=lifecycle),
        webhooks=hooks.webhooks,
        webhook_sending=hooks.sending,
        reconciler=reconciler,
        reconciliations=Reconciliations(runs=runs, jobs=jobs),
        away_returns=away.AwayReturns(
            store=PostgresAway(background_engine), queue=queue, places=places, grace_s=settings.away_grace_s
        ),
        hold_limits=hold_limit.HoldLimits(
            store=PostgresHoldLimit(background_engine), queue=queue, places=places, limit=settings.hold_limit
        ),
        mailing=letters.mailing,
        mails=letters.mails,
        notification_preferences=letters.preferences,
        dispatcher=wire_dispatcher(
            dispatch_store,
            assignment_store,
            # Its own queue, which does not ring: what it gives back it sees in its next round.
            queue=RedisTicketQueue(client, keys),
            places=places,
            leases=leases,
            calls=jobs,
            holder=holder,
        ),
        dispatch_report=DispatchReport(store=PostgresDispatch(engine)),
        schedule=Schedule(
            queue=queue,
            audit=audit,
            jobs=jobs,
            leases=leases,
            fast_s=settings.reconcile_fast_s,
            full_s=settings.reconcile_full_s,
            chores=chores(settings),
            on_demand=(letters.on_demand, hooks.on_demand),
            holder=holder,
            clock=time.monotonic,
            resume_imports=imports.resume,
            sample=operator_parts.sampling.take,
            looks=[(bell.look, settings.dispatch_every_s), (archiving.look, LOOK_EVERY_S)],
        ),
        queue_stats=queue_stats,
        queue_rebuild=QueueRebuild(audit=audit, reconciler=reconciler),
        invariants=wire_invariants(settings, connections, open_tickets=open_tickets, audit=audit),
        figures=wire_figures(settings, connections, stats=queue_stats, queue=queue, webhooks=hooks.webhooks),
        meters=meters,
        tracer=connections.tracer,
        health=health,
        sampling=operator_parts.sampling,
        operations=operator_parts.operations,
        idempotency=Idempotency(store=PostgresIdempotency(engine)),
        close=close,
    )


def create_wsgi_app() -> Flask:
    """Make the web application of one gunicorn worker from the environment. Raises `ConfigurationError`."""
    # Imported here: the workers and most commands need no Flask.
    from service.api.app import create_app
    from service.dashboard import pages

    settings = config.load()
    configure_logging(level=settings.log_level, shape=settings.log_format, gathers=True)
    container = build_container(settings, "web")
    container.meters.keep_looking()
    app = create_app(container)
    pages.install(app)
    return app
