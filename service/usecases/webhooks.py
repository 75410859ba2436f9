"""Keeping webhooks: who is to be told, and what became of it."""

from __future__ import annotations

from dataclasses import replace

from service.domain.errors import NotFound
from service.domain.model import Cause, Page, TicketEvent
from service.domain.webhook_signing import SECRET_RULE, is_secret, new_secret
from service.domain.webhooks import Delivery, DeliveryState, Webhook
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.webhooks import (
    Courier,
    DeliveryStore,
    WebhookChanges,
    WebhookDraft,
    WebhookFigures,
    WebhookStore,
)
from service.usecases.validation import Problems

MAX_DESCRIPTION = 200

OLD_SECRET_S = 24 * 3600.0
"""How long the secret before a rotation goes on signing: time to bring the new one to the receiver."""


class Webhooks:
    """Create, change and remove webhooks; look at deliveries, and have them sent again."""

    def __init__(self, *, store: WebhookStore, deliveries: DeliveryStore, courier: Courier) -> None:
        self._store = store
        self._deliveries = deliveries
        self._courier = courier

    def create(self, draft: WebhookDraft, *, actor_id: int) -> tuple[Webhook, str]:
        """Create a webhook, and return it with its secret, which is never told again. Raises `InvalidInput`."""
        problems = Problems()
        description = problems.text("description", draft.description, most=MAX_DESCRIPTION)
        secret = _secret(problems, draft.secret)
        problems.raise_any()
        self._courier.check(draft.url)
        wanted = replace(draft, description=description, causes=_each_once(draft.causes))
        return self._store.create(wanted, secret=secret, created_by=actor_id), secret

    def get(self, webhook_id: int) -> Webhook:
        """Read one webhook. Raises `NotFound`."""
        webhook = self._store.get(webhook_id)
        if webhook is None:
            raise NotFound(f"There is no webhook {webhook_id}")
        return webhook

    def page(self, request: PageRequest) -> Page[Webhook]:
        """List webhooks. Raises `InvalidInput` for a sort or a cursor that will not do."""
        return self._store.page(request)

    def update(self, webhook_id: int, changes: WebhookChanges) -> Webhook:
        """Change a webhook. Raises `NotFound`, `InvalidInput`."""
        problems = Problems()
        if changes.description is not None:
            description = problems.text("description", changes.description, most=MAX_DESCRIPTION)
            changes = replace(changes, description=description)
        problems.raise_any()
        self.get(webhook_id)
        if changes.url is not None:
            self._courier.check(changes.url)
        if changes.causes is not None:
            changes = replace(changes, causes=_each_once(changes.causes))
        return self._store.update(webhook_id, changes)

    def rotate(self, webhook_id: int, secret: str | None = None) -> tuple[Webhook, str]:
        """Give a webhook a new secret, and return both. Raises `NotFound`, `InvalidInput`."""
        problems = Problems()
        new = _secret(problems, secret)
        problems.raise_any()
        return self._store.rotate(webhook_id, secret=new, keep_old_s=OLD_SECRET_S), new

    def delete(self, webhook_id: int) -> None:
        """Remove a webhook with its deliveries. Raises `NotFound`."""
        self._store.delete(webhook_id)

    def deliveries(self, webhook_id: int, states: tuple[DeliveryState, ...], request: PageRequest) -> Page[Delivery]:
        """List a webhook's deliveries. Raises `NotFound`, `InvalidInput`."""
        return self._deliveries.page(webhook_id, states, request)

    def delivery(self, webhook_id: int, delivery_id: int) -> tuple[Delivery, tuple[TicketEvent, ...]]:
        """Read a delivery with what it tells of. Raises `NotFound`."""
        found = self._deliveries.get(webhook_id, delivery_id)
        if found is None:
            raise NotFound(f"Webhook {webhook_id} has no delivery {delivery_id}")
        return found

    def ping(self, webhook_id: int) -> Delivery:
        """Have a message sent that says nothing. Raises `NotFound`, and `Conflict` while the webhook is not active."""
        return self._deliveries.ping(webhook_id)

    def redeliver(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Have a delivery sent again, under the same message id. Raises as `ping` does."""
        return self._deliveries.again(webhook_id, delivery_id)

    def redeliver_failed(self, webhook_id: int) -> int:
        """Have all deliveries sent again that were given up, and count them. Raises as `ping` does."""
        return self._deliveries.again_failed(webhook_id)

    def figures(self) -> WebhookFigures:
        """Count deliveries. Raises `StoreUnavailable`."""
        return self._deliveries.figures()


def _secret(problems: Problems, given: str | None) -> str:
    if given is not None and not is_secret(given):
        problems.add("secret", SECRET_RULE)
    return new_secret() if given is None else given


def _each_once(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    return tuple(dict.fromkeys(causes))
