"""Who else is told of what happens to tickets."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.openapi import outcomes, resource
from service.api.schemas.webhooks import (
    DeliveryAnswer,
    DeliveryPage,
    DeliveryPath,
    DeliveryQuery,
    DeliveryWithPayloadAnswer,
    SecretInput,
    WebhookAnswer,
    WebhookInput,
    WebhookPage,
    WebhookPatch,
    WebhookPath,
    WebhookQuery,
    WebhookSecretAnswer,
    delivery_json,
    delivery_with_payload_json,
    secret_json,
    webhook_json,
)
from service.api.services import services
from service.domain.errors import Conflict, NotFound
from service.domain.model import Role
from service.domain.webhooks import Delivery

webhooks = resource("webhooks", "/api/webhooks", tag="Webhooks", about="Who else is told of what happens to tickets")


def _accepted(delivery: Delivery) -> Response:
    response = answers.answer(delivery_json(delivery), 202)
    response.headers["Location"] = f"/api/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}"
    return response


@webhooks.get("", responses=outcomes(200, WebhookPage))
@allow(Role.ADMIN)
def list_webhooks(query: WebhookQuery) -> Response:
    """List webhooks."""
    return answers.page(services().webhooks.page(query.request()), webhook_json)


@webhooks.post("", responses=outcomes(201, WebhookSecretAnswer))
@allow(Role.ADMIN)
def create_webhook(body: WebhookInput) -> Response:
    """Create a webhook: it is told of what is committed from now on. The answer alone tells its secret."""
    webhook, secret = services().webhooks.create(body.draft(), actor_id=caller().user_id)
    return answers.created(secret_json(webhook, secret), f"/api/webhooks/{webhook.id}")


@webhooks.get("/<id:webhook_id>", responses=outcomes(200, WebhookAnswer, NotFound))
@allow(Role.ADMIN)
def read_webhook(path: WebhookPath) -> Response:
    """Read a webhook: whether it is active, and how it fares."""
    return answers.answer(webhook_json(services().webhooks.get(path.webhook_id)))


@webhooks.patch("/<id:webhook_id>", responses=outcomes(200, WebhookAnswer, NotFound))
@allow(Role.ADMIN)
def change_webhook(path: WebhookPath, body: WebhookPatch) -> Response:
    """Change a webhook, or switch it off or on again."""
    return answers.answer(webhook_json(services().webhooks.update(path.webhook_id, body.changes())))


@webhooks.delete("/<id:webhook_id>", responses=outcomes(204, None, NotFound))
@allow(Role.ADMIN)
def delete_webhook(path: WebhookPath) -> Response:
    """Delete a webhook with all its deliveries."""
    services().webhooks.delete(path.webhook_id)
    return answers.nothing()


@webhooks.post("/<id:webhook_id>/secret", responses=outcomes(200, WebhookSecretAnswer, NotFound))
@allow(Role.ADMIN)
def rotate_webhook_secret(path: WebhookPath, body: SecretInput) -> Response:
    """Give a webhook a new secret, told in this answer alone. For a day, the old one signs too."""
    return answers.answer(secret_json(*services().webhooks.rotate(path.webhook_id, body.secret)))


@webhooks.post("/<id:webhook_id>/ping", responses=outcomes(202, DeliveryAnswer, NotFound, Conflict))
@allow(Role.ADMIN)
def ping_webhook(path: WebhookPath) -> Response:
    """Have a message sent that tells of nothing, to see whether it arrives."""
    return _accepted(services().webhooks.ping(path.webhook_id))


@webhooks.get("/<id:webhook_id>/deliveries", responses=outcomes(200, DeliveryPage, NotFound))
@allow(Role.ADMIN)
def list_deliveries(path: WebhookPath, query: DeliveryQuery) -> Response:
    """List a webhook's deliveries, the newest first. Sort keys: id, created_at."""
    found = services().webhooks.deliveries(path.webhook_id, tuple(query.state), query.request())
    return answers.page(found, delivery_json)


@webhooks.get(
    "/<id:webhook_id>/deliveries/<id:delivery_id>", responses=outcomes(200, DeliveryWithPayloadAnswer, NotFound)
)
@allow(Role.ADMIN)
def read_delivery(path: DeliveryPath) -> Response:
    """Read a delivery and what it says."""
    found = services().webhooks.delivery(path.webhook_id, path.delivery_id)
    return answers.answer(delivery_with_payload_json(*found))


@webhooks.post(
    "/<id:webhook_id>/deliveries/<id:delivery_id>/redeliver",
    responses=outcomes(202, DeliveryAnswer, NotFound, Conflict),
)
@allow(Role.ADMIN)
def redeliver(path: DeliveryPath) -> Response:
    """Have a delivery sent again, whatever became of it, under the same message id."""
    return _accepted(services().webhooks.redeliver(path.webhook_id, path.delivery_id))
