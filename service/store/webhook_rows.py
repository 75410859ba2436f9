"""Rows of webhooks and deliveries turned into the domain's nouns. Secrets are never among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.domain.model import Cause
from service.domain.webhooks import Delivery, DeliveryKind, DeliveryState, Webhook
from service.store.webhook_tables import webhook_deliveries, webhooks

_INNER = {"secret", "old_secret", "old_secret_until", "active_from", "resume_at", "served_at", "lease", "leased_until"}

WEBHOOK_COLUMNS = tuple(column for column in webhooks.columns if column.name not in _INNER)
"""What `webhook` reads, in the order of the table."""

DELIVERY_COLUMNS = tuple(column for column in webhook_deliveries.columns if column.name != "asked_at_attempt")
"""What `delivery` reads, in the order of the table."""

WEBHOOK_NAMES = ", ".join(column.name for column in WEBHOOK_COLUMNS)
DELIVERY_NAMES = ", ".join(column.name for column in DELIVERY_COLUMNS)


def webhook(row: Mapping[Any, Any]) -> Webhook:
    """Build a webhook from a row of `WEBHOOK_COLUMNS`."""
    return Webhook(**{**row, "causes": tuple(Cause(cause) for cause in row["causes"])})


def delivery(row: Mapping[Any, Any]) -> Delivery:
    """Build a delivery from a row of `DELIVERY_COLUMNS`."""
    return Delivery(
        **{
            **row,
            "kind": DeliveryKind(row["kind"]),
            "state": DeliveryState(row["state"]),
            "event_ids": tuple(row["event_ids"]),
        }
    )
