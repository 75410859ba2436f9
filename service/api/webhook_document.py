"""The `webhooks` part of the OpenAPI 3.1 document: what receivers are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from service.api.schemas.shape import Answer
from service.domain.model import Cause, Priority, TicketStatus
from service.domain.webhooks import EVENTS_TYPE, MAX_EVENTS, PING_TYPE


class WebhookEvent(Answer):
    """One change of a ticket, as its history has it, without the note."""

    id: int
    ticket_id: int
    cause: Cause
    actor_id: int | None = Field(description="Who did it; null for the service itself")
    from_status: TicketStatus | None
    to_status: TicketStatus | None
    agent_id: int | None = Field(description="Who has the ticket afterwards; where it went back, who lost it")
    from_agent_id: int | None = Field(description="Who lost it, where it went from hand to hand")
    priority: Priority | None = Field(description="The priority this gave the ticket; null where that stayed")
    epoch: int = Field(description="Rises with every change of hands: of two events, the higher one is the later")
    at: datetime


class WebhookPing(Answer):
    """What every message says of itself."""

    delivery_id: UUID = Field(description="The same as `webhook-id`")
    webhook_id: int


class WebhookEvents(WebhookPing):
    """What one transaction changed."""

    events: list[WebhookEvent] = Field(max_length=MAX_EVENTS)


class EventsMessage(Answer):
    """Tells of what happened to tickets."""

    type: Literal["ticket.events"]
    timestamp: datetime
    data: WebhookEvents


class PingMessage(Answer):
    """Tells of nothing: somebody wants to see whether it arrives."""

    type: Literal["ping"]
    timestamp: datetime
    data: WebhookPing


_HEADERS = {
    "webhook-id": "The message's id, the same at every try: take each once",
    "webhook-timestamp": "When this try was made, seconds since 1970",
    "webhook-signature": "`v1,` and HMAC-SHA256 over `id.timestamp.body` in base64; several with spaces between",
}


def describe_webhooks(spec: dict[str, Any]) -> None:
    """Add them to the document."""
    messages: dict[str, type[Answer]] = {EVENTS_TYPE: EventsMessage, PING_TYPE: PingMessage}
    schemas = spec["components"]["schemas"]
    for model in messages.values():
        schema = dict(model.model_json_schema(ref_template="#/components/schemas/{model}"))
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    spec["webhooks"] = {name: {"post": _message(name, model)} for name, model in messages.items()}


def _message(name: str, model: type[Answer]) -> dict[str, Any]:
    return {
        "operationId": f"receive_{name.replace('.', '_')}",
        "tags": ["Webhooks"],
        "summary": (model.__doc__ or "").splitlines()[0],
        "parameters": [
            {"name": header, "in": "header", "required": True, "description": about, "schema": {"type": "string"}}
            for header, about in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        },
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "Tell this receiver nothing more: the webhook is switched off."},
            "default": {"description": "Not taken, redirects included: it is tried again."},
        },
    }
