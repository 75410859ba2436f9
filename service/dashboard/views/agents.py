"""Agents for admins: how much each has in hand, and one agent's page."""

from __future__ import annotations

from functools import partial

from flask import Response, request

from service.api.services import services
from service.dashboard import news
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice
from service.dashboard.listing import Listing, read, show
from service.dashboard.notices import say
from service.dashboard.rendering import go_to, page
from service.domain.history import hand_change
from service.domain.model import Agent, Availability, Level, Page, Role
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentFilter

FILTERS = ("q", "level", "availability", "active")
SORTS = ("username", "held", "level", "capacity", "created_at")
EVENTS = 20


@dashboard.get("/agents")
@allow(Role.ADMIN)
def agents() -> Response:
    """Show the agents."""
    listing = _listing()
    found = _found(listing)
    shown = news.shown(found.items)
    return show("admin/agents.html", listing, found, shown=shown, news_etag=news.etag(shown, shown))


@dashboard.get("/agents/news")
@allow(Role.ADMIN)
def agents_news() -> Response:
    """Tell how many agents of a list have changed since it was shown."""
    listing = _listing()
    return news.tell(listing, _found(listing, is_counted=False).items, "agent")


def _listing() -> Listing:
    return Listing(names=FILTERS, sorts=SORTS, default_sort="username", endpoint="dashboard.agents")


def _found(listing: Listing, *, is_counted: bool = True) -> Page[Agent]:
    wanted = AgentFilter(
        text=listing.given["q"] or None,
        level=listing.one("level", Level),
        availability=listing.one("availability", Availability),
        is_active=listing.flag("active"),
    )
    return read(listing, partial(services().agents.page, wanted), is_counted=is_counted)


@dashboard.get("/agents/<id:agent_id>")
@allow(Role.ADMIN)
def agent(agent_id: int) -> Response:
    """Show one agent: profile, hand, and what happened of late."""
    found = services().agents.get(agent_id)
    asked = PageRequest(limit=EVENTS, cursor=request.args.get("cursor") or None)
    events = services().history.of_agent(agent_id, asked)
    actors = {event.actor_id for event in events.items if event.actor_id is not None}
    return page(
        "admin/agent.html",
        agent=found,
        hand=services().assignments.held(agent_id).tickets,
        events=events,
        changes={event.id: hand_change(event, agent_id) for event in events.items},
        names=services().users.usernames(actors),
    )


@dashboard.post("/agents/<id:agent_id>/availability")
@allow(Role.ADMIN)
def agent_availability(agent_id: int) -> Response:
    """Set an agent available or away."""
    found = services().agents.set_availability(agent_id, choice("availability", Availability))
    say("done", f"{found.username} is {found.availability} now.")
    return go_to("dashboard.agent", agent_id=agent_id)
