"""The customers of sales: found by their email addresses, created where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from service.usecases.ports.tickets import Buyer

# By lower(email), which is unique: two transactions that want several of the same customers take them in one order.
_FIND = text("""
SELECT id, lower(email) AS email FROM customers WHERE lower(email) = ANY (CAST(:emails AS text[]))
ORDER BY lower(email) FOR KEY SHARE
""")
_CREATE = text("""
INSERT INTO customers (name, email)
SELECT name, email FROM unnest(CAST(:names AS text[]), CAST(:emails AS text[])) AS w (name, email) ORDER BY email
ON CONFLICT (lower(email)) DO NOTHING RETURNING id, email
""")

_EMAILS = text("SELECT id, email FROM customers WHERE id = ANY (CAST(:ids AS bigint[]))")

ATTEMPTS = 5
"""How often `find_or_create` looks again while others create and delete the same customer."""


def find_or_create(connection: Connection, buyers: Iterable[Buyer]) -> Mapping[str, int]:
    """Return the ids of customers by their email addresses in lower case; where there is none, create them.

    Runs in the caller's transaction and keeps the customers from being deleted until it ends. A customer that keeps
    coming and going is left out.
    """
    names: dict[str, str] = {}
    for buyer in buyers:
        names.setdefault(buyer.email.lower(), buyer.name)
    found: dict[str, int] = {}
    for _ in range(ATTEMPTS):
        if missing := sorted(names.keys() - found.keys()):
            found |= {row.email: row.id for row in connection.execute(_FIND, {"emails": missing})}
        if missing := sorted(names.keys() - found.keys()):
            values = {"names": [names[email] for email in missing], "emails": missing}
            found |= {row.email: row.id for row in connection.execute(_CREATE, values)}
    return found


def emails(connection: Connection, customer_ids: Iterable[int]) -> Mapping[int, str]:
    """Read the email addresses of customers."""
    ids = sorted(customer_ids)
    return {row.id: row.email for row in connection.execute(_EMAILS, {"ids": ids})} if ids else {}
