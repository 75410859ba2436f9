"""One working example of every operation of the API, in an order in which they work.

Each step may use what an earlier one has kept, as `{{name}}`; no name is kept twice. Addresses, methods and
descriptions come from the OpenAPI document: see `scripts/render_requests.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASSWORD = "Deal-me-in-1"  # noqa: S105 - of nobody
NOW = "{{$timestamp}}"
"""Postman and the editors' clients put the time there: names are taken once."""

TICKETS_CSV = "subject,priority\n" + "".join(f"Printer {n} is on fire,medium\n" for n in range(1, 21))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request: `keep` names what later steps use of its answer, by a path like `tickets[0].id`."""

    operation: str
    by: str = "admin"
    title: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    keep: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    why: str = ""
    """Why an answer other than 2xx is to be expected."""


def step(operation: str, body: Any = None, **values: Any) -> Step:
    """Write a step down."""
    return Step(operation=operation, body=body, **values)


def _ticket(name: str) -> dict[str, str]:
    return {"ticket_id": f"{{{{{name}}}}}"}


def _the(name: str) -> dict[str, str]:
    return {name: f"{{{{{name}}}}}"}


SESSION = (
    step("read_alive", by="nobody"),
    step("read_ready", by="nobody"),
    step(
        "sign_in",
        {"username": "{{admin_username}}", "password": "{{admin_password}}"},
        by="nobody",
        title="Sign in as admin",
        keep={"admin_token": "access", "first_refresh_token": "refresh"},
    ),
    step(
        "refresh_tokens",
        {"refresh": "{{first_refresh_token}}"},
        by="nobody",
        keep={"refresh_token": "refresh"},
    ),
    step("read_me"),
)

PEOPLE = (
    step(
        "create_user",
        {"username": f"olga-{NOW}", "password": PASSWORD, "role": "operator", "first_name": "Olga"},
        keep={"user_id": "id", "operator_username": "username"},
        status=201,
    ),
    step(
        "sign_in",
        {"username": "{{operator_username}}", "password": PASSWORD},
        by="nobody",
        title="Sign in as operator",
        keep={"operator_token": "access"},
    ),
    step("list_users", query={"role": "operator", "limit": "10"}),
    step("read_user", path=_the("user_id")),
    step("change_user", {"last_name": "Petrova"}, path=_the("user_id")),
    step(
        "replace_user",
        {"username": "{{operator_username}}", "role": "operator", "first_name": "Olga", "last_name": "Petrova"},
        path=_the("user_id"),
    ),
    step(
        "create_agent",
        {"username": f"ann-{NOW}", "password": PASSWORD, "level": "senior"},
        keep={"agent_id": "id", "agent_username": "username"},
        status=201,
    ),
    step(
        "create_agent",
        {"username": f"ben-{NOW}", "password": PASSWORD, "level": "senior"},
        title="Create a colleague",
        keep={"colleague_id": "id"},
        status=201,
    ),
    step(
        "sign_in",
        {"username": "{{agent_username}}", "password": PASSWORD},
        by="nobody",
        title="Sign in as agent",
        keep={"agent_token": "access"},
    ),
    step("list_agents", query={"availability": "available"}),
    step("read_agent", path=_the("agent_id")),
    step("change_agent", {"capacity": 12}, path=_the("agent_id")),
    step("replace_agent", {"username": "{{agent_username}}", "level": "senior"}, path=_the("agent_id")),
    step("set_availability", {"availability": "available"}, path=_the("agent_id"), by="agent"),
    step("change_password", {"old_password": PASSWORD, "new_password": "Deal-me-in-2"}, by="agent", status=204),
    step("create_customer", {"name": "Kim", "email": f"kim-{NOW}@example.com"}, keep={"customer_id": "id"}, status=201),
    step("list_customers", query={"q": "Kim"}),
    step("read_customer", path=_the("customer_id")),
    step("change_customer", {"name": "Kim Lee"}, path=_the("customer_id")),
    step("erase_customer", {"dry_run": True}, path=_the("customer_id")),
    step("replace_customer", {"name": "Kim Lee", "email": f"kim.lee-{NOW}@example.com"}, path=_the("customer_id")),
)

TICKETS = (
    step("import_tickets", TICKETS_CSV, query={"format": "csv"}, content_type="text/csv"),
    step("list_imports"),
    step(
        "read_import",
        path={"import_id": "999999999"},
        status=404,
        why="Only files too large to be taken in at once get an import to look at",
    ),
    step("export_tickets", query={"status": "open", "format": "csv"}),
    step(
        "create_ticket",
        {"subject": "Screen stays dark", "description": "Since this morning", "priority": "high"},
        keep={"ticket_id": "id"},
        status=201,
    ),
    step("list_tickets", query={"status": "open", "limit": "10"}),
    step("read_ticket", path=_the("ticket_id")),
    step("change_ticket", {"priority": "medium"}, path=_the("ticket_id")),
    step("replace_ticket", {"subject": "Screen stays dark", "priority": "high"}, path=_the("ticket_id")),
    step("prioritise_tickets", {"ticket_ids": ["{{ticket_id}}"], "priority": "high"}),
    step("add_note", {"note": "Customer called again"}, path=_the("ticket_id"), status=201),
    step("list_notes", path=_the("ticket_id")),
    step("read_history", path=_the("ticket_id")),
    step("explain_ticket", path=_the("ticket_id")),
    step("read_service_levels", path=_the("ticket_id")),
    step(
        "fetch_tickets",
        {"limit": 8},
        by="agent",
        keep={f"held_{n}": f"tickets[{n}].id" for n in range(8)},
    ),
    step("list_held", by="agent"),
    step("start_ticket", path=_ticket("held_0"), by="agent"),
    step("resolve_ticket", path=_ticket("held_0"), by="agent"),
    step("close_ticket", path=_ticket("held_0"), by="agent"),
    step("reopen_ticket", {"reason": "Not solved"}, path=_ticket("held_0")),
    step("assign_ticket", {"agent_id": "{{colleague_id}}"}, path=_ticket("held_0")),
    step("return_ticket", {"reason": "Wrong team"}, path=_ticket("held_0")),
    step("release_ticket", {"reason": "Not my language"}, path=_ticket("held_1"), by="agent"),
    step(
        "sell_ticket",
        {"customer": {"name": "Kim", "email": "kim@example.com"}},
        path=_ticket("held_2"),
        by="agent",
    ),
    step(
        "sell_tickets",
        {"sales": [{"ticket_id": "{{held_3}}", "customer": {"name": "Kim", "email": "kim@example.com"}}]},
        by="agent",
    ),
    step("assign_tickets", {"assignments": [{"ticket_id": "{{held_1}}", "agent_id": "{{colleague_id}}"}]}),
    step("reassign_tickets", {"to_agent_id": "{{colleague_id}}", "dry_run": True}, path=_the("agent_id")),
    step("return_tickets", {"reason": "End of shift", "dry_run": True}, path=_the("agent_id")),
    step("read_agent_history", path=_the("agent_id"), query={"limit": "10"}),
)

OPERATIONS = (
    step("read_queue", by="operator"),
    step("read_dispatch", by="operator"),
    step("check_invariants", by="operator", query={"at_rest": "false"}),
    step("start_reconciliation", {"tier": "full", "dry_run": True}, by="operator", keep={"run_id": "id"}, status=202),
    step("list_reconciliations", by="operator", query={"limit": "5"}),
    step("read_reconciliation", path=_the("run_id"), by="operator"),
    step("read_metrics", by="nobody"),
)

MESSAGES = (
    step("read_own_notifications", by="agent"),
    step("replace_own_notifications", {"fetched": True}, by="agent"),
    step("read_notifications", path={"user_id": "{{agent_id}}"}),
    step("replace_notifications", {"assigned": True, "fetched": False}, path={"user_id": "{{agent_id}}"}),
    step("list_mails", query={"limit": "10"}),
    step("read_mail", path={"mail_id": "999999999"}, status=404, why="An id of `list_mails`, if there is one"),
    step("redeliver_mail", path={"mail_id": "999999999"}, status=404, why="An id of `list_mails`, if there is one"),
    step(
        "create_webhook",
        {"url": "{{webhook_url}}", "causes": ["sell"], "description": "Tells the shop of sales"},
        keep={"webhook_id": "id"},
        status=201,
    ),
    step("list_webhooks"),
    step("read_webhook", path=_the("webhook_id")),
    step("change_webhook", {"description": "Tells the shop"}, path=_the("webhook_id")),
    step("rotate_webhook_secret", {}, path=_the("webhook_id")),
    step("ping_webhook", path=_the("webhook_id"), keep={"delivery_id": "id"}, status=202),
    step("list_deliveries", path=_the("webhook_id")),
    step("read_delivery", path=_the("webhook_id") | _the("delivery_id")),
    step(
        "redeliver",
        path=_the("webhook_id") | _the("delivery_id"),
        status=202,
    ),
    step("delete_webhook", path=_the("webhook_id"), status=204),
)

OLDER_CLIENTS = (
    step(
        "get_token",
        {"username": "{{admin_username}}", "password": "{{admin_password}}"},
        by="nobody",
        keep={"long_lived_token": "token"},
    ),
    step("fetch_tickets_by_get", by="agent"),
    step("fetch_tickets_as_list", {}, by="agent"),
    step("sell_tickets_by_id", {"ticket_ids": ["{{held_4}}"]}, by="agent"),
    step("list_assignments", by="agent"),
    step("set_assignment_status", {"ticket_id": "{{held_5}}", "status": "resolved"}, by="agent"),
    step("fetch_project_tickets", by="agent"),
    step("sell_project_ticket", {"customer": {"name": "Kim", "email": "kim@example.com"}}, path=_ticket("held_6"),
         by="agent"),
    step("create_project_customer", {"name": "Ada", "email": f"ada-{NOW}@example.com"}, keep={"their_customer": "id"},
         status=201),
    step("list_project_customers"),
    step("read_project_customer", path={"customer_id": "{{their_customer}}"}),
    step("change_project_customer", {"name": "Ada King"}, path={"customer_id": "{{their_customer}}"}),
    step("replace_project_customer", {"name": "Ada King", "email": f"ada.king-{NOW}@example.com"},
         path={"customer_id": "{{their_customer}}"}),
    step("delete_project_customer", path={"customer_id": "{{their_customer}}"}, status=204),
    step("create_project_ticket", {"subject": "Keyboard is sticky"}, keep={"their_ticket": "id"}, status=201),
    step("list_project_tickets"),
    step("read_project_ticket", path=_ticket("their_ticket")),
    step("change_project_ticket", {"assigned_to": "{{colleague_id}}"}, path=_ticket("their_ticket")),
    step("replace_project_ticket", {"subject": "Keyboard is very sticky", "status": "unassigned"},
         path=_ticket("their_ticket")),
    step("delete_project_ticket", path=_ticket("their_ticket"), status=204),
    step("create_project_agent", {"username": f"zoe-{NOW}", "password": PASSWORD},
         keep={"their_agent": "id", "their_name": "username"}, status=201),
    step("list_project_agents"),
    step("read_project_agent", path={"agent_id": "{{their_agent}}"}),
    step("change_project_agent", {"email": f"zoe-{NOW}@example.com"}, path={"agent_id": "{{their_agent}}"}),
    step("replace_project_agent", {"username": "{{their_name}}", "is_active": True},
         path={"agent_id": "{{their_agent}}"}),
    step("delete_project_agent", path={"agent_id": "{{their_agent}}"}, status=204),
)  # fmt: skip

TIDYING = (
    step("delete_ticket", path=_the("ticket_id"), status=204),
    step("delete_customer", path=_the("customer_id"), status=204),
    step("delete_agent", path={"agent_id": "{{colleague_id}}"}, status=204),
    step("delete_user", path=_the("user_id"), status=204),
    step("sign_out", {"refresh": "{{refresh_token}}"}, by="nobody", status=204),
)

TOUR: tuple[Step, ...] = (*SESSION, *PEOPLE, *TICKETS, *OPERATIONS, *MESSAGES, *OLDER_CLIENTS, *TIDYING)

VARIABLES = {
    "base_url": "http://127.0.0.1:8000",
    "admin_username": "admin",
    "admin_password": "",
    "webhook_url": "https://example.com/fairdeal",
}
"""What a reader fills in."""
