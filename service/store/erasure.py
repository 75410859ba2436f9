"""Customers' personal data, erased: see `service.usecases.ports.erasure` for what each method promises."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, bindparam, func, select, text

from service.store.engine import statement, transaction
from service.store.rows import MAX_BIGINT
from service.store.tables import customers
from service.usecases.ports.erasure import Erasure

_BY_EMAIL = select(customers.c.id).where(func.lower(customers.c.email) == func.lower(bindparam("wanted")))

LOCK = text("SELECT name, email FROM customers WHERE id = :id FOR UPDATE")

TICKETS = text("""
SELECT (SELECT count(*) FROM tickets WHERE customer_id = :id)
     + (SELECT count(*) FROM archived_tickets WHERE customer_id = :id)
""")

# The domain `invalid` leads nowhere, by RFC 2606. The id keeps the address unique.
PSEUDONYM = text("""
UPDATE customers SET name = 'Erased customer', email = 'erased-' || id || '@erased.invalid', updated_at = now()
WHERE id = :id
""")

# By the id's order, as everywhere where several tickets are locked.
TEXTS = text("""
WITH theirs AS (SELECT id FROM tickets WHERE customer_id = :id ORDER BY id FOR NO KEY UPDATE)
UPDATE tickets SET subject = 'Erased', description = ''
WHERE id IN (SELECT id FROM theirs) AND (subject <> 'Erased' OR description <> '')
""")

ARCHIVED_TEXTS = text("""
UPDATE archived_tickets SET subject = 'Erased', description = ''
WHERE customer_id = :id AND (subject <> 'Erased' OR description <> '')
""")

REPLIES = text("""
UPDATE idempotency_keys
SET body = convert_to(replace(replace(convert_from(body, 'UTF8'), to_json(CAST(:email AS text))::text, :new_email),
                              to_json(CAST(:name AS text))::text, '"Erased customer"'), 'UTF8')
WHERE body IS NOT NULL AND position(convert_to(to_json(CAST(:email AS text))::text, 'UTF8') in body) > 0
""")

# Their address is looked for: a name may be anybody's.
KEPT = text("""
SELECT (SELECT count(*) FROM tickets
        WHERE position(lower(:email) in lower(subject)) > 0 OR position(lower(:email) in lower(description)) > 0)
     + (SELECT count(*) FROM archived_tickets
        WHERE position(lower(:email) in lower(subject)) > 0 OR position(lower(:email) in lower(description)) > 0)
     + (SELECT count(*) FROM ticket_events WHERE note <> '' AND position(lower(:email) in lower(note)) > 0)
     + (SELECT count(*) FROM archived_ticket_events WHERE note <> '' AND position(lower(:email) in lower(note)) > 0)
""")

PATIENCE = text("SET LOCAL statement_timeout = '10min'")


class PostgresErasure:
    """Erase in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def customer_of(self, email: str) -> int | None:
        """Look by the index on emails."""
        with statement(self._engine) as connection:
            found: int | None = connection.execute(_BY_EMAIL, {"wanted": email}).scalar_one_or_none()
        return found

    def erase(self, customer_id: int, *, texts: bool, dry_run: bool) -> Erasure | None:
        """Lock the customer first: a sale to them waits, and then finds nobody of that address.

        So the archiver, who passes over customers that are locked, moves none of their tickets meanwhile.
        """
        if not 1 <= customer_id <= MAX_BIGINT:
            return None
        with transaction(self._engine) as connection:
            connection.execute(PATIENCE)
            erasure = _erase(connection, customer_id, texts=texts, dry_run=dry_run)
            if dry_run:
                connection.rollback()
        return erasure


def _erase(connection: Connection, customer_id: int, *, texts: bool, dry_run: bool) -> Erasure | None:
    known = {"id": customer_id}
    person = connection.execute(LOCK, known).one_or_none()
    if person is None:
        return None
    replaced = {"email": person.email, "name": person.name, "new_email": f'"erased-{customer_id}@erased.invalid"'}
    tickets = connection.execute(TICKETS, known).scalar_one()
    emptied = sum(connection.execute(each, known).rowcount for each in (TEXTS, ARCHIVED_TEXTS)) if texts else 0
    replies = connection.execute(REPLIES, replaced).rowcount
    connection.execute(PSEUDONYM, known)
    return Erasure(
        customer_id=customer_id,
        tickets=tickets,
        texts=emptied,
        replies=replies,
        kept_texts=connection.execute(KEPT, {"email": person.email}).scalar_one(),
        dry_run=dry_run,
    )
