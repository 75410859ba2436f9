"""Dealing and working tickets as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, Strict

from service.api.errors import problem
from service.api.schemas.fields import Flag, Id, Note, Reason, Text
from service.api.schemas.problems import Problem
from service.api.schemas.shape import Answer, Input, documented
from service.api.schemas.tickets import TicketAnswer, ticket_json
from service.domain.errors import InvalidInput
from service.domain.model import MAX_CAPACITY, Priority, Ticket
from service.usecases.assignments import Hand
from service.usecases.bulk import Assignment
from service.usecases.lifecycle import ItemResult, Sale
from service.usecases.ports.tickets import Buyer

SERVED_BY_HEADER = "X-Fairdeal-Served-By"
SERVED_BY = {
    "description": "Which path dealt the tickets: `queue`, or `database` while the queue is away",
    "schema": {"type": "string", "enum": ["queue", "database"]},
}

MAX_ITEMS = 500
"""Tickets one request may change; each takes a few milliseconds."""

CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}


class FetchInput(Input):
    """How much to fetch."""

    model_config = documented({"limit": 5}, optional=True)

    limit: Annotated[int, Strict(), Field(ge=1, le=MAX_CAPACITY)] | None = Field(
        default=None, description="New tickets at the most; left out: as many as fit"
    )


class NothingInput(Input):
    """Nothing: the path says it all."""

    model_config = documented(optional=True)


class ReasonInput(Input):
    """Why, as the ticket's history shall say."""

    model_config = documented({"reason": "Needs somebody who speaks Finnish"})

    reason: Reason


class NoteInput(Input):
    """Why, for the ticket's history; may be left out."""

    model_config = documented({"reason": "Agent on leave"}, optional=True)

    reason: Note = ""


WOULD = "Say what would become of the ticket, and change nothing"


class TicketReturnInput(NoteInput):
    """Why a ticket goes back, for its history; may be left out."""

    dry_run: Flag = Field(default=False, description=WOULD)


class AssignInput(Input):
    """Whom to give a ticket to."""

    model_config = documented({"agent_id": 7})

    agent_id: Id
    dry_run: Flag = Field(default=False, description=WOULD)


class TicketAssignInput(Input):
    """One ticket to give, and to whom."""

    ticket_id: Id
    agent_id: Id


class AssignmentsInput(Input):
    """Tickets to give to agents, each on its own."""

    model_config = documented({"assignments": [{"ticket_id": 7, "agent_id": 2}]})

    assignments: list[TicketAssignInput] = Field(min_length=1, max_length=MAX_ITEMS)

    def wanted(self) -> list[Assignment]:
        """Say it in the use case's words. Raises `InvalidInput` when a ticket is named twice."""
        _refuse_twice("assignments", [item.ticket_id for item in self.assignments], ".ticket_id")
        return [Assignment(item.ticket_id, item.agent_id) for item in self.assignments]


class PrioritiesInput(Input):
    """Tickets to give a priority."""

    model_config = documented({"ticket_ids": [7, 8], "priority": "high"})

    ticket_ids: list[Id] = Field(min_length=1, max_length=MAX_ITEMS)
    priority: Priority

    def wanted(self) -> list[int]:
        """List the tickets. Raises `InvalidInput` when one is named twice."""
        _refuse_twice("ticket_ids", self.ticket_ids)
        return self.ticket_ids


class ReassignInput(Input):
    """Whom to give everything an agent holds."""

    model_config = documented({"to_agent_id": 7, "dry_run": True})

    to_agent_id: Id
    dry_run: Flag = Field(default=False, description="Say what would become of each ticket, and change nothing")


class BuyerInput(Input):
    """The customer of a sale: an existing one with the same email is used again."""

    name: Text
    email: Text

    def buyer(self) -> Buyer:
        """Say it in the use case's words."""
        return Buyer(name=self.name, email=self.email)


class SaleInput(Input):
    """Whom a ticket is sold to."""

    model_config = documented({"customer": CUSTOMER}, optional=True)

    customer: BuyerInput | None = Field(default=None, description="Left out (not null): nobody is named")

    def buyer(self) -> Buyer | None:
        """Say it in the use case's words; None where nobody is named. Raises `InvalidInput`."""
        if self.customer is None and "customer" in self.model_fields_set:
            raise InvalidInput(("customer", "must not be null; leave it out to name nobody"))
        return None if self.customer is None else self.customer.buyer()


class TicketSaleInput(Input):
    """One sale of several."""

    ticket_id: Id
    customer: BuyerInput


class SalesInput(Input):
    """Tickets to sell, each on its own."""

    model_config = documented({"sales": [{"ticket_id": 7, "customer": CUSTOMER}]})

    sales: list[TicketSaleInput] = Field(min_length=1, max_length=100)

    def wanted(self) -> list[Sale]:
        """Say it in the use case's words. Raises `InvalidInput` when a ticket is named twice."""
        _refuse_twice("sales", [sale.ticket_id for sale in self.sales], ".ticket_id")
        return [Sale(sale.ticket_id, sale.customer.buyer()) for sale in self.sales]


class HandAnswer(Answer):
    """What an agent holds, in creation order."""

    model_config = documented(headers={SERVED_BY_HEADER: SERVED_BY})

    tickets: list[TicketAnswer]
    held: int
    capacity: int
    assigned_now: int = Field(description="How many of the tickets this call assigned")


class SoldAnswer(TicketAnswer):
    """A ticket that has been sold."""

    detail: str = Field(description="For people")


class MovedAnswer(TicketAnswer):
    """A ticket that has been moved; in a dry run, as it would be."""

    dry_run: bool


class ItemAnswer(Answer):
    """What became of one ticket of several: the ticket as it is now, or the problem that kept it from changing."""

    ticket_id: int
    ticket: TicketAnswer | None
    error: Problem | None


class SalesAnswer(Answer):
    """What became of each sale, in the order asked."""

    sold: int
    results: list[ItemAnswer]


class ChangesAnswer(Answer):
    """What became of each ticket, in the order asked."""

    changed: int
    results: list[ItemAnswer]


class ReassignedAnswer(Answer):
    """What became of each ticket of an agent, the oldest first; in a dry run, what would."""

    dry_run: bool
    changed: int
    results: list[ItemAnswer]


def _refuse_twice(field: str, ticket_ids: Sequence[int], part: str = "") -> None:
    seen: set[int] = set()
    for place, ticket_id in enumerate(ticket_ids):
        if ticket_id in seen:
            raise InvalidInput((f"{field}.{place}{part}", f"names ticket {ticket_id} a second time"))
        seen.add(ticket_id)


def hand_json(hand: Hand) -> dict[str, Any]:
    """Describe a hand."""
    return {
        "tickets": [ticket_json(ticket) for ticket in hand.tickets],
        "held": hand.held,
        "capacity": hand.capacity,
        "assigned_now": hand.assigned_now,
    }


def sold_json(ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket that has been sold."""
    return {**ticket_json(ticket), "detail": "Ticket marked as sold."}


def sales_json(results: list[ItemResult]) -> dict[str, Any]:
    """Describe what became of several sales."""
    return {"sold": _done(results), "results": _results_json(results)}


def changes_json(results: list[ItemResult]) -> dict[str, Any]:
    """Describe what became of several tickets."""
    return {"changed": _done(results), "results": _results_json(results)}


def _done(results: list[ItemResult]) -> int:
    return sum(result.ticket is not None for result in results)


def _results_json(results: list[ItemResult]) -> list[dict[str, Any]]:
    return [
        {
            "ticket_id": result.ticket_id,
            "ticket": None if result.ticket is None else ticket_json(result.ticket),
            "error": None if result.error is None else problem(result.error),
        }
        for result in results
    ]
