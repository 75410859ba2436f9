"""The application: `create_app(services)`, and nothing at import."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from flask_openapi3.blueprint import APIBlueprint
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from service.api import access, documents, errors, fast_path, telemetry, tokens, traces
from service.api.dialects import (
    support_system,
    support_ticket_system,
    ticket_project,
    ticket_project_admin,
    ticket_system,
)
from service.api.openapi import Api, new_api
from service.api.resources import (
    agents,
    customers,
    dealing,
    hand,
    health,
    history,
    imports,
    mails,
    me,
    notifications,
    ops,
    tickets,
    transfer,
    users,
    webhooks,
)
from service.api.resources import tokens as token_routes
from service.api.schemas.fields import MAX_ID, counting_to
from service.api.services import EXTENSION, Services

RESOURCES: tuple[APIBlueprint, ...] = (
    token_routes.tokens,
    me.me,
    users.users,
    agents.agents,
    customers.customers,
    tickets.tickets,
    hand.hand,
    dealing.dealing,
    transfer.transfer,
    imports.imports,
    history.history,
    notifications.notifications,
    mails.mails,
    webhooks.webhooks,
    ops.ops,
    support_system.support_system,
    ticket_project.ticket_project,
    ticket_project_admin.project_tickets,
    ticket_project_admin.project_customers,
    ticket_project_admin.project_agents,
    ticket_system.ticket_system,
    support_ticket_system.long_lived_tokens,
    support_ticket_system.assignments,
    health.health,
)


class IdConverter(BaseConverter):
    """Match ids in paths: nothing else is a path of ours, so that `/api/tickets/fetch` is never taken for a ticket.

    The pattern matches no number that is too large. Were that left to `to_python`, werkzeug would answer such a path by
    405: the rules of other methods count as matching before anything is converted.
    """

    regex = counting_to(MAX_ID)

    def to_python(self, value: str) -> int:
        """Read the id."""
        return int(value)


def create_app(services: Services) -> Api:
    """Make the WSGI application on the use cases given."""
    app = new_api(_version())
    app.config.update(MAX_CONTENT_LENGTH=services.settings.max_body_bytes, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.extensions[EXTENSION] = services
    _set_paths_up(app)
    if services.tracer is not None:
        traces.install(app, services.tracer)
    telemetry.install(app)
    errors.install(app)
    tokens.install(app, services.settings)
    if services.tracer is None:  # a span is opened and ended by Flask's hooks
        fast_path.install(app)
    _believe_proxies(app, services.settings.trusted_proxies)
    app.before_request(access.admit)
    for resource in RESOURCES:
        app.register_api(resource)
    documents.install(app)
    return app


def _set_paths_up(app: Api) -> None:
    """Serve each path with and without the trailing slash, and never by a redirect, which would be HTML."""
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter


def _believe_proxies(app: Api, count: int) -> None:
    """Take the client's address and scheme from what so many proxies have added to its request.

    Counted from the end of each header: whatever the client wrote there itself comes before.
    """
    if count:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]


def _version() -> str:
    try:
        return version("fairdeal")
    except PackageNotFoundError:  # run from the checkout, not installed
        return "0.1.0"
