"""The tables of webhooks: see `service.store.tables`."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from service.store.schema import Xid8, metadata, one_of, timestamp

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("causes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    timestamp("old_secret_until"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("active_from", Xid8, nullable=False, server_default=text("pg_snapshot_xmin(pg_current_snapshot())")),
    timestamp("disabled_at"),
    Column("disabled_why", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("given_up", Integer, nullable=False, server_default=text("0")),
    timestamp("failing_since"),
    Column("delivered", BigInteger, nullable=False, server_default=text("0")),
    timestamp("resume_at", now=True),
    timestamp("served_at", now=True),
    Column("lease", BigInteger, nullable=False, server_default=text("0")),
    timestamp("leased_until"),
    Column("created_by", BigInteger, ForeignKey("users.id")),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("message_id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("webhook_id", BigInteger, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("asked_at_attempt", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", DateTime(timezone=True), server_default=func.now()),
    timestamp("last_tried_at"),
    Column("last_status", SmallInteger),
    Column("last_error", Text),
    Column("last_duration_ms", Integer),
    timestamp("created_at", now=True),
    timestamp("finished_at"),
    one_of("kind", "events", "ping"),
    one_of("state", "pending", "delivered", "failed"),
    CheckConstraint("(state = 'pending') = (next_try_at IS NOT NULL)", name="pending_has_time"),
)
Index(
    "webhook_deliveries_due_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.next_try_at,
    webhook_deliveries.c.id,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "webhook_deliveries_failed_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.id,
    postgresql_where=text("state = 'failed'"),
)
Index("webhook_deliveries_webhook_idx", webhook_deliveries.c.webhook_id, webhook_deliveries.c.id)
Index("webhook_deliveries_created_at_idx", webhook_deliveries.c.created_at)
