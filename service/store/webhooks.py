"""Webhooks as records: see `service.usecases.ports.webhooks.WebhookStore` for what each method promises."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, text, update

from service.domain.errors import NotFound
from service.domain.model import Page
from service.domain.webhooks import Webhook
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.rows import MAX_BIGINT, NOW, existing_id
from service.store.webhook_rows import WEBHOOK_COLUMNS, WEBHOOK_NAMES, webhook
from service.store.webhook_tables import webhooks
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.webhooks import WebhookChanges, WebhookDraft

SORT_KEYS = {"id": webhooks.c.id, "url": webhooks.c.url, "created_at": webhooks.c.created_at}

SWITCHED_OFF = "switched off"

# Once switched on, it begins anew; one that is on already stays as it is.
SWITCH_ON = text(f"""
UPDATE webhooks
SET is_active = true, active_from = pg_snapshot_xmin(pg_current_snapshot()), disabled_at = NULL, disabled_why = NULL,
    failures = 0, given_up = 0, failing_since = NULL, resume_at = now(), updated_at = now()
WHERE id = :id AND NOT is_active
RETURNING {WEBHOOK_NAMES}
""")  # noqa: S608 - the columns are our own names

SWITCH_OFF = text(f"""
UPDATE webhooks SET is_active = false, disabled_at = now(), disabled_why = :why, updated_at = now()
WHERE id = :id AND is_active
RETURNING {WEBHOOK_NAMES}
""")  # noqa: S608 - the columns are our own names

ROTATE = text(f"""
UPDATE webhooks
SET old_secret = secret, old_secret_until = now() + CAST(:keep_old_s AS double precision) * interval '1 second',
    secret = :secret, updated_at = now()
WHERE id = :id
RETURNING {WEBHOOK_NAMES}
""")  # noqa: S608 - the columns are our own names


class PostgresWebhooks:
    """Keep webhooks in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, draft: WebhookDraft, *, secret: str, created_by: int) -> Webhook:
        """Write a webhook."""
        values: dict[str, Any] = {
            "url": draft.url,
            "description": draft.description,
            "causes": [cause.value for cause in draft.causes],
            "secret": secret,
            "is_active": draft.is_active,
            "created_by": created_by,
        }
        if not draft.is_active:
            values |= {"disabled_at": NOW, "disabled_why": SWITCHED_OFF}
        with statement(self._engine) as connection:
            row = connection.execute(insert(webhooks).values(values).returning(*WEBHOOK_COLUMNS)).mappings().one()
        return webhook(row)

    def get(self, webhook_id: int) -> Webhook | None:
        """Read one webhook."""
        if not 1 <= webhook_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            query = select(*WEBHOOK_COLUMNS).where(webhooks.c.id == webhook_id)
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else webhook(row)

    def page(self, request: PageRequest) -> Page[Webhook]:
        """List webhooks by keyset."""
        with statement(self._engine) as connection:
            return keyset_page(
                connection,
                select=select(*WEBHOOK_COLUMNS),
                columns=SORT_KEYS,
                id_column=webhooks.c.id,
                request=request,
                build=lambda row: webhook(row._mapping),
            )

    def update(self, webhook_id: int, changes: WebhookChanges) -> Webhook:
        """Change the fields, then the switch, in one transaction."""
        values: dict[str, Any] = {
            name: value
            for name, value in (("url", changes.url), ("description", changes.description))
            if value is not None
        }
        if changes.causes is not None:
            values["causes"] = [cause.value for cause in changes.causes]
        if changes.url is not None:  # another place: what went wrong at the one before says nothing
            values |= {"failures": 0, "given_up": 0, "failing_since": None, "resume_at": NOW}
        with transaction(self._engine) as connection:
            change = (
                update(webhooks)
                .where(webhooks.c.id == existing_id(webhook_id, "webhook"))
                .values(**values, updated_at=func.now())
                .returning(*WEBHOOK_COLUMNS)
            )
            row = connection.execute(change).mappings().one_or_none()
            if row is None:
                raise NotFound(f"There is no webhook {webhook_id}")
            if changes.is_active is not None:
                switch = SWITCH_ON if changes.is_active else SWITCH_OFF.bindparams(why=SWITCHED_OFF)
                row = connection.execute(switch, {"id": webhook_id}).mappings().one_or_none() or row
        return webhook(row)

    def rotate(self, webhook_id: int, *, secret: str, keep_old_s: float) -> Webhook:
        """Keep the old secret beside the new one."""
        values = {"id": existing_id(webhook_id, "webhook"), "secret": secret, "keep_old_s": keep_old_s}
        with statement(self._engine) as connection:
            row = connection.execute(ROTATE, values).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no webhook {webhook_id}")
        return webhook(row)

    def delete(self, webhook_id: int) -> None:
        """Remove a webhook; the foreign key takes its deliveries along."""
        removal = delete(webhooks).where(webhooks.c.id == existing_id(webhook_id, "webhook"))
        with statement(self._engine) as connection:
            if not connection.execute(removal).rowcount:
                raise NotFound(f"There is no webhook {webhook_id}")
