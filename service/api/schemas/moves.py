"""Dealing and working tickets as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Strict

from service.api.errors import problem
from service.api.schemas.fields import Id, Note, Reason, Text
from service.api.schemas.problems import Problem
from service.api.schemas.shape import Answer, Input, documented
from service.api.schemas.tickets import TicketAnswer, ticket_json
from service.domain.errors import InvalidInput
from service.domain.model import MAX_CAPACITY
from service.usecases.assignments import Hand
from service.usecases.lifecycle import Sale, SaleResult
from service.usecases.ports.tickets import Buyer

SERVED_BY = {
    "description": "Which path dealt the tickets: `queue`, or `database` while the queue is away",
    "schema": {"type": "string", "enum": ["queue", "database"]},
}

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


class AssignInput(Input):
    """Whom to give a ticket to."""

    model_config = documented({"agent_id": 7})

    agent_id: Id


class BuyerInput(Input):
    """The customer of a sale: an existing one with the same email is used again."""

    name: Text
    email: Text

    def buyer(self) -> Buyer:
        """Say it in the use case's words."""
        return Buyer(name=self.name, email=self.email)


class SaleInput(Input):
    """Whom a ticket is sold to."""

    model_config = documented({"customer": CUSTOMER})

    customer: BuyerInput


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
        seen: set[int] = set()
        for place, sale in enumerate(self.sales):
            if sale.ticket_id in seen:
                raise InvalidInput((f"sales.{place}.ticket_id", f"names ticket {sale.ticket_id} a second time"))
            seen.add(sale.ticket_id)
        return [Sale(sale.ticket_id, sale.customer.buyer()) for sale in self.sales]


class HandAnswer(Answer):
    """What an agent holds, in creation order."""

    model_config = documented(headers={"X-Fairdeal-Served-By": SERVED_BY})

    tickets: list[TicketAnswer]
    held: int
    capacity: int
    assigned_now: int = Field(description="How many of the tickets this call assigned")


class SaleAnswer(Answer):
    """What became of one sale: the ticket as sold, or the problem that kept it from being sold."""

    ticket_id: int
    ticket: TicketAnswer | None
    error: Problem | None


class SalesAnswer(Answer):
    """What became of each sale, in the order asked."""

    sold: int
    results: list[SaleAnswer]


def hand_json(hand: Hand) -> dict[str, Any]:
    """Describe a hand."""
    return {
        "tickets": [ticket_json(ticket) for ticket in hand.tickets],
        "held": hand.held,
        "capacity": hand.capacity,
        "assigned_now": hand.assigned_now,
    }


def sales_json(results: list[SaleResult]) -> dict[str, Any]:
    """Describe what became of several sales."""
    return {
        "sold": sum(result.ticket is not None for result in results),
        "results": [
            {
                "ticket_id": result.ticket_id,
                "ticket": None if result.ticket is None else ticket_json(result.ticket),
                "error": None if result.error is None else problem(result.error),
            }
            for result in results
        ],
    }
