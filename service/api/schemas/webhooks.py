"""Webhooks and deliveries as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from service.api.schemas.fields import Flag, Id, Several, Text
from service.api.schemas.paging import PageAnswer, Paging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.domain.model import Cause, TicketEvent
from service.domain.webhook_signing import SECRET_RULE
from service.domain.webhooks import Delivery, DeliveryKind, DeliveryState, Webhook, payload
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.webhooks import WebhookChanges, WebhookDraft

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000),
    Field(description="http or https; must lead to public addresses, or to what WEBHOOK_ALLOW names"),
]
Secret = Annotated[str, StringConstraints(max_length=200), Field(description=f"{SECRET_RULE}; left out: one is drawn")]
Causes = Annotated[list[Cause], Field(max_length=len(Cause), description="What to be told of; empty: everything")]
Sort = Annotated[str, StringConstraints(pattern=r"^-?[a-z_]{1,40}$")]


class WebhookPath(Input):
    """Which webhook."""

    webhook_id: Id


class DeliveryPath(WebhookPath):
    """Which delivery of which webhook."""

    delivery_id: Id


class WebhookQuery(Paging):
    """Which page of the webhooks."""

    sort: Sort = Field(default="id", description="id, url or created_at; a leading `-` turns the order round")

    def request(self) -> PageRequest:
        """Say it in the use case's words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class DeliveryQuery(Paging):
    """Which deliveries to list, and which page of them."""

    state: Annotated[list[DeliveryState], Several] = Field(default_factory=list, description="Only these states")
    sort: Sort = Field(default="-id", description="id or created_at; a leading `-` turns the order round")

    def request(self) -> PageRequest:
        """Say it in the use case's words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class WebhookInput(Input):
    """A webhook to create."""

    model_config = documented(
        {"url": "https://example.com/hooks/tickets", "description": "Wallboard", "causes": ["sell", "resolve"]}
    )

    url: Url
    description: Text = ""
    causes: Causes = Field(default_factory=list)
    is_active: Flag = True
    secret: Secret | None = None

    def draft(self) -> WebhookDraft:
        """Say it in the use case's words."""
        return WebhookDraft(
            url=self.url,
            description=self.description,
            causes=tuple(self.causes),
            is_active=self.is_active,
            secret=self.secret,
        )


class WebhookPatch(Changes):
    """Fields of a webhook to change."""

    model_config = documented({"is_active": True})

    url: Url = ""
    description: Text = ""
    causes: Causes = Field(default_factory=list)
    is_active: Flag = Field(default=True, description="true begins anew, with what is committed from then on")

    def changes(self) -> WebhookChanges:
        """Say it in the use case's words."""
        given = self.given()
        return WebhookChanges(**given | ({"causes": tuple(self.causes)} if "causes" in given else {}))


class SecretInput(Input):
    """A new secret for a webhook."""

    model_config = documented({}, optional=True)

    secret: Secret | None = None


class WebhookAnswer(Answer):
    """A webhook. Its secret is told once, when it is made."""

    id: int
    url: str
    description: str
    causes: list[Cause]
    is_active: bool
    disabled_at: datetime | None
    disabled_why: str | None = Field(description="`switched off`, or what the service switched it off for")
    failures: int = Field(description="Tries that failed since the last that succeeded")
    given_up: int = Field(description="Deliveries given up since then")
    failing_since: datetime | None
    delivered: int = Field(description="Deliveries that succeeded")
    created_by: int | None
    created_at: datetime
    updated_at: datetime


class WebhookSecretAnswer(WebhookAnswer):
    """A webhook with its new secret."""

    secret: str = Field(description="Keep it: it is not told again")


class WebhookPage(PageAnswer):
    """One page of webhooks."""

    items: list[WebhookAnswer]


class DeliveryAnswer(Answer):
    """A message to a webhook's receiver."""

    id: int
    message_id: UUID = Field(description="What the receiver gets as `webhook-id`, the same at every try")
    webhook_id: int
    kind: DeliveryKind
    events: int = Field(description="How many events it tells of")
    state: DeliveryState = Field(description="`failed`: given up")
    attempts: int
    next_try_at: datetime | None
    last_tried_at: datetime | None
    last_status: int | None = Field(description="The receiver's answer to the last try; null if there was none")
    last_error: str | None
    last_duration_ms: int | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryWithPayloadAnswer(DeliveryAnswer):
    """A message with what it says."""

    payload: dict[str, Any] = Field(description="What is posted")


class DeliveryPage(PageAnswer):
    """One page of deliveries."""

    items: list[DeliveryAnswer]


def webhook_json(webhook: Webhook) -> dict[str, Any]:
    """Describe a webhook."""
    return {name: getattr(webhook, name) for name in WebhookAnswer.model_fields}


def secret_json(webhook: Webhook, secret: str) -> dict[str, Any]:
    """Describe a webhook whose secret was made just now."""
    return {**webhook_json(webhook), "secret": secret}


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """Describe a delivery."""
    return {
        name: len(delivery.event_ids) if name == "events" else getattr(delivery, name)
        for name in DeliveryAnswer.model_fields
    }


def delivery_with_payload_json(delivery: Delivery, events: Sequence[TicketEvent]) -> dict[str, Any]:
    """Describe a delivery and what it says."""
    return {**delivery_json(delivery), "payload": payload(delivery, tuple(events))}
