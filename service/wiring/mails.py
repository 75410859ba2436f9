"""The parts of the composition root that are about mails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from service.config import Settings
from service.domain.mail_rules import parse_sender
from service.mail.carriers import make_carrier
from service.mail.letters import Letters
from service.store.mails import PostgresMails
from service.store.notification_preferences import PostgresPreferences
from service.usecases.mailing import JOB, Mailing, Mails
from service.usecases.notification_preferences import NotificationPreferences
from service.usecases.ports.reconcile import JobQueue
from service.usecases.reconciliation.schedule import OnDemand


@dataclass(frozen=True, slots=True, kw_only=True)
class MailParts:
    """What the rest of the service needs of mails."""

    mails: Mails
    mailing: Mailing
    preferences: NotificationPreferences
    on_demand: OnDemand


def wire_mails(settings: Settings, *, engine: Engine, background_engine: Engine, jobs: JobQueue) -> MailParts:
    """Wire them; `jobs` leads to the workers that talk to other servers."""
    letters = Letters(
        sender=parse_sender(settings.mail_from), public_url=settings.public_url, now=lambda: datetime.now(UTC)
    )
    smtp_url = None if settings.smtp_url is None else settings.smtp_url.get_secret_value()
    carrier = make_carrier(smtp_url, settings.var_dir)
    mailing = Mailing(store=PostgresMails(background_engine), writer=letters, carrier=carrier, clock=time.monotonic)
    return MailParts(
        mails=Mails(store=PostgresMails(engine), writer=letters, carrier=carrier),
        mailing=mailing,
        preferences=NotificationPreferences(store=PostgresPreferences(engine)),
        on_demand=OnDemand(job=JOB, jobs=jobs, is_wanted=mailing.is_wanted),
    )
