"""Deliveries as records: see `service.usecases.ports.webhooks.DeliveryStore` for what each method promises."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, select, text

from service.domain.errors import Conflict, NotFound
from service.domain.model import Page, TicketEvent
from service.domain.webhooks import Delivery, DeliveryState
from service.store import rows
from service.store.archive_reads import lines_anywhere
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.tables import ticket_events
from service.store.webhook_rows import DELIVERY_COLUMNS, DELIVERY_NAMES, delivery
from service.store.webhook_tables import webhook_deliveries, webhooks
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.webhooks import WebhookFigures

SORT_KEYS = {"id": webhook_deliveries.c.id, "created_at": webhook_deliveries.c.created_at}

# Whoever asks for a delivery wants it now: the receiver's rest after failures ends with it.
ACTIVE = text("UPDATE webhooks SET resume_at = now() WHERE id = :webhook_id RETURNING is_active")

PING = text(
    f"INSERT INTO webhook_deliveries (webhook_id, kind) VALUES (:webhook_id, 'ping') RETURNING {DELIVERY_NAMES}"  # noqa: S608
)

_ASKED_FOR = "state = 'pending', next_try_at = now(), finished_at = NULL, asked_at_attempt = attempts"

AGAIN = text(f"""
UPDATE webhook_deliveries SET {_ASKED_FOR} WHERE webhook_id = :webhook_id AND id = :id RETURNING {DELIVERY_NAMES}
""")  # noqa: S608 - the columns are our own names

AGAIN_FAILED = text(
    f"UPDATE webhook_deliveries SET {_ASKED_FOR} WHERE webhook_id = :webhook_id AND state = 'failed'"  # noqa: S608
)

FIGURES = text("""
SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending') AS pending,
       (SELECT count(*) FROM webhook_deliveries WHERE state = 'failed') AS failed,
       (SELECT coalesce(sum(delivered), 0)::bigint FROM webhooks) AS delivered,
       (SELECT count(*) FROM webhooks WHERE NOT is_active AND disabled_why <> 'switched off') AS disabled,
       (SELECT extract(epoch FROM now() - min(d.created_at))::double precision
        FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
        WHERE d.state = 'pending' AND w.is_active) AS oldest_pending_s
""")


class PostgresDeliveries:
    """Keep deliveries in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, webhook_id: int, states: tuple[DeliveryState, ...], request: PageRequest) -> Page[Delivery]:
        """List by keyset."""
        rows.existing_id(webhook_id, "webhook")
        query = select(*DELIVERY_COLUMNS).where(webhook_deliveries.c.webhook_id == webhook_id)
        if states:
            query = query.where(webhook_deliveries.c.state.in_([state.value for state in states]))
        with statement(self._engine) as connection:
            if connection.execute(select(webhooks.c.id).where(webhooks.c.id == webhook_id)).one_or_none() is None:
                raise NotFound(f"There is no webhook {webhook_id}")
            return keyset_page(
                connection,
                select=query,
                columns=SORT_KEYS,
                id_column=webhook_deliveries.c.id,
                request=request,
                build=lambda row: delivery(row._mapping),
            )

    def get(self, webhook_id: int, delivery_id: int) -> tuple[Delivery, tuple[TicketEvent, ...]] | None:
        """Read the delivery, and its lines from the history."""
        if not (1 <= webhook_id <= rows.MAX_BIGINT and 1 <= delivery_id <= rows.MAX_BIGINT):
            return None
        query = select(*DELIVERY_COLUMNS).where(
            webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id
        )
        with statement(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else (delivery(row), events_of(connection, row["event_ids"]))

    def ping(self, webhook_id: int) -> Delivery:
        """Write a delivery."""
        with transaction(self._engine) as connection:
            _see_that_it_is_active(connection, webhook_id)
            return delivery(connection.execute(PING, {"webhook_id": webhook_id}).mappings().one())

    def again(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Make the delivery due."""
        values = {"webhook_id": webhook_id, "id": rows.existing_id(delivery_id, "delivery")}
        with transaction(self._engine) as connection:
            _see_that_it_is_active(connection, webhook_id)
            row: RowMapping | None = connection.execute(AGAIN, values).mappings().one_or_none()
            if row is None:
                raise NotFound(f"Webhook {webhook_id} has no delivery {delivery_id}")
            return delivery(row)

    def again_failed(self, webhook_id: int) -> int:
        """Make all of them due."""
        with transaction(self._engine) as connection:
            _see_that_it_is_active(connection, webhook_id)
            return connection.execute(AGAIN_FAILED, {"webhook_id": webhook_id}).rowcount

    def figures(self) -> WebhookFigures:
        """Count by two partial indexes; what was delivered is counted as it happens."""
        with statement(self._engine) as connection:
            return WebhookFigures(**connection.execute(FIGURES).mappings().one())


def events_of(connection: Connection, event_ids: list[int]) -> tuple[TicketEvent, ...]:
    """Read lines of history, in the order of their ids."""
    if not event_ids:
        return ()
    query: Any = select(*rows.EVENT_COLUMNS).where(ticket_events.c.id.in_(event_ids)).order_by(ticket_events.c.id)
    found = connection.execute(query).mappings().all()
    if len(found) < len(set(event_ids)):  # what is sent again after long may be archived by now
        lines = lines_anywhere(lambda events: events.id.in_(event_ids))
        found = connection.execute(select(lines).order_by(lines.c.id)).mappings().all()
    return tuple(rows.event(row) for row in found)


def _see_that_it_is_active(connection: Connection, webhook_id: int) -> None:
    values = {"webhook_id": rows.existing_id(webhook_id, "webhook")}
    is_active = connection.execute(ACTIVE, values).scalar_one_or_none()
    if is_active is None:
        raise NotFound(f"There is no webhook {webhook_id}")
    if not is_active:
        raise Conflict(f"Webhook {webhook_id} is not active; set is_active to true first")
