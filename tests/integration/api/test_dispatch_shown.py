"""Dispatch as operators see it: over HTTP, in the metrics, on the command line, and in the explanation of a ticket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.api.app import create_app
from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.integration.desk import as_decided
from tests.integration.test_figures import scrape

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
PASSWORD = "Correct-horse-7"


@pytest.fixture
def client(container: Container) -> FlaskClient:
    return create_app(container).test_client()


@pytest.fixture
def operator(container: Container, client: FlaskClient) -> dict[str, str]:
    container.users.create(UserDraft(username="olga", password=PASSWORD, role=Role.OPERATOR))
    signed_in = client.post("/api/token", json={"username": "olga", "password": PASSWORD}).json["access"]
    return {"Authorization": f"Bearer {signed_in}"}


def run(container: Container, *args: str) -> Result:
    return CliRunner().invoke(cli, args, obj=Setup(container=container))


def test_what_was_given_and_what_waits_is_shown(
    container: Container, client: FlaskClient, operator: dict[str, str], make_agent: Make, make_tickets: MakeMany
) -> None:
    (high,) = make_tickets(1, "high")
    make_tickets(3)
    make_agent("ann", auto_assign=True, capacity=5)
    make_agent("ben", auto_assign=True, availability="away")
    assert container.dispatcher.run(trigger="test").rounds == 1

    shown = client.get("/api/ops/dispatch", headers=operator).json
    assert shown["takers"] == [
        {"level": "senior", "willing": 0, "available": 0, "with_room": 0, "room": 0},
        {"level": "junior", "willing": 2, "available": 1, "with_room": 1, "room": 2},
    ]
    assert shown["held_up"] == [
        {"priority": "high", "why": "Dispatch has nobody to give it to, as no senior has auto_assign."}
    ]
    assert (shown["last_day"]["dispatched"], shown["last_day"]["runs"]) == (3, 1)
    assert shown["last_day"]["longest_wait_s"] + 0.001 >= shown["last_day"]["mean_wait_s"] > 0  # both are rounded
    assert [(one["dispatched"], one["agents"], one["ended"]) for one in shown["recent"]] == [(3, 1, "nobody")]

    figures = scrape(client)
    assert figures["fairdeal_dispatched_last_day",] == 3
    assert figures["fairdeal_dispatch_runs_last_day",] == figures["fairdeal_dispatch_rounds_last_day",] == 1
    assert figures["fairdeal_dispatch_wait_seconds_last_day", "longest"] > 0

    explained = client.get(f"/api/tickets/{high}/explain", headers=operator).json
    assert explained["dispatch"] == {
        "can_be_given": False,
        "takers": [{"level": "senior", "willing": 0, "available": 0, "with_room": 0, "room": 0}],
        "why": "Dispatch has nobody to give it to, as no senior has auto_assign.",
    }
    assert explained["words"][-1] == explained["dispatch"]["why"]


def test_agents_are_not_shown_how_dispatch_does(container: Container, client: FlaskClient) -> None:
    container.users.create(UserDraft(username="ann", password=PASSWORD, role=Role.AGENT))
    signed_in = client.post("/api/token", json={"username": "ann", "password": PASSWORD}).json["access"]
    answer = client.get("/api/ops/dispatch", headers={"Authorization": f"Bearer {signed_in}"})
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


def test_a_dry_run_of_the_command_says_what_the_run_then_does(
    container: Container, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    make_tickets(1, "high")
    tickets = make_tickets(3)
    make_agent("ann", auto_assign=True, capacity=2)
    before = as_decided(engine)
    foreseen = run(container, "dispatch", "--dry-run")
    assert foreseen.exit_code == 0
    assert foreseen.output.splitlines() == [
        "2 tickets would be given",
        "agent  tickets  ids",
        f"ann          2  {tickets[0]} {tickets[1]}",
        "high waits: Dispatch has nobody to give it to, as no senior has auto_assign.",
    ]
    assert as_decided(engine) == before
    done: dict[str, Any] = json.loads(run(container, "dispatch", "--json").output)
    assert done["gifts"] == [{"agent_id": next(iter(as_decided(engine)[1])), "ticket_ids": tickets[:2]}]
    assert set(done["held_up"]) == {"high", "medium"}
    assert run(container, "dispatch").output.splitlines()[0] == "0 tickets given"


def test_the_command_says_when_nobody_takes_part(container: Container, make_tickets: MakeMany) -> None:
    make_tickets(1)
    told = run(container, "dispatch").output
    assert "medium waits: Dispatch has nobody to give it to, as no junior or senior has auto_assign." in told
