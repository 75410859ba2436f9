"""What one would write first, for comparison: the same tables, the ORM, row locks that skip locked rows, no Redis.

`SELECT ... FOR UPDATE SKIP LOCKED` through SQLAlchemy's ORM, fifteen in a hand, behind `@jwt_required()`, under the
very same gunicorn configuration as the service. It honours the cap and deals oldest first; it knows no priorities, no
repeated requests and no revoked sessions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify
from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required
from sqlalchemy import ScalarResult, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session

from service.config import load
from service.domain.model import MAX_CAPACITY
from service.store import tables


class Base(DeclarativeBase):
    """The service's own tables, as objects."""

    metadata = tables.metadata


class Agent(Base):
    """Who takes tickets."""

    __table__ = tables.agents


class Ticket(Base):
    """What is taken."""

    __table__ = tables.tickets
    if TYPE_CHECKING:
        id: Mapped[int]
        status: Mapped[str]
        agent_id: Mapped[int | None]
        epoch: Mapped[int]
        assigned_at: Mapped[datetime | None]
        updated_at: Mapped[datetime]
        deleted_at: Mapped[datetime | None]


class TicketEvent(Base):
    """What happened to it."""

    __table__ = tables.ticket_events


_SHOWN = ("id", "subject", "description", "priority", "status", "agent_id", "epoch", "created_at", "assigned_at")


def create_app() -> Flask:
    """Make the application from the environment that the service reads, too."""
    settings = load()
    app = Flask("baseline")
    app.config.update(
        JWT_SECRET_KEY=settings.jwt_secret_key.get_secret_value(),
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=settings.access_token_minutes),
    )
    JWTManager(app)
    engine = create_engine(settings.database_url, pool_size=settings.web_threads)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.post("/api/tickets/fetch")
    @jwt_required()  # type: ignore[untyped-decorator]
    def fetch() -> Response:
        with Session(engine) as session, session.begin():
            return _fetch(session, int(get_jwt_identity()))

    return app


def _fetch(session: Session, agent_id: int) -> Response:
    session.get_one(Agent, agent_id, with_for_update=True)
    held = _held(session, agent_id).all()
    fresh = _oldest(session, MAX_CAPACITY - len(held)).all() if len(held) < MAX_CAPACITY else []
    now = datetime.now(UTC)
    for ticket in fresh:
        ticket.status, ticket.agent_id, ticket.assigned_at, ticket.updated_at = "assigned", agent_id, now, now
        ticket.epoch += 1
        session.add(_event(ticket, agent_id))
    session.flush()
    hand = sorted([*held, *fresh], key=lambda ticket: ticket.id)
    shown = [{name: getattr(ticket, name) for name in _SHOWN} for ticket in hand]
    return jsonify(tickets=shown, held=len(hand), capacity=MAX_CAPACITY, assigned_now=len(fresh))


def _held(session: Session, agent_id: int) -> ScalarResult[Ticket]:
    wanted = select(Ticket).where(Ticket.agent_id == agent_id, Ticket.status.in_(["assigned", "in_progress"]))
    return session.scalars(wanted.order_by(Ticket.id))


def _oldest(session: Session, count: int) -> ScalarResult[Ticket]:
    wanted = select(Ticket).where(Ticket.status == "open", Ticket.deleted_at.is_(None)).order_by(Ticket.id).limit(count)
    return session.scalars(wanted.with_for_update(skip_locked=True))


def _event(ticket: Ticket, agent_id: int) -> TicketEvent:
    return TicketEvent(
        ticket_id=ticket.id, cause="fetch", from_status="open", to_status="assigned", agent_id=agent_id,
        actor_id=agent_id, epoch=ticket.epoch,
    )  # fmt: skip
