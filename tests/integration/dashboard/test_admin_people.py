"""Admins, users and customers: created, changed, deactivated, deleted; each loss is told in numbers first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.errors import NotFound
from service.domain.model import Role
from service.usecases.ports.people import CustomerDraft
from service.usecases.ports.tickets import Buyer
from tests.integration.dashboard.visitor import PASSWORD, Visitor

Visit = Callable[..., Visitor]
OTHER = "Another-horse-8"


def names(seen: Visitor) -> list[str]:
    """List what the table shows in its order."""
    return re.findall(r'<td class="name"><a href="[^"]+">([^<]+)</a>', seen.text)


@pytest.fixture
def busy(ann: int, tickets: Any, container: Any) -> int:
    """Give ann two tickets."""
    tickets(2)
    container.assignments.fetch(ann)
    return ann


def test_users_are_listed_searched_and_filtered(visitor: Visit, root: int, ann: int, person: Any) -> None:
    person("olga", Role.OPERATOR)
    seen = visitor("root").get("/app/users")
    assert names(seen) == ["ann", "olga", "root"]
    assert names(seen.get("/app/users?role=operator")) == ["olga"]
    assert names(seen.get("/app/users?q=ROO")) == ["root"]
    assert names(seen.get("/app/users?sort=-username&active=yes")) == ["root", "olga", "ann"]
    assert "No user is like that" in seen.get("/app/users?active=no").text


def test_a_user_is_created_and_changed(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get("/app/users/new")
    fields = {"username": "olga", "password": PASSWORD, "repeated": PASSWORD}
    seen.send("/app/users/new", **{**fields, "password": "weak", "repeated": "weak"}, role="operator")
    assert seen.status == 400
    assert "must contain a digit" in seen.text
    assert 'value="olga"' in seen.text
    assert "weak" not in seen.text
    seen.send("/app/users/new", **fields, role="")
    assert "New role" not in seen.text
    assert "Role must be one of" in seen.text
    seen.send("/app/users/new", **fields, role="operator")
    assert "User olga is created and can sign in." in seen.text
    edit = f"{seen.path}/edit"
    seen.get(edit).send(edit, username="root")
    assert "Username is taken already" in seen.text
    seen.send(edit, username="olga2", phone="+49 30 1")
    assert "olga2 is changed." in seen.text
    assert visitor("olga2").path != "/app/sign-in"


def test_a_new_password_ends_the_sessions_and_is_never_shown(visitor: Visit, root: int, ann: int) -> None:
    elsewhere, seen = visitor("ann"), visitor("root")
    path = f"/app/users/{ann}/password"
    seen.get(path).send(path, password=OTHER, repeated="no")
    assert (seen.status, OTHER in seen.text) == (400, False)
    seen.send(path, password=OTHER, repeated=OTHER)
    assert seen.path == f"/app/agents/{ann}"
    assert "ann has a new password, and is signed out everywhere." in seen.text
    assert elsewhere.get("/app/desk").path.startswith("/app/sign-in")
    assert visitor().sign_in("ann", OTHER).path == "/app/desk"


def test_deactivating_tells_what_is_lost_and_empties_the_hand(
    visitor: Visit, root: int, busy: int, container: Any
) -> None:
    agent, seen = visitor("ann"), visitor("root")
    path = f"/app/users/{busy}/deactivate"
    assert "2 tickets go from ann's hand back to their places in the queue." in seen.get(path).text.replace(
        "&#39;", "'"
    )
    assert container.users.get(busy).is_active
    assert "ann is deactivated now." in seen.send(path).text
    assert container.agents.get(busy).held == 0
    assert agent.get("/app/desk").path.startswith("/app/sign-in")
    assert "ann is active now." in seen.send(f"/app/users/{busy}/activate").text


def test_another_role_empties_the_hand(visitor: Visit, root: int, busy: int, container: Any) -> None:
    path = f"/app/users/{busy}/role"
    seen = visitor("root").get(path)
    assert "2 tickets go from" in seen.text
    assert "ann is an operator now." in seen.send(path, role="operator").text
    assert container.users.get(busy).role is Role.OPERATOR


def test_deleting_tells_what_is_lost(visitor: Visit, root: int, busy: int, container: Any) -> None:
    path = f"/app/users/{busy}/delete"
    seen = visitor("root").get(path)
    assert "1 user is deleted, which cannot be undone." in seen.text
    assert "2 tickets go from" in seen.text
    assert "ann is deleted." in seen.send(path).text
    with pytest.raises(NotFound):
        container.users.get(busy)
    assert seen.get("/app/tickets?status=open").text.count('name="ticket"') == 2


@pytest.mark.parametrize("act", ["deactivate", "delete"])
def test_the_last_admin_stays(visitor: Visit, root: int, act: str, container: Any) -> None:
    path = f"/app/users/{root}/{act}"
    seen = visitor("root").get(path)
    assert "that is you" in seen.text
    assert "last active admin" in seen.send(path).text
    seen.get(f"/app/users/{root}/role").send(f"/app/users/{root}/role", role="agent")
    assert (seen.status, "last active admin" in seen.text) == (400, True)
    assert container.users.get(root).is_active


def test_customers_are_created_changed_and_found(visitor: Visit, root: int) -> None:
    seen = visitor("root").get("/app/customers")
    assert "There are no customers yet" in seen.text
    seen.get("/app/customers/new").send("/app/customers/new", name=" ", email="kim")
    assert seen.status == 400
    assert 'value="kim"' in seen.text
    assert "must look like name@example.com" in seen.text
    seen.send("/app/customers/new", name="Kim", email="Kim@Example.com")
    assert "Customer Kim is created." in seen.text
    path = seen.path
    seen.get("/app/customers/new").send("/app/customers/new", name="Other", email="kim@example.com")
    assert "Email is taken already" in seen.text
    assert "Customer Kimberley is changed." in seen.get(f"{path}/edit").send(f"{path}/edit", name="Kimberley").text
    assert names(seen.get("/app/customers?q=kimb")) == ["Kimberley"]
    assert names(seen.get("/app/customers?q=zz")) == []


def test_a_customer_of_sales_is_kept_and_others_are_deleted(
    visitor: Visit, root: int, busy: int, container: Any
) -> None:
    held = container.assignments.held(busy).tickets[0]
    sold = container.lifecycle.sell(busy, held.id, Buyer(name="Kim", email="kim@example.com"))
    other = container.customers.create(CustomerDraft(name="Lee", email="lee@example.com"))
    seen = visitor("root").get(f"/app/customers/{sold.customer_id}")
    assert held.subject in seen.text
    seen.get(f"/app/customers/{sold.customer_id}/delete")
    assert "1 ticket was sold to Kim, so they cannot be deleted" in seen.text
    form = seen.get(f"/app/customers/{other.id}/delete").filled(f"/app/customers/{other.id}/delete", None, {})
    assert "has bought 1 ticket" in seen.post(f"/app/customers/{sold.customer_id}/delete", form).text
    path = f"/app/customers/{other.id}/delete"
    assert "Customer Lee is deleted." in seen.get(path).send(path).text
