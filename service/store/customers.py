"""Customers as records: see `service.usecases.ports.people.CustomerStore` for what each method promises."""

from __future__ import annotations

from psycopg2.errors import ForeignKeyViolation
from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.domain.errors import Conflict, NotFound
from service.domain.model import Customer, Page
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.readings import Readings
from service.store.rows import MAX_BIGINT, NOW, existing_id
from service.store.tables import archived_tickets, customers, tickets
from service.store.uniqueness import taken_values_as_facts
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter

_COLUMNS = tuple(customers.columns)

SORT_KEYS = {
    "id": customers.c.id,
    "name": customers.c.name,
    "email": customers.c.email,
    "created_at": customers.c.created_at,
}


LOOK = 20_000
"""Customers that one page of a search looks at, as no index finds a part of a name: 12 ms, by name three times that."""


def _named(words: str) -> ColumnElement[bool]:
    return or_(*(column.icontains(words, autoescape=True) for column in (customers.c.name, customers.c.email)))


def _addressed(connection: Connection, words: str) -> int | None:
    """Find the customer whose whole email address these words are: an index does that, among any number."""
    if "@" not in words:
        return None
    found: int | None = connection.execute(
        select(customers.c.id).where(func.lower(words) == func.lower(customers.c.email))
    ).scalar_one_or_none()
    return found


def _page(connection: Connection, wanted: CustomerFilter, request: PageRequest) -> Page[Customer]:
    query = everybody = select(*_COLUMNS)
    among = None
    if wanted.text and (addressed := _addressed(connection, wanted.text)):
        query = everybody.where(customers.c.id == addressed)
    elif wanted.text:
        query, among = everybody.where(_named(wanted.text)), everybody
    return keyset_page(
        connection,
        select=query,
        columns=SORT_KEYS,
        id_column=customers.c.id,
        request=request,
        build=lambda row: Customer(**row._mapping),
        among=among,
        look=LOOK,
    )


class PostgresCustomers:
    """Keep customers in PostgreSQL."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None) -> None:
        """Read lists by `readings`."""
        self._engine = engine
        self._readings = readings or Readings(engine)

    def create(self, draft: CustomerDraft) -> Customer:
        """Write a customer."""
        values = {"name": draft.name, "email": draft.email.lower()}
        with taken_values_as_facts(), statement(self._engine) as connection:
            row = connection.execute(insert(customers).values(values).returning(*_COLUMNS)).mappings().one()
            return Customer(**row)

    def get(self, customer_id: int) -> Customer | None:
        """Read one customer."""
        if not 1 <= customer_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(customers.c.id == customer_id)).mappings().one_or_none()
        return None if row is None else Customer(**row)

    def page(self, wanted: CustomerFilter, request: PageRequest) -> Page[Customer]:
        """List customers by keyset."""
        return self._readings.read(lambda connection: _page(connection, wanted, request))

    def update(self, customer_id: int, changes: CustomerChanges) -> Customer:
        """Change a customer by one statement."""
        values = {
            name: value for name, value in (("name", changes.name), ("email", changes.email)) if value is not None
        }
        if "email" in values:
            values["email"] = values["email"].lower()
        change = (
            update(customers)
            .where(customers.c.id == existing_id(customer_id, "customer"))
            .values(**values, updated_at=NOW)
            .returning(*_COLUMNS)
        )
        with taken_values_as_facts(), statement(self._engine) as connection:
            row = connection.execute(change).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no customer {customer_id}")
        return Customer(**row)

    def delete(self, customer_id: int) -> None:
        """Remove a customer, unless a ticket refers to them: the foreign key decides, so that no sale can slip in."""
        removal = delete(customers).where(customers.c.id == existing_id(customer_id, "customer"))
        try:
            with transaction(self._engine) as connection:
                removed = connection.execute(removal).rowcount
        except IntegrityError as exc:
            if isinstance(exc.orig, ForeignKeyViolation):
                raise Conflict(self._why_kept(customer_id)) from exc
            raise
        if not removed:
            raise NotFound(f"There is no customer {customer_id}")

    def _why_kept(self, customer_id: int) -> str:
        bought = [
            select(func.count(literal(1))).where(table.c.customer_id == customer_id).scalar_subquery()
            for table in (tickets, archived_tickets)
        ]
        with statement(self._engine) as connection:
            count = connection.execute(select(bought[0] + bought[1])).scalar_one()
        words = "1 ticket" if count == 1 else f"{count} tickets"
        return f"Customer {customer_id} has bought {words}, whose history must go on naming them"
