"""What the HTTP layer is given: the use cases, wired. It only reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from flask import current_app

if TYPE_CHECKING:
    from service.config import Settings
    from service.meters import Meters
    from service.tracing import Tracer
    from service.usecases.agents import Agents
    from service.usecases.assignments import Assignments
    from service.usecases.bulk import Bulk
    from service.usecases.customers import Customers
    from service.usecases.desk import Desks
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
    from service.usecases.mailing import Mails
    from service.usecases.notification_preferences import NotificationPreferences
    from service.usecases.operations import Operations
    from service.usecases.queue_stats import QueueStats
    from service.usecases.reconciliations import Reconciliations
    from service.usecases.service_levels import ServiceLevels
    from service.usecases.sessions import Sessions
    from service.usecases.ticket_export import TicketExport
    from service.usecases.tickets import Tickets
    from service.usecases.users import Users
    from service.usecases.webhooks import Webhooks

EXTENSION = "fairdeal"


class Services(Protocol):
    """The composition root's result, as far as HTTP needs it."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def tickets(self) -> Tickets:
        """Tickets as records."""

    @property
    def ticket_export(self) -> TicketExport:
        """Tickets to a file."""

    @property
    def imports(self) -> Imports:
        """Tickets from files."""

    @property
    def assignments(self) -> Assignments:
        """Dealing tickets out."""

    @property
    def lifecycle(self) -> Lifecycle:
        """Working tickets: each move from state to state."""

    @property
    def desks(self) -> Desks:
        """What an agent sees before them."""

    @property
    def history(self) -> History:
        """Looking back: what happened to a ticket."""

    @property
    def explanations(self) -> Explanations:
        """Why a ticket is where it is."""

    @property
    def service_levels(self) -> ServiceLevels:
        """How long tickets take, and may take."""

    @property
    def bulk(self) -> Bulk:
        """Many tickets at once."""

    @property
    def users(self) -> Users:
        """Who may sign in."""

    @property
    def agents(self) -> Agents:
        """Users who take tickets."""

    @property
    def customers(self) -> Customers:
        """Whom tickets are sold to."""

    @property
    def erasures(self) -> Erasures:
        """Forgetting customers."""

    @property
    def webhooks(self) -> Webhooks:
        """Who else is told of what happens."""

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""

    @property
    def mails(self) -> Mails:
        """What people were told by mail."""

    @property
    def notification_preferences(self) -> NotificationPreferences:
        """What people want to be told."""

    @property
    def figures(self) -> Figures:
        """What the metrics show."""

    @property
    def meters(self) -> Meters:
        """What this process measures of its own work."""

    @property
    def tracer(self) -> Tracer | None:
        """Who is told of spans, if anybody is."""

    @property
    def idempotency(self) -> Idempotency:
        """Repeated requests."""

    @property
    def invariants(self) -> Invariants:
        """The promises that can be checked."""

    @property
    def queue_stats(self) -> QueueStats:
        """The queue in figures."""

    @property
    def dispatch_report(self) -> DispatchReport:
        """What dispatch did, and cannot do."""

    @property
    def reconciliations(self) -> Reconciliations:
        """The reconciler's runs: asked for, and looked at."""

    @property
    def operations(self) -> Operations:
        """What operators watch."""

    @property
    def health(self) -> Health:
        """The parts the service stands on."""


def services() -> Services:
    """Fetch the use cases of the app that serves the present request."""
    return cast("Services", current_app.extensions[EXTENSION])
