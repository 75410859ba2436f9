"""Erasing a customer: nothing of them is left where we keep data, and everything that was sold stays sold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings
from service.domain.errors import NotFound
from service.domain.model import Role, TicketStatus
from service.usecases.ports.people import AgentDraft, CustomerDraft, UserDraft

PASSWORD = "Correct-horse-7"
EMAIL = "kim.\u00f6zil@example.com"
NAME = 'Kim "the K" \u00d6zil'


@pytest.fixture
def ann(container: Container) -> FlaskClient:
    container.agents.create(AgentDraft(username="ann", password=PASSWORD))
    return signed_in(container, "ann")


@pytest.fixture
def root(container: Container) -> FlaskClient:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    return signed_in(container, "root")


def signed_in(container: Container, username: str) -> FlaskClient:
    client = create_app(container).test_client()
    token = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.fixture
def sold(container: Container, ann: FlaskClient, make_tickets: Any) -> list[int]:
    """Three tickets sold to Kim, one to Bo; the first sale's reply is kept."""
    ids: list[int] = make_tickets(4)
    ann.post("/api/tickets/fetch")
    for number, ticket in enumerate(ids):
        buyer = {"name": "Bo", "email": "bo@example.com"} if number == 3 else {"name": NAME, "email": EMAIL}
        answer = ann.post(
            f"/api/tickets/{ticket}/sell", json={"customer": buyer}, headers={"Idempotency-Key": f"sale-{number}"}
        )
        assert answer.status_code == 200, answer.text
    return ids


def kim(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT customer_id FROM tickets ORDER BY id LIMIT 1")).scalar_one()
        return found


def everything(engine: Engine) -> str:
    """Write out all rows of all tables that hold text."""
    tables = ("customers", "tickets", "ticket_events", "mails", "webhook_deliveries", "claims")
    with engine.connect() as connection:
        parts = [
            str(connection.execute(text(f"SELECT jsonb_agg(to_jsonb(t)) FROM {table} t")).scalar()) for table in tables
        ]
        bodies = connection.execute(text("SELECT convert_from(body, 'UTF8') FROM idempotency_keys")).scalars()
        return "\n".join([*parts, *map(str, bodies)]).lower()


def test_nothing_of_a_customer_is_left_and_their_tickets_stay_sold(
    container: Container, engine: Engine, sold: list[int], ann: FlaskClient
) -> None:
    assert EMAIL in everything(engine)
    erased = container.erasures.erase(kim(engine))
    assert (erased.tickets, erased.texts, erased.kept_texts) == (3, 0, 0)
    left = everything(engine)
    assert EMAIL not in left
    assert "zil" not in left
    assert "bo@example.com" in left
    customer = container.customers.get(erased.customer_id)
    assert (customer.name, customer.email) == ("Erased customer", f"erased-{erased.customer_id}@erased.invalid")
    with engine.connect() as connection:
        query = text("SELECT status FROM tickets WHERE customer_id = :id")
        assert set(connection.execute(query, {"id": erased.customer_id}).scalars()) == {TicketStatus.SOLD.value}
    assert all(result.ok is not False for result in container.invariants.check(at_rest=True))


def test_a_repeated_request_is_answered_as_before_but_for_the_person(
    container: Container, engine: Engine, sold: list[int], ann: FlaskClient
) -> None:
    def again() -> Any:
        body = {"customer": {"name": NAME, "email": EMAIL}}
        return ann.post(f"/api/tickets/{sold[0]}/sell", json=body, headers={"Idempotency-Key": "sale-0"}).get_json()

    before = again()
    container.erasures.erase(kim(engine))
    assert json.dumps(again()).count("Kim") == 0
    assert again().keys() == before.keys()


def test_kept_replies_that_name_a_customer_are_emptied_of_them(
    container: Container, engine: Engine, root: FlaskClient
) -> None:
    def create() -> Any:
        body = {"subject": "x", "description": f"Write to {EMAIL}"}
        root.post("/api/tickets", json=body, headers={"Idempotency-Key": "t"})
        return root.post("/api/customers", json={"name": NAME, "email": EMAIL}, headers={"Idempotency-Key": "c"})

    customer = create().get_json()["id"]
    with engine.connect() as connection:
        naming = "SELECT count(*) FROM idempotency_keys WHERE position(convert_to(:email, 'UTF8') in body) > 0"
        kept = connection.execute(text(naming), {"email": f'"{EMAIL}"'}).scalar_one()
    erased = container.erasures.erase(customer)
    assert erased.replies == kept
    assert "zil" not in everything(engine).replace(f"write to {EMAIL}", "")


def test_a_dry_run_says_what_would_be_and_changes_nothing(
    container: Container, engine: Engine, sold: list[int]
) -> None:
    before = everything(engine)
    rehearsed = container.erasures.erase(kim(engine), texts=True, dry_run=True)
    assert everything(engine) == before
    done = container.erasures.erase(kim(engine), texts=True)
    assert (rehearsed.tickets, rehearsed.texts, rehearsed.replies) == (done.tickets, done.texts, done.replies)
    assert done.texts == 3


def test_texts_go_only_where_that_is_asked_for_and_notes_are_counted(
    container: Container, engine: Engine, sold: list[int], root: FlaskClient
) -> None:
    noted = root.post(f"/api/tickets/{sold[1]}/notes", json={"note": f"Called KIM{EMAIL[3:]}"})
    assert noted.status_code == 201
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET description = :d WHERE id = :id"), {"d": EMAIL, "id": sold[2]})
    customer = kim(engine)
    assert container.erasures.erase(customer, dry_run=True).kept_texts == 2
    erased = container.erasures.erase(customer, texts=True)
    assert erased.kept_texts == 1
    with engine.connect() as connection:
        found = connection.execute(text("SELECT subject, description FROM tickets ORDER BY id")).all()
    assert [row.subject for row in found[:3]] == ["Erased"] * 3
    assert found[3].subject != "Erased"


def test_erasing_again_changes_nothing_and_a_new_sale_makes_a_new_customer(
    container: Container, engine: Engine, sold: list[int], ann: FlaskClient
) -> None:
    customer = kim(engine)
    container.erasures.erase(customer)
    left = everything(engine)
    container.erasures.erase(customer)
    assert left.count("erased-") == everything(engine).count("erased-")
    assert container.customers.create(CustomerDraft(name="Kim", email=EMAIL)).id != customer
    with pytest.raises(NotFound):
        container.erasures.erase(10**6)


def test_admins_erase_over_http(root: FlaskClient, engine: Engine, sold: list[int]) -> None:
    path = f"/api/customers/{kim(engine)}/erase"
    rehearsed = root.post(path, json={"dry_run": True}).get_json()
    assert (rehearsed["dry_run"], rehearsed["tickets"]) == (True, 3)
    assert EMAIL in everything(engine)
    assert root.post(path, json={}).get_json()["dry_run"] is False
    assert EMAIL not in everything(engine)
    assert root.post("/api/customers/999999/erase", json={}).status_code == 404


def run(settings: Settings, container: Container, *args: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["erase-customer", *args], obj=Setup({}, container=container), input=answer)


def test_the_command_asks_first(settings: Settings, container: Container, engine: Engine, sold: list[int]) -> None:
    refused = run(settings, container, EMAIL, answer="n\n")
    assert refused.exit_code == 1
    assert "would be erased, from 3 sold tickets" in refused.stdout
    assert EMAIL in everything(engine)
    assert run(settings, container, "KIM" + EMAIL[3:], "--dry-run").exit_code == 0
    done = run(settings, container, EMAIL, "--yes", "--json")
    assert json.loads(done.stdout)["tickets"] == 3
    assert EMAIL not in everything(engine)
    assert "erased already" in run(settings, container, EMAIL, "--yes").stderr
