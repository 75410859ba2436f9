"""The archive: what is closed for long, out of the way of what is worked on. See migration 0018 and docs/adr/0039.

The columns are those of `tickets` and `ticket_events` (a test holds them together), but for the number of the
transaction that wrote a line: whoever follows the history has read these lines long ago. Agents and users are never
removed, so only customers are referred to by a key, which keeps whoever has bought something from being deleted.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid, text

from service.store.schema import metadata, timestamp

archived_tickets = Table(
    "archived_tickets",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("agent_id", BigInteger),
    Column("created_by", BigInteger),
    Column("customer_id", BigInteger, ForeignKey("customers.id")),
    Column("epoch", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    timestamp("assigned_at"),
    timestamp("resolved_at"),
    timestamp("sold_at"),
    timestamp("deleted_at"),
    Column("operation_id", Uuid),
    Column("external_id", Text),
    timestamp("requeued_at"),
    timestamp("archived_at", now=True),
)
_WITH_AGENT = text("agent_id IS NOT NULL")
Index(
    "archived_tickets_external_key",
    archived_tickets.c.external_id,
    unique=True,
    postgresql_where=text("external_id IS NOT NULL"),
)
Index(
    "archived_tickets_customer_idx",
    archived_tickets.c.customer_id,
    archived_tickets.c.id,
    postgresql_where=text("customer_id IS NOT NULL"),
)
Index("archived_tickets_agent_idx", archived_tickets.c.agent_id, archived_tickets.c.id, postgresql_where=_WITH_AGENT)
Index("archived_tickets_created_idx", archived_tickets.c.created_at, archived_tickets.c.id)
Index("archived_tickets_updated_idx", archived_tickets.c.updated_at, archived_tickets.c.id)

archived_ticket_events = Table(
    "archived_ticket_events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("ticket_id", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text),
    Column("agent_id", BigInteger),
    Column("actor_id", BigInteger),
    Column("epoch", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("operation_id", Uuid),
    Column("from_agent_id", BigInteger),
    Column("priority", Text),
)
_lines = archived_ticket_events.c
Index("archived_ticket_events_ticket_idx", _lines.ticket_id, _lines.id)
Index("archived_ticket_events_agent_idx", _lines.agent_id, _lines.id, postgresql_where=_WITH_AGENT)
Index(
    "archived_ticket_events_from_agent_idx",
    _lines.from_agent_id,
    _lines.id,
    postgresql_where=text("from_agent_id IS NOT NULL"),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("what", Text, primary_key=True),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("waiting", BigInteger, nullable=False, server_default=text("0")),
    timestamp("oldest_at"),
    timestamp("finished_at"),
)
