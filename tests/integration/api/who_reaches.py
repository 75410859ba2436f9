"""Whose business each thing of Ann's is: a row for every route that has its id in the path.

`root` is an admin, `olga` an operator, `ann` the agent whose things they are, `bob` another agent, who is in no row.
"""

from __future__ import annotations

READ = ("GET",)
CHANGE = ("PUT", "PATCH", "DELETE")
ALL = READ + CHANGE

TICKET = "/api/tickets/<id:ticket_id>"
AGENT = "/api/agents/<id:agent_id>"
USER = "/api/users/<id:user_id>"
CUSTOMER = "/api/customers/<id:customer_id>"
HOOK = "/api/webhooks/<id:webhook_id>"
DELIVERY = f"{HOOK}/deliveries/<id:delivery_id>"
MAIL = "/api/mails/<id:mail_id>"

BY_METHODS: list[tuple[str, tuple[str, ...], str]] = [
    # tickets: whoever has one works it, admins manage it, operators may look
    (TICKET, READ, "ann root olga"),
    *((f"{TICKET}/{what}", READ, "ann root olga") for what in ("explain", "history", "notes", "service-levels")),
    (TICKET, ("PUT", "PATCH"), "ann root"),
    (TICKET, ("DELETE",), "root"),
    (f"{TICKET}/notes", ("POST",), "ann root"),
    *((f"{TICKET}/{act}", ("POST",), "ann") for act in ("start", "resolve", "close", "release", "sell")),
    *((f"{TICKET}/{act}", ("POST",), "root") for act in ("assign", "return", "reopen")),
    ("/api/agent/sell-ticket/<id:ticket_id>", ("POST",), "ann"),
    ("/api/admin/tickets/<id:ticket_id>", ALL, "root"),
    # people: oneself, and admins
    (AGENT, ALL, "ann root"),
    (f"{AGENT}/history", READ, "ann root"),
    (f"{AGENT}/availability", ("POST",), "ann root"),
    (f"{AGENT}/return-tickets", ("POST",), "ann root"),
    (f"{AGENT}/reassign-tickets", ("POST",), "root"),
    ("/api/admin/agents/<id:agent_id>", ALL, "root"),
    (USER, ALL, "ann root"),
    (f"{USER}/notifications", ("GET", "PUT"), "ann root"),
    # what is admins' alone
    (CUSTOMER, ALL, "root"),
    (f"{CUSTOMER}/erase", ("POST",), "root"),
    ("/api/admin/customers/<id:customer_id>", ALL, "root"),
    (MAIL, READ, "root"),
    (f"{MAIL}/redeliver", ("POST",), "root"),
    ("/api/imports/<id:import_id>", READ, "root"),
    (HOOK, ("GET", "PATCH", "DELETE"), "root"),
    *((f"{HOOK}/{act}", ("POST",), "root") for act in ("secret", "ping")),
    (f"{HOOK}/deliveries", READ, "root"),
    (DELIVERY, READ, "root"),
    (f"{DELIVERY}/redeliver", ("POST",), "root"),
    # what operators watch
    ("/api/ops/reconciliations/<id:run_id>", READ, "root olga"),
    # the page
    ("/app/desk/tickets/<id:ticket_id>", ("GET", "POST"), "ann"),
    ("/app/tickets/<id:ticket_id>", ("GET", "POST"), "root"),
    ("/app/tickets/<id:ticket_id>/edit", ("GET", "POST"), "root"),
    ("/app/tickets/imports/<id:import_id>", READ, "root"),
    ("/app/agents/<id:agent_id>", READ, "root"),
    *((f"/app/agents/<id:agent_id>/{act}", ("GET", "POST"), "root") for act in ("edit", "reassign", "return")),
    ("/app/agents/<id:agent_id>/availability", ("POST",), "root"),
    ("/app/users/<id:user_id>", READ, "root"),
    *(
        (f"/app/users/<id:user_id>/{act}", ("GET", "POST"), "root")
        for act in ("edit", "deactivate", "delete", "password", "role")
    ),
    ("/app/users/<id:user_id>/activate", ("POST",), "root"),
    ("/app/customers/<id:customer_id>", READ, "root"),
    *((f"/app/customers/<id:customer_id>/{act}", ("GET", "POST"), "root") for act in ("edit", "delete")),
]

REACHED_BY: dict[tuple[str, str], frozenset[str]] = {
    (method, rule): frozenset(who.split()) for rule, methods, who in BY_METHODS for method in methods
}
