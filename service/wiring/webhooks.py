"""The parts of the composition root that are about webhooks."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from service.config import Settings
from service.domain.webhooks import Retries
from service.store.webhook_deliveries import PostgresDeliveries
from service.store.webhook_outbox import PostgresOutbox
from service.store.webhooks import PostgresWebhooks
from service.usecases.ports.reconcile import JobQueue
from service.usecases.reconciliation.schedule import OnDemand
from service.usecases.webhook_sending import SEND_JOB, WebhookSending
from service.usecases.webhooks import Webhooks
from service.webhook_http import HttpCourier, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParts:
    """What the rest of the service needs of webhooks."""

    webhooks: Webhooks
    sending: WebhookSending
    on_demand: OnDemand


def wire_webhooks(settings: Settings, engine: Engine, jobs: JobQueue) -> WebhookParts:
    """Wire them; `jobs` leads to the workers that talk to other servers."""
    courier = HttpCourier(allowed=settings.webhook_allowed, timeout_s=settings.webhook_timeout_s)
    outbox = PostgresOutbox(engine)
    retries = Retries(
        max_tries=settings.webhook_max_tries,
        first_s=settings.webhook_retry_s,
        disable_after=settings.webhook_disable_after,
    )
    return WebhookParts(
        webhooks=Webhooks(store=PostgresWebhooks(engine), deliveries=PostgresDeliveries(engine), courier=courier),
        sending=WebhookSending(
            outbox=outbox,
            courier=courier,
            retries=retries,
            timeout_s=settings.webhook_timeout_s,
            keep_days=settings.webhook_keep_days,
            write=write_json,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            chance=random.SystemRandom().random,
        ),
        on_demand=OnDemand(job=SEND_JOB, jobs=jobs, is_wanted=outbox.is_wanted),
    )
