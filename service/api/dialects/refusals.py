"""What older clients are refused with where their status or words differ from ours: in the one table, as all errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.api.dialects.shared import is_older_client
from service.domain.errors import FairdealError, IllegalMove, InvalidInput, NotFound, TicketTaken
from service.domain.model import TicketStatus


class AlreadySold(FairdealError):
    """The ticket has been sold already."""

    code = "already_sold"


class NameTaken(FairdealError):
    """A unique value is taken, and that counts as bad input; `field` says which."""

    code = "name_taken"


class NotForSale(FairdealError):
    """The ticket is not the caller's, or sold already; `error` says so."""

    code = "not_for_sale"


class CustomerMissing(FairdealError):
    """The sale names no customer, or none that can be; `error` says so."""

    code = "customer_missing"


class StatusRefused(FairdealError):
    """The ticket is not the caller's, or its status cannot become the one wanted."""

    code = "status_refused"


@contextmanager
def sold_once(*, named: bool) -> Iterator[None]:
    """Refuse a sale in the words of support_system: what is sold, unless a customer is named, and what is not theirs.

    Raises `AlreadySold`, and `NotFound` for a ticket that somebody else has by now.
    """
    try:
        yield
    except TicketTaken as refusal:
        if is_older_client():
            raise NotFound(refusal.detail) from refusal
        raise
    except IllegalMove as refusal:
        if not named and refusal.facts["state"] == TicketStatus.SOLD:
            raise AlreadySold("Ticket already sold.") from refusal
        raise


@contextmanager
def sold_or_gone() -> Iterator[None]:
    """Refuse a sale in the words of ticket_project. Raises `CustomerMissing`, `NotForSale`."""
    try:
        yield
    except InvalidInput as refusal:
        raise CustomerMissing(refusal.detail, error=refusal.detail, errors=refusal.facts["errors"]) from refusal
    except (IllegalMove, NotFound, TicketTaken) as refusal:
        raise NotForSale(refusal.detail, error=refusal.detail) from refusal
