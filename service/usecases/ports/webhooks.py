"""What webhooks need of the store and of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from service.domain.model import Cause, Page, TicketEvent
from service.domain.webhooks import Delivery, DeliveryState, Outcome, Verdict, Webhook
from service.usecases.ports.paging import PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDraft:
    """A webhook to create; without a secret, one is drawn."""

    url: str
    description: str = ""
    causes: tuple[Cause, ...] = ()
    is_active: bool = True
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChanges:
    """Fields of a webhook to change; None leaves one as it is."""

    url: str | None = None
    description: str | None = None
    causes: tuple[Cause, ...] | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send to one webhook, alone, until it runs out; `lease` tells it from those before and after."""

    webhook_id: int
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery: what to send where. `tries` counts from when it was last asked for."""

    turn: Turn
    delivery: Delivery
    events: tuple[TicketEvent, ...]
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    tries: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """How to go on after a try: with this delivery after `pause_s`, with the others of its webhook after `rest_s`."""

    verdict: Verdict
    pause_s: float = 0.0
    rest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFigures:
    """Deliveries by state, and how long the oldest that is still to be delivered has waited."""

    pending: int
    failed: int
    delivered: int
    disabled: int
    oldest_pending_s: float | None


class WebhookStore(Protocol):
    """Webhooks as records. Methods may raise `StoreUnavailable`; none returns a secret."""

    def create(self, draft: WebhookDraft, *, secret: str, created_by: int) -> Webhook:
        """Create a webhook; it is told of what is committed from now on."""

    def get(self, webhook_id: int) -> Webhook | None:
        """Read one."""

    def page(self, request: PageRequest) -> Page[Webhook]:
        """List them."""

    def update(self, webhook_id: int, changes: WebhookChanges) -> Webhook:
        """Change one; made active, it begins anew: with no failures, and with what is committed from now on.

        Raises `NotFound`.
        """

    def rotate(self, webhook_id: int, *, secret: str, keep_old_s: float) -> Webhook:
        """Replace the secret; the old one goes on signing beside it for a while. Raises `NotFound`."""

    def delete(self, webhook_id: int) -> None:
        """Remove a webhook and its deliveries. Raises `NotFound`."""


class DeliveryStore(Protocol):
    """Deliveries as records. Methods may raise `StoreUnavailable`."""

    def page(self, webhook_id: int, states: tuple[DeliveryState, ...], request: PageRequest) -> Page[Delivery]:
        """List a webhook's deliveries. Raises `NotFound` when there is no such webhook."""

    def get(self, webhook_id: int, delivery_id: int) -> tuple[Delivery, tuple[TicketEvent, ...]] | None:
        """Read one with what it tells of."""

    def ping(self, webhook_id: int) -> Delivery:
        """Add a delivery that tells of nothing. Raises `NotFound`, and `Conflict` while the webhook is not active."""

    def again(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Have a delivery sent now, whatever became of it. Raises as `ping` does."""

    def again_failed(self, webhook_id: int) -> int:
        """Have all that were given up sent now, and count them. Raises as `ping` does."""

    def figures(self) -> WebhookFigures:
        """Count."""


class Outbox(Protocol):
    """What is to be sent, and who sends it. Methods may raise `StoreUnavailable`."""

    def is_wanted(self) -> bool:
        """Say whether there is anything to spread or to send now."""

    def spread(self, *, limit: int) -> int:
        """Read the next lines of history, write down what is to be sent of them to whom, and count the lines."""

    def take_turn(self, *, lease_s: float) -> Turn | None:
        """Take a webhook for which something is due and nobody sends, the one served the longest ago."""

    def next_attempt(self, turn: Turn, *, lease_s: float) -> Attempt | None:
        """Begin the next try that is due, and count it; None when nothing is due or the turn has run out."""

    def settle(self, attempt: Attempt, outcome: Outcome, consequence: Consequence, *, disable_after: int) -> bool:
        """Write down what came of a try; False when somebody else has taken it up meanwhile."""

    def release(self, turn: Turn) -> None:
        """Let others have the webhook."""

    def prune(self, *, older_than_s: float) -> int:
        """Remove old deliveries, those that are still to be sent to an active webhook excepted, and count them."""


class Courier(Protocol):
    """The way to the receivers."""

    def check(self, url: str) -> None:
        """See that a URL leads to where messages may go. Raises `InvalidInput`."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post, and say what came of it. Never raises for anything the receiver or the network does."""
