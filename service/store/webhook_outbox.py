"""What is to be sent, and who sends it: see `service.usecases.ports.webhooks.Outbox` for what each method promises.

The clock is PostgreSQL's. Rows are found by comparing with `now()`, which an index can do; each statement commits by
itself, so that it is the present moment. Whoever locks a webhook and its deliveries locks the webhook first.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, text

from service.domain.model import Cause
from service.domain.webhooks import MAX_EVENTS, DeliveryState, Outcome, Verdict, wants
from service.store import event_feed
from service.store.engine import statement, transaction
from service.store.event_feed import Transaction
from service.store.webhook_deliveries import events_of
from service.store.webhook_rows import DELIVERY_COLUMNS, delivery
from service.usecases.ports.webhooks import Attempt, Consequence, Turn

READER = "webhooks"

PRUNED_AT_ONCE = 5_000

# From where on anybody wants to be told; when nobody does, from what is still to be committed.
NEEDED_FROM = text("""
SELECT CAST(coalesce((SELECT active_from FROM webhooks WHERE is_active ORDER BY active_from LIMIT 1),
                     pg_snapshot_xmin(pg_current_snapshot())) AS text) AS xact,
       EXISTS (SELECT FROM webhooks WHERE is_active) AS by_somebody
""")

# Locked against removal until their deliveries are written.
LISTENING = text("""
SELECT id, causes, CAST(CAST(active_from AS text) AS bigint) AS active_from
FROM webhooks WHERE is_active ORDER BY id FOR KEY SHARE
""")

ADD = text("INSERT INTO webhook_deliveries (webhook_id, kind, event_ids) VALUES (:webhook_id, 'events', :event_ids)")

_IS_FREE = "w.is_active AND w.resume_at <= now() AND (w.leased_until IS NULL OR w.leased_until <= now())"
_HAS_DUE = """
EXISTS (SELECT FROM webhook_deliveries d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_try_at <= now())
"""
_LEASE = "now() + CAST(:lease_s AS double precision) * interval '1 second'"

IS_DUE = text(f"SELECT EXISTS (SELECT FROM webhooks w WHERE {_IS_FREE} AND {_HAS_DUE})")  # noqa: S608
SOMEBODY = text("SELECT EXISTS (SELECT FROM webhooks WHERE is_active)")

TAKE = text(f"""
UPDATE webhooks SET lease = lease + 1, leased_until = {_LEASE}, served_at = clock_timestamp()
WHERE id = (SELECT w.id FROM webhooks w WHERE {_IS_FREE} AND {_HAS_DUE}
            ORDER BY w.served_at, w.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, lease
""")  # noqa: S608 - the conditions are our own

RELEASE = text("UPDATE webhooks SET leased_until = NULL WHERE id = :webhook_id AND lease = :lease")

# The try is counted before it is made: whoever dies over it has made it.
NEXT = text(f"""
WITH mine AS (
    UPDATE webhooks SET leased_until = {_LEASE}
    WHERE id = :webhook_id AND lease = :lease AND leased_until > now() AND is_active AND resume_at <= now()
    RETURNING id, url, secret, failures, CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret
), due AS (
    SELECT d.id FROM webhook_deliveries d
    WHERE d.webhook_id = :webhook_id AND d.state = 'pending' AND d.next_try_at <= now()
    ORDER BY d.next_try_at, d.id LIMIT 1
)
UPDATE webhook_deliveries AS d SET attempts = d.attempts + 1, last_tried_at = now()
FROM mine, due WHERE d.id = due.id AND d.state = 'pending'
RETURNING {", ".join(f"d.{column.name}" for column in DELIVERY_COLUMNS)},
          d.attempts - d.asked_at_attempt AS tries, mine.url, mine.secret, mine.old_secret, mine.failures
""")  # noqa: S608 - the columns are our own names

# The webhook before its delivery, as everywhere.
LOCK = text("SELECT 1 FROM webhooks WHERE id = :webhook_id FOR NO KEY UPDATE")

SETTLE = text("""
UPDATE webhook_deliveries
SET state = :state,
    next_try_at = CASE WHEN :state = 'pending'
                       THEN now() + CAST(:pause_s AS double precision) * interval '1 second' END,
    finished_at = CASE WHEN :state = 'pending' THEN NULL ELSE now() END,
    last_status = :status, last_error = :error, last_duration_ms = :duration_ms
WHERE id = :id AND attempts = :attempts AND state = 'pending'
""")

SUCCEEDED = text("""
UPDATE webhooks SET delivered = delivered + 1, failures = 0, given_up = 0, failing_since = NULL WHERE id = :webhook_id
""")

FAILED = text("""
UPDATE webhooks
SET failures = failures + 1, given_up = given_up + :given_up, failing_since = coalesce(failing_since, now()),
    resume_at = now() + CAST(:rest_s AS double precision) * interval '1 second'
WHERE id = :webhook_id
RETURNING given_up
""")

DISABLE = text("""
UPDATE webhooks SET is_active = false, disabled_at = now(), disabled_why = :why, updated_at = now()
WHERE id = :webhook_id AND is_active
""")

PRUNE = text("""
WITH old AS MATERIALIZED (
    SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
    WHERE d.created_at < now() - CAST(:older_than_s AS double precision) * interval '1 second'
      AND NOT (d.state = 'pending' AND w.is_active)
    LIMIT :limit FOR UPDATE OF d SKIP LOCKED
)
DELETE FROM webhook_deliveries d USING old WHERE d.id = old.id
""")

_STATES = {
    Verdict.DONE: DeliveryState.DELIVERED,
    Verdict.AGAIN: DeliveryState.PENDING,
    Verdict.GIVE_UP: DeliveryState.FAILED,
    Verdict.DISABLE: DeliveryState.FAILED,
}


class PostgresOutbox:
    """Keep in PostgreSQL what is to be sent."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_wanted(self) -> bool:
        """Look at the webhooks, which are few; at the history and the deliveries by indexes, and only if need be."""
        with statement(self._engine) as connection:
            if not connection.execute(SOMEBODY).scalar_one():
                return False
            return event_feed.has_news(connection, READER) or bool(connection.execute(IS_DUE).scalar_one())

    def spread(self, *, limit: int) -> int:
        """Move the cursor and write the deliveries in one transaction.

        The webhooks are read after the history: one that is not seen has been committed after all that was read.
        """
        with transaction(self._engine) as connection:
            needed = connection.execute(NEEDED_FROM).one()
            event_feed.skip_to(connection, READER, needed.xact)
            if not needed.by_somebody:
                return 0
            read = event_feed.read_on(connection, READER, limit=limit)
            if read:
                _write(connection, read)
        return sum(len(each.events) for each in read)

    def take_turn(self, *, lease_s: float) -> Turn | None:
        """Take the webhook by a lease, over which other senders skip."""
        with statement(self._engine) as connection:
            row = connection.execute(TAKE, {"lease_s": lease_s}).one_or_none()
        return None if row is None else Turn(row.id, row.lease)

    def next_attempt(self, turn: Turn, *, lease_s: float) -> Attempt | None:
        """Extend the lease and count the try by one statement."""
        values = {"webhook_id": turn.webhook_id, "lease": turn.lease, "lease_s": lease_s}
        with statement(self._engine) as connection:
            row = connection.execute(NEXT, values).mappings().one_or_none()
            return None if row is None else _attempt(connection, turn, row)

    def settle(self, attempt: Attempt, outcome: Outcome, consequence: Consequence, *, disable_after: int) -> bool:
        """Write the outcome if this try is still the last one, and what follows from it for the webhook."""
        state = _STATES[consequence.verdict]
        values = {
            "id": attempt.delivery.id,
            "attempts": attempt.delivery.attempts,
            "state": state.value,
            "pause_s": consequence.pause_s,
            "status": outcome.status,
            "error": outcome.error,
            "duration_ms": outcome.duration_ms,
        }
        with transaction(self._engine) as connection:
            connection.execute(LOCK, {"webhook_id": attempt.turn.webhook_id})
            if connection.execute(SETTLE, values).rowcount != 1:
                return False
            _note(connection, attempt, outcome, consequence, disable_after=disable_after)
        return True

    def release(self, turn: Turn) -> None:
        """Let the lease go, if it is still ours."""
        with statement(self._engine) as connection:
            connection.execute(RELEASE, {"webhook_id": turn.webhook_id, "lease": turn.lease})

    def prune(self, *, older_than_s: float) -> int:
        """Remove old ones, some thousand in a transaction, so that senders need not wait for long."""
        total = 0
        while True:
            with statement(self._engine) as connection:
                values = {"older_than_s": older_than_s, "limit": PRUNED_AT_ONCE}
                removed = connection.execute(PRUNE, values).rowcount
            total += removed
            if removed < PRUNED_AT_ONCE:
                return total


def _write(connection: Connection, read: list[Transaction]) -> None:
    """Write for each webhook one delivery for each transaction, or several where it wrote very much."""
    listening = connection.execute(LISTENING).all()
    added: list[dict[str, Any]] = []
    for each in read:
        for webhook in listening:
            if each.xact < webhook.active_from:
                continue
            causes = tuple(Cause(cause) for cause in webhook.causes)
            wanted = [event.id for event in each.events if wants(causes, event)]
            parts = [wanted[start : start + MAX_EVENTS] for start in range(0, len(wanted), MAX_EVENTS)]
            added += [{"webhook_id": webhook.id, "event_ids": part} for part in parts]
    if added:
        connection.execute(ADD, added)


def _attempt(connection: Connection, turn: Turn, row: RowMapping) -> Attempt:
    old = [row["old_secret"]] if row["old_secret"] else []
    return Attempt(
        turn=turn,
        delivery=delivery({column.name: row[column.name] for column in DELIVERY_COLUMNS}),
        events=events_of(connection, row["event_ids"]),
        url=row["url"],
        secrets=(row["secret"], *old),
        tries=row["tries"],
        failures=row["failures"],
    )


def _note(
    connection: Connection, attempt: Attempt, outcome: Outcome, consequence: Consequence, *, disable_after: int
) -> None:
    """Write down on the webhook what a try says about its receiver; disable it where that is enough."""
    webhook_id = attempt.turn.webhook_id
    if consequence.verdict is Verdict.DONE:
        connection.execute(SUCCEEDED, {"webhook_id": webhook_id})
        return
    values = {
        "webhook_id": webhook_id,
        "given_up": int(consequence.verdict is not Verdict.AGAIN),
        "rest_s": consequence.rest_s,
    }
    given_up = connection.execute(FAILED, values).scalar_one_or_none()
    if consequence.verdict is Verdict.DISABLE:
        connection.execute(DISABLE, {"webhook_id": webhook_id, "why": "the receiver answered 410 Gone"})
    elif given_up is not None and given_up >= disable_after:
        why = f"{given_up} deliveries in a row were given up; at the last try: {outcome.error}"
        connection.execute(DISABLE, {"webhook_id": webhook_id, "why": why})
