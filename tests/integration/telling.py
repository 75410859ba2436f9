"""What the tests of webhooks share: webhooks that lead to a receiver here, and a service that may call it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from service.domain.model import Cause
from service.domain.webhook_targets import parse_allowed
from service.domain.webhooks import Retries, Webhook
from service.store.webhook_deliveries import PostgresDeliveries
from service.store.webhook_outbox import PostgresOutbox
from service.store.webhooks import PostgresWebhooks
from service.usecases.ports.webhooks import WebhookDraft
from service.usecases.webhook_sending import WebhookSending
from service.usecases.webhooks import Webhooks
from service.webhook_http import HttpCourier, write_json

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LONG_ENOUGH_S = 90.0
PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"

ADD = text("""
INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)
SELECT ticket_id, :cause, 'open', 0 FROM unnest(CAST(:ids AS bigint[])) AS ticket_id
""")

CALM = text("SELECT coalesce(max(xact) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM ticket_events")


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    end = time.monotonic() + LONG_ENOUGH_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.02)


def shown_on_the_page() -> Any:
    """Return the function by which the page tells receivers to verify."""
    code = re.search(r"```python verify\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    shown: dict[str, Any] = {}
    exec(code[1], shown)
    return shown["verify"]


verify = shown_on_the_page()


class Telling:
    """Webhooks on the real database, sent in this process by real HTTP."""

    def __init__(self, engine: Engine, *, timeout_s: float = 60.0, **patience: Any) -> None:
        self.engine = engine
        self.timeout_s = timeout_s
        self.outbox = PostgresOutbox(engine)
        self.courier = HttpCourier(allowed=parse_allowed("127.0.0.0/8"), timeout_s=timeout_s)
        self.webhooks = Webhooks(
            store=PostgresWebhooks(engine), deliveries=PostgresDeliveries(engine), courier=self.courier
        )
        self.retries = Retries(**({"max_tries": 16, "first_s": 1_000.0, "disable_after": 5} | patience))

    def sending(self, *, run_s: float = LONG_ENOUGH_S) -> WebhookSending:
        """Make a sender; it runs for as long as there is something to send, on a slow machine, too."""
        return WebhookSending(
            outbox=self.outbox, courier=self.courier, retries=self.retries, timeout_s=self.timeout_s, keep_days=14,
            write=write_json, clock=time.monotonic, now=lambda: datetime.now(UTC), chance=lambda: 0.5, run_s=run_s,
        )  # fmt: skip

    def hook(self, url: str, *causes: Cause, **values: Any) -> Webhook:
        """Create a webhook with a known secret."""
        with self.engine.begin() as connection:
            query = "INSERT INTO users (username, role, password_hash) VALUES ('h' || gen_random_uuid(), 'admin', '!')"
            actor_id = connection.execute(text(f"{query} RETURNING id")).scalar_one()
        draft = WebhookDraft(url=url, causes=causes, **({"secret": SECRET} | values))
        return self.webhooks.create(draft, actor_id=actor_id)[0]

    def happen(self, *ticket_ids: int, cause: Cause = Cause.CREATE) -> None:
        """Write lines of history in one transaction."""
        with self.engine.begin() as connection:
            connection.execute(ADD, {"ids": list(ticket_ids), "cause": cause.value})

    def calm(self) -> None:
        """Wait until all that was committed can be read: transactions of other tests on the server hold readers up."""

        def is_calm() -> bool:
            with self.engine.connect() as connection:
                return bool(connection.execute(CALM).scalar_one())

        until(is_calm, "calm")

    def send(self) -> int:
        """Send once all that was committed can be read."""
        self.calm()
        return self.sending().run()

    def now_due(self) -> None:
        """Let all pauses be over."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE webhooks SET resume_at = now()"))
            connection.execute(text("UPDATE webhook_deliveries SET next_try_at = now() WHERE state = 'pending'"))

    def has_failed(self, *, times: int) -> None:
        """Let tries have failed before."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE webhooks SET failures = :times"), {"times": times})

    def lease_runs_out(self) -> None:
        """Let whoever is sending be taken for dead."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE webhooks SET leased_until = now() WHERE leased_until IS NOT NULL"))

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Read."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values).all())

    def states(self) -> list[str]:
        """Read the states of all deliveries, in the order they were made."""
        return [row.state for row in self.rows("SELECT state FROM webhook_deliveries ORDER BY id")]


@contextmanager
def open_transaction(engine: Engine) -> Iterator[Any]:
    """Hold a transaction open that has written."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()
