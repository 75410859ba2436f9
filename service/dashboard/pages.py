"""The page, put upon an application: `install(create_app(services))`."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, request
from jinja2 import StrictUndefined

from service.api import documents
from service.api.services import services
from service.dashboard import charts, failures, forgery, mode, navigation, once, wording, written
from service.dashboard.assets import asset_url
from service.dashboard.blueprint import dashboard
from service.dashboard.cookies import PREFIX
from service.dashboard.views import (
    account,
    agent_forms,
    agents,
    customers,
    desk,
    desk_forms,
    operations,
    operations_jobs,
    sign_in,
    ticket,
    ticket_acts,
    ticket_acts_all,
    ticket_import,
    tickets,
    tickets_one,
    user_acts,
    users,
)

VIEWS = (
    *(failures, sign_in, account),
    *(desk, desk_forms, ticket),
    *(tickets, tickets_one, ticket_acts, ticket_acts_all, ticket_import),
    *(agents, agent_forms, users, user_acts, customers),
    *(operations, operations_jobs),
)
"""The modules whose routes are served: importing them hangs their routes on the blueprint."""


@dashboard.context_processor
def _known_to_every_template() -> dict[str, Any]:
    principal = g.get("principal")
    return {
        "principal": principal,
        "places": navigation.places(principal.role) if principal else (),
        "endpoint": request.endpoint,
        "asset_url": asset_url,
        "form_token": forgery.token,
        "new_key": once.new_key,
        "degraded": mode.banner,
        "degraded_words": mode.banners,
        "fingerprint": written.fingerprint,
        "due_at": lambda ticket: services().service_levels.due_at(ticket),
    }


def install(app: Flask) -> None:
    """Serve the page beside the API, and lead browsers to it from `/`."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    wording.install(app)
    charts.install(app)
    app.register_blueprint(dashboard)
    app.extensions[documents.PAGE] = f"{PREFIX}/"
