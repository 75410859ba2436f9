"""Customers on real PostgreSQL: one for each email address, however many sell to them at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from service.domain.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.domain.model import Customer
from service.store import buyers
from service.store.customers import PostgresCustomers
from service.store.engine import transaction
from service.usecases.customers import Customers
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter
from service.usecases.ports.tickets import Buyer

HUGE = 2**63


@pytest.fixture
def customers(engine: Engine) -> Customers:
    return Customers(store=PostgresCustomers(engine))


def make(customers: Customers, name: str = "Zed", email: str = "z@x.org") -> Customer:
    return customers.create(CustomerDraft(name=name, email=email))


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def names(customers: Customers, text: str | None = None, sort: str = "id") -> list[str]:
    return [customer.name for customer in customers.page(CustomerFilter(text=text), PageRequest(sort=sort)).items]


def test_a_whole_email_address_finds_its_customer_alone(customers: Customers) -> None:
    make(customers, "Anna", "anna@x.org")
    make(customers, "Joanna", "joanna@x.org")
    assert names(customers, "ANNA@x.org") == ["Anna"]
    assert names(customers, "nna@x.org") == ["Anna", "Joanna"]
    assert names(customers, "nobody@x.org") == []


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "email", "-created_at"])
def test_a_search_looks_through_so_many_customers_for_a_page(
    customers: Customers, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr("service.store.customers.LOOK", 5)
    for n in range(23):
        make(customers, "Ann" if n % 6 == 0 else "Bob", f"c{n * 7 % 23:02}@x.org")
    found: list[str] = []
    request, looked = PageRequest(sort=sort, limit=2), 0
    while True:
        page = customers.page(CustomerFilter(text="ann"), request)
        looked += 1
        found += [customer.email for customer in page.items]
        if page.next is None:
            break
        assert not (page.total_is_exact and looked == 1), "eighteen have not been looked at"
        request = PageRequest(sort=sort, limit=2, cursor=page.next)
    everybody = customers.page(CustomerFilter(), PageRequest(sort=sort, limit=100)).items
    assert found == [customer.email for customer in everybody if customer.name == "Ann"]
    assert looked >= 23 // 5


def sell(engine: Engine, customer_id: int, *, deleted: bool = False) -> None:
    run(
        engine,
        "INSERT INTO tickets (subject, status, agent_id, customer_id, sold_at, deleted_at) VALUES"
        " ('x', 'sold', (SELECT min(id) FROM agents), :customer, now(), CASE WHEN :deleted THEN now() END)",
        customer=customer_id,
        deleted=deleted,
    )


def find_or_create(connection: Connection, *, name: str, email: str) -> int:
    return buyers.find_or_create(connection, [Buyer(name=name, email=email)])[email.lower()]


def test_a_created_customer_reads_as_written(customers: Customers) -> None:
    created = make(customers, "Zed Ltd", "Z@X.org")
    assert customers.get(created.id) == created
    assert (created.name, created.email) == ("Zed Ltd", "z@x.org")


def test_an_email_is_one_customers_whatever_its_case(customers: Customers) -> None:
    make(customers, email="z@x.org")
    other = make(customers, email="y@x.org")
    for call in (
        lambda: make(customers, email="Z@X.ORG"),
        lambda: customers.update(other.id, CustomerChanges(email="Z@x.org")),
    ):
        with pytest.raises(AlreadyExists) as caught:
            call()
        assert caught.value.facts == {"field": "email"}


def test_a_change_leaves_the_rest_as_it_is(customers: Customers) -> None:
    before = make(customers)
    after = customers.update(before.id, CustomerChanges(name="Zoe"))
    assert (after.name, after.email) == ("Zoe", "z@x.org")
    assert after.updated_at > before.updated_at
    assert customers.update(before.id, CustomerChanges(email="NEW@x.org")).email == "new@x.org"
    assert customers.get(before.id).name == "Zoe"


@pytest.mark.parametrize("customer_id", [0, -1, 1, HUGE - 1, HUGE, HUGE**2])
def test_an_id_that_no_customer_has_is_not_found(customers: Customers, customer_id: int) -> None:
    for call in (
        lambda: customers.get(customer_id),
        lambda: customers.delete(customer_id),
        lambda: customers.update(customer_id, CustomerChanges(name="x")),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_customer_without_tickets_can_be_deleted(customers: Customers) -> None:
    made = make(customers)
    customers.delete(made.id)
    with pytest.raises(NotFound):
        customers.get(made.id)
    assert make(customers).id != made.id


@pytest.mark.parametrize("deleted", [False, True])
def test_a_customer_whom_a_ticket_names_stays(
    customers: Customers, engine: Engine, make_agent: Callable[..., int], deleted: bool
) -> None:
    made = make(customers)
    make_agent()
    sell(engine, made.id, deleted=deleted)
    with pytest.raises(Conflict, match="has bought 1 ticket,"):
        customers.delete(made.id)
    assert customers.get(made.id) == made


def test_customers_are_found_by_name_and_email(customers: Customers) -> None:
    make(customers, "Zed Ltd", "buy@zed.org")
    make(customers, "50% off", "o_f@x.org")
    expected = {"ZED l": ["Zed Ltd"], "BUY@": ["Zed Ltd"], "%": ["50% off"], "_": ["50% off"], "nobody": []}
    assert {q: names(customers, q) for q in expected} == expected


def test_customers_are_listed_by_every_sort_on_offer_page_by_page(customers: Customers) -> None:
    for name, email in (("B", "1@x.org"), ("A", "3@x.org"), ("A", "2@x.org")):
        make(customers, name, email)
    for sort in ("id", "name", "email", "created_at"):
        for direction in ("", "-"):
            seen: list[Customer] = []
            cursor = None
            while len(seen) < 3:
                page = customers.page(CustomerFilter(), PageRequest(limit=1, cursor=cursor, sort=direction + sort))
                seen += page.items
                cursor = page.next
            assert cursor is None
            assert len({customer.id for customer in seen}) == 3
    assert names(customers, sort="-name") == ["B", "A", "A"]
    with pytest.raises(InvalidInput, match="sort"):
        names(customers, sort="phone")


def test_a_known_email_finds_its_customer_and_keeps_the_name(customers: Customers, engine: Engine) -> None:
    made = make(customers, "Zed", "z@x.org")
    with transaction(engine) as connection:
        assert find_or_create(connection, name="Somebody", email="Z@X.org") == made.id
    assert customers.get(made.id) == made


def test_an_unknown_email_makes_a_customer_in_lower_case(customers: Customers, engine: Engine) -> None:
    with transaction(engine) as connection:
        made = find_or_create(connection, name="Zed", email="Z@X.org")
        assert find_or_create(connection, name="Zed", email="z@x.org") == made
    assert (customers.get(made).name, customers.get(made).email) == ("Zed", "z@x.org")


def test_a_customer_made_in_a_sale_that_fails_is_gone_with_it(customers: Customers, engine: Engine) -> None:
    def fail() -> None:
        with transaction(engine) as connection:
            find_or_create(connection, name="Zed", email="z@x.org")
            raise Conflict("the sale fails")

    with pytest.raises(Conflict):
        fail()
    assert names(customers) == []


def test_of_two_sellers_at_once_the_second_gets_the_customer_of_the_first(engine: Engine) -> None:
    def meet(name: str, email: str) -> int:
        with transaction(engine) as connection:
            return find_or_create(connection, name=name, email=email)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            made = find_or_create(connection, name="Zed", email="z@x.org")
            second = pool.submit(meet, "Zoe", "Z@x.org")
            _wait_until_blocked(engine)
        assert second.result() == made


def test_a_customer_found_for_a_sale_is_not_deleted_from_under_it(customers: Customers, engine: Engine) -> None:
    made = make(customers)
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            assert find_or_create(connection, name="Zed", email="z@x.org") == made.id
            deletion = pool.submit(customers.delete, made.id)
            _wait_until_blocked(engine)
            connection.execute(text("INSERT INTO tickets (subject, customer_id) VALUES ('x', :id)"), {"id": made.id})
        with pytest.raises(Conflict):
            deletion.result()


def _wait_until_blocked(engine: Engine) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            connection.execute(text("SELECT pg_sleep(0.01)"))
