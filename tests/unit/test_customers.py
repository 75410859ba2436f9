"""What the use cases make of what people typed about customers, before any store sees it."""

from __future__ import annotations

import pytest

from service.domain.errors import InvalidInput, NotFound
from service.usecases.customers import Customers, check_customer
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import CustomerChanges, CustomerDraft, CustomerFilter
from tests.fakes.people import RecordingCustomers


@pytest.fixture
def store() -> RecordingCustomers:
    return RecordingCustomers()


@pytest.fixture
def customers(store: RecordingCustomers) -> Customers:
    return Customers(store=store)


def test_a_customer_is_stored_trimmed_and_in_lower_case(customers: Customers, store: RecordingCustomers) -> None:
    customers.create(CustomerDraft(name=" Zed Ltd ", email=" Buy@Zed.Example.ORG "))
    customers.update(1, CustomerChanges(email="ZED@X.org"))
    assert store.drafts == [CustomerDraft(name="Zed Ltd", email="buy@zed.example.org")]
    assert store.changes == [CustomerChanges(email="zed@x.org")]


def test_both_bad_fields_are_named(customers: Customers) -> None:
    for call in (
        lambda: check_customer(CustomerDraft(name=" ", email="nowhere")),
        lambda: customers.create(CustomerDraft(name="x\0y", email="")),
        lambda: customers.update(1, CustomerChanges(name="x" * 201, email="a@b")),
    ):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert [error["field"] for error in caught.value.facts["errors"]] == ["name", "email"]


def test_an_empty_name_is_said_to_be_empty() -> None:
    with pytest.raises(InvalidInput, match="name: must not be empty"):
        check_customer(CustomerDraft(name="", email="z@x.org"))


def test_a_customer_who_is_not_there_is_not_found(customers: Customers) -> None:
    assert customers.get(1).email == "z@x.org"
    with pytest.raises(NotFound, match="There is no customer 2"):
        customers.get(2)


def test_a_search_is_cleaned_before_it_is_made(customers: Customers, store: RecordingCustomers) -> None:
    customers.page(CustomerFilter(text=" zed "), PageRequest())
    assert store.filters == [CustomerFilter(text="zed")]
    with pytest.raises(InvalidInput, match="q: "):
        customers.page(CustomerFilter(text="\0"), PageRequest())
