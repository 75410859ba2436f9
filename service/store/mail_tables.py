"""The tables of mails and of who wants which: see migration 0010."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.schema import metadata, one_of, timestamp

mails = Table(
    "mails",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("message_id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("attempts_allowed", Integer, nullable=False),
    timestamp("next_try_at", now=True),
    timestamp("taken_at"),
    timestamp("handed_over_at"),
    timestamp("settled_at"),
    Column("sent_to", Text),
    Column("last_error", Text),
    timestamp("created_at", now=True),
    UniqueConstraint("event_id", "user_id", "kind"),
    one_of("state", "waiting", "sending", "sent", "failed", "unknown", "dropped"),
    CheckConstraint("state <> 'sending' OR taken_at IS NOT NULL", name="sending_is_taken"),
    CheckConstraint("state <> 'waiting' OR handed_over_at IS NULL", name="waiting_is_not_handed_over"),
)
Index("mails_waiting_idx", mails.c.next_try_at, mails.c.id, postgresql_where=text("state = 'waiting'"))
Index("mails_sending_idx", mails.c.taken_at, postgresql_where=text("state = 'sending'"))
Index("mails_unsent_idx", mails.c.state, mails.c.created_at, postgresql_where=text("state <> 'sent'"))
Index("mails_settled_idx", mails.c.settled_at, postgresql_where=text("settled_at IS NOT NULL"))
Index("mails_user_idx", mails.c.user_id, mails.c.id)

notification_preferences = Table(
    "notification_preferences",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("muted", ARRAY(Text), nullable=False),
    timestamp("updated_at", now=True),
)
