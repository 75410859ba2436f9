"""A fetch opens by a statement of its own; who is out, or has changed, is known to every process at once even so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import build_container
from service.config import Settings
from service.domain.model import Role

CHANGES = {
    "revoked": ("UPDATE sessions SET revoked_at = now()", 401, "not_signed_in"),
    "expired": ("UPDATE sessions SET expires_at = now()", 401, "not_signed_in"),
    "deactivated": ("UPDATE users SET is_active = false", 401, "not_signed_in"),
    "deleted": ("UPDATE users SET deleted_at = now()", 401, "not_signed_in"),
    "no agent any more": ("UPDATE users SET role = 'operator'", 403, "forbidden"),
    "away": ("UPDATE agents SET availability = 'away'", 409, "agent_away"),
}
POOLERS = pytest.mark.parametrize("pooler", ["none", "transaction"])


@pytest.fixture
def elsewhere(settings: Settings, pooler: str, ann: Any) -> Iterator[Callable[[], Any]]:
    """Ask for work as Ann, of another process that has served her before."""
    made = build_container(settings.model_copy(update={"database_pooler": pooler}))
    client: FlaskClient = create_app(made).test_client()
    header = {"Authorization": ann.environ_base["HTTP_AUTHORIZATION"]}
    yield lambda: client.post("/api/tickets/fetch", headers=header)
    made.close()


@POOLERS
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_effective_on_the_next_fetch_of_every_process(
    engine: Engine, elsewhere: Callable[[], Any], make_tickets: Callable[..., list[int]], change: str
) -> None:
    sql, status, code = CHANGES[change]
    ids = make_tickets(20)
    assert [ticket["id"] for ticket in elsewhere().get_json()["tickets"]] == ids[:15]
    with engine.begin() as connection:
        connection.execute(text(sql))
    refused = elsewhere()
    assert (refused.status_code, refused.get_json()["code"]) == (status, code)


@POOLERS
def test_what_was_taken_from_a_hand_is_not_in_the_next_answer(
    engine: Engine, elsewhere: Callable[[], Any], ann: Any, make_tickets: Callable[..., list[int]]
) -> None:
    ids = make_tickets(15)
    assert elsewhere().get_json()["assigned_now"] == 15
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET deleted_at = now() WHERE id = :id"), {"id": ids[3]})
    answer = elsewhere().get_json()
    assert [ticket["id"] for ticket in answer["tickets"]] == [*ids[:3], *ids[4:]]
    assert answer["held"] == 14
    held = ann.get("/api/tickets/held").get_json()
    assert (held["tickets"], held["held"]) == (answer["tickets"], 14)


def test_an_admin_and_an_operator_do_not_fetch(sign_in: Callable[..., FlaskClient]) -> None:
    for name, role in (("root", Role.ADMIN), ("olga", Role.OPERATOR)):
        assert sign_in(name, role).post("/api/tickets/fetch").status_code == 403
