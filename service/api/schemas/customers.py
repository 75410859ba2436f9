"""Customers as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from service.api.schemas.fields import Id, Text
from service.api.schemas.paging import PageAnswer, SortedPaging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.domain.model import Customer
from service.usecases.ports.erasure import Erasure
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter

EXAMPLE = {"name": "Ada Lovelace", "email": "ada@example.com"}


class CustomerPath(Input):
    """Which customer."""

    customer_id: Id


class CustomerQuery(SortedPaging):
    """Which customers to list, and which page of them. A whole email address as `q` finds its customer alone."""

    def wanted(self) -> CustomerFilter:
        """Say it in the use case's words."""
        return CustomerFilter(text=self.q)


class CustomerInput(Input):
    """A customer to create, or everything about one that is to be replaced."""

    model_config = documented(EXAMPLE)

    name: Text
    email: Text

    def draft(self) -> CustomerDraft:
        """Say it in the use case's words."""
        return CustomerDraft(name=self.name, email=self.email)

    def replacement(self) -> CustomerChanges:
        """Replace every field."""
        return CustomerChanges(name=self.name, email=self.email)


class CustomerPatch(Changes):
    """Fields of a customer to change."""

    model_config = documented({"name": "Ada King"})

    name: Text = ""
    email: Text = ""

    def changes(self) -> CustomerChanges:
        """Say it in the use case's words."""
        return CustomerChanges(**self.given())


class ErasureInput(Input):
    """What to erase of a customer besides name and email."""

    model_config = documented({"texts": False, "dry_run": True})

    texts: bool = False
    dry_run: bool = False


class ErasureAnswer(Answer):
    """What was erased, or would be."""

    customer_id: int
    tickets: int
    texts: int
    replies: int
    kept_texts: int
    dry_run: bool


class CustomerAnswer(Answer):
    """A customer."""

    id: int
    name: str
    email: str
    created_at: datetime
    updated_at: datetime


class CustomerPage(PageAnswer):
    """One page of customers."""

    items: list[CustomerAnswer]


def customer_json(customer: Customer) -> dict[str, Any]:
    """Describe a customer."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
    }


def erasure_json(erasure: Erasure) -> dict[str, Any]:
    """Describe an erasure."""
    return asdict(erasure)
