"""Keeping customers: whom tickets were sold to, known by their email address."""

from __future__ import annotations

from dataclasses import replace

from service.domain.errors import NotFound
from service.domain.model import Customer, Page
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter, CustomerStore
from service.usecases.validation import Problems, search_text

MAX_NAME = 200


class Customers:
    """Create, change and remove customers."""

    def __init__(self, *, store: CustomerStore) -> None:
        self._store = store

    def create(self, draft: CustomerDraft) -> Customer:
        """Create a customer. Raises `InvalidInput`, `AlreadyExists`."""
        return self._store.create(check_customer(draft))

    def get(self, customer_id: int) -> Customer:
        """Read one customer. Raises `NotFound`."""
        customer = self._store.get(customer_id)
        if customer is None:
            raise NotFound(f"There is no customer {customer_id}")
        return customer

    def page(self, wanted: CustomerFilter, request: PageRequest) -> Page[Customer]:
        """List customers. Raises `InvalidInput` for a search text, a sort or a cursor that will not do."""
        return self._store.page(replace(wanted, text=search_text(wanted.text)), request)

    def update(self, customer_id: int, changes: CustomerChanges) -> Customer:
        """Change a customer. Raises `NotFound`, `InvalidInput`, `AlreadyExists`."""
        problems = Problems()
        name = None if changes.name is None else _name(problems, changes.name)
        email = None if changes.email is None else problems.email("email", changes.email).lower()
        problems.raise_any()
        return self._store.update(customer_id, CustomerChanges(name=name, email=email))

    def delete(self, customer_id: int) -> None:
        """Remove a customer. Raises `NotFound`, and `Conflict` when tickets refer to them."""
        self._store.delete(customer_id)


def check_customer(draft: CustomerDraft) -> CustomerDraft:
    """Return the draft as it is to be stored, the email in lower case. Raises `InvalidInput` naming every bad field."""
    problems = Problems()
    name, email = _name(problems, draft.name), problems.email("email", draft.email).lower()
    problems.raise_any()
    return CustomerDraft(name=name, email=email)


def _name(problems: Problems, name: str) -> str:
    return problems.text("name", name, least=1, most=MAX_NAME)
