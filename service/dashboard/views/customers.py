"""Customers for admins: whom tickets were sold to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from flask import Response, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import form_page
from service.dashboard.listing import Listing, read, show
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.people_forms import Refusal, problems_in
from service.dashboard.rendering import go, go_to, page
from service.dashboard.written import changed_text, plain_text
from service.domain.errors import Conflict
from service.domain.model import Customer, Role
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter
from service.usecases.ports.tickets import TicketFilter

SORTS = ("name", "email", "created_at")
SOLD = 10
"""Tickets shown on a customer's page, the newest; the list of tickets has them all."""


@dashboard.get("/customers")
@allow(Role.ADMIN)
def customers() -> Response:
    """Show the customers."""
    listing = Listing(names=("q",), sorts=SORTS, default_sort="name")
    wanted = CustomerFilter(text=listing.given["q"] or None)
    return show("admin/customers.html", listing, read(listing, partial(services().customers.page, wanted)))


@dashboard.get("/customers/<id:customer_id>")
@allow(Role.ADMIN)
def customer(customer_id: int) -> Response:
    """Show one customer and what was sold to them."""
    sold = PageRequest(limit=SOLD, sort="-id")
    return page(
        "admin/customer.html",
        customer=services().customers.get(customer_id),
        sold=services().tickets.page(TicketFilter(customer_id=customer_id), sold, viewer=caller()),
    )


@dashboard.get("/customers/new")
@allow(Role.ADMIN)
def customer_new() -> Response:
    """Show the form for a customer."""
    return _form(None)


@dashboard.post("/customers/new")
@allow(Role.ADMIN)
def customer_create() -> Response:
    """Create a customer."""
    try:
        return go(once(_create))
    except Refusal as error:
        return _form(None, problems_in(error))


def _create(_: UUID | None) -> str:
    draft = CustomerDraft(name=plain_text("name"), email=plain_text("email"))
    created = services().customers.create(draft)
    say("done", f"Customer {created.name} is created.")
    return url_for("dashboard.customer", customer_id=created.id)


@dashboard.get("/customers/<id:customer_id>/edit")
@allow(Role.ADMIN)
def customer_edit(customer_id: int) -> Response:
    """Show the form to change a customer."""
    return _form(services().customers.get(customer_id))


@dashboard.post("/customers/<id:customer_id>/edit")
@allow(Role.ADMIN)
def customer_change(customer_id: int) -> Response:
    """Change what was changed in the form."""
    try:
        return go(once(partial(_change, customer_id)))
    except Refusal as error:
        return _form(services().customers.get(customer_id), problems_in(error))


def _change(customer_id: int, _: UUID | None) -> str:
    changes = CustomerChanges(name=changed_text("name"), email=changed_text("email"))
    changed = services().customers.update(customer_id, changes)
    say("done", f"Customer {changed.name} is changed.")
    return url_for("dashboard.customer", customer_id=customer_id)


@dashboard.get("/customers/<id:customer_id>/delete")
@allow(Role.ADMIN)
def customer_delete(customer_id: int) -> Response:
    """Ask before a customer is deleted."""
    sold = services().tickets.page(TicketFilter(customer_id=customer_id), PageRequest(limit=1), viewer=caller())
    return page("admin/customer_delete.html", customer=services().customers.get(customer_id), sold=sold)


@dashboard.post("/customers/<id:customer_id>/delete")
@allow(Role.ADMIN)
def customer_delete_now(customer_id: int) -> Response:
    """Delete a customer to whom nothing was sold."""
    try:
        return go(once(partial(_delete, customer_id)))
    except Conflict as error:
        say("error", error.detail)
        return go_to("dashboard.customer", customer_id=customer_id)


def _delete(customer_id: int, _: UUID | None) -> str:
    found = services().customers.get(customer_id)
    services().customers.delete(customer_id)
    say("done", f"Customer {found.name} is deleted.")
    return url_for("dashboard.customers")


def _form(found: Customer | None, problems: Mapping[str, str] | None = None) -> Response:
    return form_page(
        "admin/customer_form.html",
        problems,
        customer=found,
    )
