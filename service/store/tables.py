"""The tables. Migrations make them; a test holds the two and `docs/erd.md` together.

Constraints that no writer can get round, raw SQL included (see migration 0001):

- `agents.held` is kept by triggers on `tickets`; `CHECK (held <= capacity)` refuses a ticket too many.
- `agents.is_active` follows the user (active, not deleted, role agent), so that one row lock decides about a fetch.
- A ticket has one `agent_id`, and a change of hands that does not raise `epoch` is refused, so nobody can take over
  a held ticket by accident.
"""

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
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    TextClause,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.archive_tables import archived_ticket_events as archived_ticket_events
from service.store.archive_tables import archived_tickets as archived_tickets
from service.store.archive_tables import sweeps as sweeps
from service.store.import_tables import import_parts as import_parts
from service.store.import_tables import imports as imports
from service.store.mail_tables import mails as mails
from service.store.mail_tables import notification_preferences as notification_preferences
from service.store.record_tables import dispatches as dispatches
from service.store.record_tables import invariant_checks as invariant_checks
from service.store.record_tables import leases as leases
from service.store.sample_table import samples as samples
from service.store.schema import Xid8 as Xid8
from service.store.schema import metadata as metadata
from service.store.schema import one_of, timestamp
from service.store.try_table import password_tries as password_tries
from service.store.webhook_tables import webhook_deliveries as webhook_deliveries
from service.store.webhook_tables import webhooks as webhooks


def _there(column: str) -> TextClause:
    return text(f"{column} IS NOT NULL")


users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text),
    Column("first_name", Text, nullable=False, server_default=""),
    Column("last_name", Text, nullable=False, server_default=""),
    Column("phone", Text, nullable=False, server_default=""),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
    timestamp("deleted_at"),
    one_of("role", "admin", "agent", "operator"),
)
Index("users_username_key", func.lower(users.c.username), unique=True, postgresql_where=users.c.deleted_at.is_(None))
Index("users_email_key", func.lower(users.c.email), unique=True, postgresql_where=users.c.deleted_at.is_(None))

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("refresh_jti", Uuid, nullable=False),
    Column("previous_jti", Uuid),
    timestamp("rotated_at"),
    timestamp("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    timestamp("revoked_at"),
)
Index("sessions_user_id_idx", sessions.c.user_id, postgresql_where=sessions.c.revoked_at.is_(None))

agents = Table(
    "agents",
    metadata,
    Column("id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("level", Text, nullable=False, server_default="junior"),
    Column("availability", Text, nullable=False, server_default="available"),
    Column("auto_assign", Boolean, nullable=False, server_default=text("false")),
    Column("capacity", SmallInteger, nullable=False, server_default=text("15")),
    Column("held", SmallInteger, nullable=False, server_default=text("0")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
    timestamp("away_since"),
    one_of("level", "junior", "senior"),
    one_of("availability", "available", "away"),
    CheckConstraint("capacity BETWEEN 1 AND 15", name="capacity_range"),
    CheckConstraint("held BETWEEN 0 AND capacity", name="held_within_capacity"),
    Index("agents_away_since_idx", "away_since", postgresql_where=_there("away_since")),
    Index("agents_auto_assign_idx", "id", postgresql_where=text("auto_assign")),
)

customers = Table(
    "customers",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
)
Index("customers_email_key", func.lower(customers.c.email), unique=True)
for _key, _column in (("name", customers.c.name), ("email", customers.c.email), ("created", customers.c.created_at)):
    Index(f"customers_{_key}_idx", _column, customers.c.id)

tickets = Table(
    "tickets",
    metadata,
    Column("id", BigInteger, Identity(always=True, cache=1), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("priority", Text, nullable=False, server_default="medium"),
    Column("status", Text, nullable=False, server_default="open"),
    Column("agent_id", BigInteger, ForeignKey("agents.id")),
    Column("created_by", BigInteger, ForeignKey("users.id")),
    Column("customer_id", BigInteger, ForeignKey("customers.id")),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
    timestamp("assigned_at"),
    timestamp("resolved_at"),
    timestamp("sold_at"),
    timestamp("deleted_at"),
    Column("operation_id", Uuid),
    Column("external_id", Text),
    timestamp("requeued_at"),
    one_of("priority", "high", "medium", "low"),
    one_of("status", "open", "assigned", "in_progress", "resolved", "closed", "sold"),
    CheckConstraint("(status = 'open') = (agent_id IS NULL)", name="open_means_nobody"),
    CheckConstraint("(status = 'sold') = (sold_at IS NOT NULL)", name="sold_has_time"),
)
_IS_OPEN = text("status = 'open' AND deleted_at IS NULL")
_IS_REQUEUED = text("status = 'open' AND deleted_at IS NULL AND requeued_at IS NOT NULL")
_IS_UNRESOLVED = text("status IN ('open', 'assigned', 'in_progress') AND deleted_at IS NULL")
_IS_HELD = text("status IN ('assigned', 'in_progress') AND deleted_at IS NULL")
Index("tickets_open_idx", tickets.c.priority, tickets.c.id, postgresql_where=_IS_OPEN)
Index("tickets_open_changed_idx", tickets.c.updated_at, tickets.c.id, postgresql_where=_IS_OPEN)
Index("tickets_requeued_idx", tickets.c.priority, tickets.c.requeued_at, postgresql_where=_IS_REQUEUED)
Index("tickets_held_idx", tickets.c.agent_id, tickets.c.id, postgresql_where=_IS_HELD)
_IS_RESOLVED = text("status = 'resolved' AND deleted_at IS NULL")
Index("tickets_resolved_idx", tickets.c.agent_id, tickets.c.id, postgresql_where=_IS_RESOLVED)
Index("tickets_unresolved_idx", tickets.c.id, postgresql_where=_IS_UNRESOLVED)
Index("tickets_agent_idx", tickets.c.agent_id, tickets.c.id, postgresql_where=_there("agent_id"))
Index("tickets_customer_idx", tickets.c.customer_id, postgresql_where=_there("customer_id"))

_IS_THERE = text("deleted_at IS NULL")
_IS_DONE = text("status IN ('closed', 'sold') AND deleted_at IS NULL")
_IS_UNUSUAL = text("priority <> 'medium' AND deleted_at IS NULL")
Index("tickets_created_idx", tickets.c.created_at, tickets.c.id, postgresql_where=_IS_THERE)
Index("tickets_updated_idx", tickets.c.updated_at, tickets.c.id, postgresql_where=_IS_THERE)
Index("tickets_done_idx", tickets.c.status, tickets.c.id, postgresql_where=_IS_DONE)
Index("tickets_done_changed_idx", tickets.c.status, tickets.c.updated_at, tickets.c.id, postgresql_where=_IS_DONE)
_IS_HELD_BY_CHANGE = text(f"{_IS_HELD.text} AND updated_at > '-infinity'")  # not for hands: see migration 0019
Index("tickets_held_by_change_idx", tickets.c.updated_at, tickets.c.id, postgresql_where=_IS_HELD_BY_CHANGE)
Index("tickets_unusual_idx", tickets.c.priority, tickets.c.id, postgresql_where=_IS_UNUSUAL)
_MAY_BE_OLD = text("status IN ('closed', 'sold') OR deleted_at IS NOT NULL")
Index("tickets_archivable_idx", tickets.c.updated_at, tickets.c.id, postgresql_where=_MAY_BE_OLD)
Index("tickets_operation_key", tickets.c.operation_id, unique=True, postgresql_where=_there("operation_id"))
Index("tickets_external_key", tickets.c.external_id, unique=True, postgresql_where=_there("external_id"))

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign keys here: tickets and users are never removed, and fifteen look-ups per fetch are not free.
    Column("ticket_id", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text),
    Column("agent_id", BigInteger),
    Column("actor_id", BigInteger),
    Column("epoch", Integer, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    timestamp("at", now=True),
    Column("operation_id", Uuid),
    Column("from_agent_id", BigInteger),
    Column("priority", Text),
    Column("xact", Xid8, server_default=text("pg_current_xact_id()")),
)
Index("ticket_events_xact_idx", ticket_events.c.xact, ticket_events.c.id, postgresql_where=text("xact IS NOT NULL"))
Index("ticket_events_ticket_idx", ticket_events.c.ticket_id, ticket_events.c.id)
Index("ticket_events_agent_idx", ticket_events.c.agent_id, ticket_events.c.id, postgresql_where=_there("agent_id"))
Index(
    "ticket_events_from_agent_idx",
    ticket_events.c.from_agent_id,
    ticket_events.c.id,
    postgresql_where=_there("from_agent_id"),
)
Index("ticket_events_operation_key", ticket_events.c.operation_id, unique=True, postgresql_where=_there("operation_id"))

Index(
    "ticket_events_at_idx",
    ticket_events.c.at,
    postgresql_using="brin",
    postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
)

event_cursors = Table(
    "event_cursors",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("xact", Xid8, nullable=False),
    Column("event_id", BigInteger, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("agent_id", BigInteger, ForeignKey("agents.id"), nullable=False),
    Column("ticket_ids", ARRAY(BigInteger), nullable=False),
    timestamp("at", now=True),
)
Index("claims_at_idx", claims.c.at)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tier", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
    Column("status", Text, nullable=False, server_default="queued"),
    Column("requested_by", BigInteger, ForeignKey("users.id")),
    timestamp("requested_at", now=True),
    timestamp("started_at"),
    timestamp("finished_at"),
    Column("found", JSONB, nullable=False, server_default=text("'{}'")),
    Column("confirmed", JSONB, nullable=False, server_default=text("'{}'")),
    Column("repaired", JSONB, nullable=False, server_default=text("'{}'")),
    Column("false_candidates", JSONB, nullable=False, server_default=text("'{}'")),
    Column("rows_compared", BigInteger, nullable=False, server_default=text("0")),
    Column("oldest_drift_ms", BigInteger),
    Column("error", Text),
    one_of("tier", "fast", "full"),
    one_of("status", "queued", "running", "done", "failed", "skipped"),
)

Index("reconciliations_finished_at_idx", reconciliations.c.finished_at)

drift_totals = Table(
    "drift_totals",
    metadata,
    Column("what", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("total", BigInteger, nullable=False),
    one_of("what", "found", "repaired"),
)
"""What all runs together found and repaired, by kind. Kept by a trigger on their records, which are thinned out."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("operation_id", Uuid, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("locked_until", DateTime(timezone=True), nullable=False),
    Column("status", SmallInteger),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    timestamp("created_at", now=True),
)
Index("idempotency_keys_created_at_idx", idempotency_keys.c.created_at)
