"""Webhooks: who wants to be told of what, what was sent to them, and how to go on after a try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import backoff
from service.domain.model import Cause, TicketEvent

MAX_EVENTS = 50
"""Events in one delivery: with 400 bytes for each, a body stays below the 20 KB that Standard Webhooks recommends."""

EVENTS_TYPE = "ticket.events"
PING_TYPE = "ping"

GONE = 410
"""The status by which a receiver says that it wants to be told nothing more."""

LONGEST_PAUSE_S = 12 * 3600.0
"""The longest pause between two tries of one delivery."""
FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
"""The longest rest that a receiver is given after a failure, whatever else waits for it."""


class DeliveryKind(StrEnum):
    """Say what a delivery tells of."""

    EVENTS = "events"
    PING = "ping"


class DeliveryState(StrEnum):
    """Name the states of a delivery; `failed` means given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Somebody's wish to be told, at `url`, of events with one of these causes (none: all of them).

    `failures` counts the failed tries since the last that succeeded, `given_up` the deliveries given up since then.
    """

    id: int
    url: str
    description: str
    causes: tuple[Cause, ...]
    is_active: bool
    disabled_at: datetime | None
    disabled_why: str | None
    failures: int
    given_up: int
    failing_since: datetime | None
    delivered: int
    created_by: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to one webhook; `message_id` is what the receiver knows it by, the same at every try."""

    id: int
    message_id: UUID
    webhook_id: int
    kind: DeliveryKind
    event_ids: tuple[int, ...]
    state: DeliveryState
    attempts: int
    next_try_at: datetime | None
    last_tried_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_duration_ms: int | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one try: the receiver's status, or why there is none."""

    status: int | None
    error: str | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        """Say whether the receiver has taken the message."""
        return self.status is not None and 200 <= self.status < 300


class Verdict(StrEnum):
    """Say how to go on after a try."""

    DONE = "done"
    AGAIN = "again"
    GIVE_UP = "give_up"
    DISABLE = "disable"
    """Give up, and tell this receiver nothing more: it has said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How patient to be: `max_tries` of one delivery, the first pause, and how many given up in a row disable."""

    max_tries: int
    first_s: float
    disable_after: int

    def judge(self, outcome: Outcome, *, tries: int) -> Verdict:
        """Say how to go on after the given number of tries."""
        if outcome.is_success:
            return Verdict.DONE
        if outcome.status == GONE:
            return Verdict.DISABLE
        return Verdict.GIVE_UP if tries >= self.max_tries else Verdict.AGAIN

    def pause_s(self, *, tries: int, chance: float) -> float:
        """Say how long to wait before the next try of a delivery."""
        return backoff.pause_s(tries, first_s=self.first_s, longest_s=LONGEST_PAUSE_S, chance=chance)


def rest_s(*, failures: int, chance: float) -> float:
    """Say how long to leave a receiver alone after so many failures in a row."""
    return backoff.pause_s(failures, first_s=FIRST_REST_S, longest_s=LONGEST_REST_S, chance=chance)


def wants(causes: tuple[Cause, ...], event: TicketEvent) -> bool:
    """Say whether a webhook that asked for these causes is to be told of this event."""
    return not causes or event.cause in causes


def payload(delivery: Delivery, events: tuple[TicketEvent, ...]) -> dict[str, object]:
    """Write what the receiver is told, in the envelope of Standard Webhooks.

    Notes stay here: they are free text of any length about people; the receiver may ask for them.
    """
    told: dict[str, object] = {"delivery_id": delivery.message_id, "webhook_id": delivery.webhook_id}
    if delivery.kind is DeliveryKind.EVENTS:
        told["events"] = [_event(event) for event in events]
    kind = EVENTS_TYPE if delivery.kind is DeliveryKind.EVENTS else PING_TYPE
    return {"type": kind, "timestamp": delivery.created_at, "data": told}


def _event(event: TicketEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "ticket_id": event.ticket_id,
        "cause": event.cause,
        "actor_id": event.actor_id,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "agent_id": event.agent_id,
        "from_agent_id": event.from_agent_id,
        "priority": event.priority,
        "epoch": event.epoch,
        "at": event.at,
    }
