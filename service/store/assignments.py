"""Who has which ticket: see `service.usecases.ports.tickets.AssignmentStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.exc import IntegrityError

from service.domain.errors import StoreUnavailable
from service.domain.model import HELD, Agent, Cause, QueuedTicket, Ticket, TicketStatus
from service.domain.policy import sources
from service.store import arbiter, moves, returns, rows
from service.store.agents import agent_from, agents_query
from service.store.customers import find_or_create
from service.store.engine import statement, transaction
from service.store.tables import agents, claims, customers, tickets
from service.usecases.ports.tickets import Buyer, Claimed, Move, Moved

_AGENT = agents_query().where(agents.c.id == bindparam("agent_id"))
_HAND = (
    select(*rows.TICKET_COLUMNS)
    .where(
        tickets.c.agent_id == bindparam("agent_id"),
        tickets.c.status.in_([status.value for status in TicketStatus if status in HELD]),
        tickets.c.deleted_at.is_(None),
    )
    .order_by(tickets.c.id)
)


@contextmanager
def _one_try() -> Iterator[None]:
    """Turn a claim id that is taken into `StoreUnavailable`: another try of this claim was faster, look it up."""
    try:
        yield
    except IntegrityError as exc:
        if getattr(getattr(exc.orig, "diag", None), "constraint_name", None) != "claims_pkey":
            raise
        raise StoreUnavailable("This fetch is being served by another process; try again shortly") from exc


class PostgresAssignments:
    """Decide about assignments in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def agent(self, agent_id: int) -> Agent | None:
        """Read an agent's profile."""
        with statement(self._engine) as connection:
            row = connection.execute(_AGENT, {"agent_id": agent_id}).mappings().one_or_none()
        return None if row is None else agent_from(row)

    def claim(self, *, claim_id: UUID, agent_id: int, popped: Sequence[QueuedTicket], limit: int) -> Claimed:
        """Ask the arbiter about popped tickets: one statement, one round trip, one commit."""
        with _one_try(), statement(self._engine) as connection:
            return arbiter.claim(
                connection,
                claim_id=claim_id,
                agent_id=agent_id,
                ticket_ids=[ticket.id for ticket in popped],
                limit=limit,
                cause=Cause.FETCH,
            )

    def claim_oldest(self, *, claim_id: UUID, agent_id: int, limit: int) -> Claimed:
        """Ask the arbiter about the oldest open tickets."""
        with _one_try(), transaction(self._engine) as connection:
            return arbiter.claim_oldest(connection, claim_id=claim_id, agent_id=agent_id, limit=limit)

    def claimed_by(self, claim_id: UUID) -> tuple[int, ...] | None:
        """Read a claim's row."""
        with statement(self._engine) as connection:
            found = connection.execute(select(claims.c.ticket_ids).where(claims.c.id == claim_id)).scalar_one_or_none()
        return None if found is None else tuple(found)

    def hand(self, agent_id: int) -> list[Ticket]:
        """Read the tickets an agent holds."""
        with statement(self._engine) as connection:
            return [rows.ticket(row) for row in connection.execute(_HAND, {"agent_id": agent_id}).mappings()]

    def move(self, move: Move) -> Moved:
        """Change one ticket's state in one transaction."""
        return moves.in_transaction(self._engine, lambda connection: moves.move(connection, move))

    def sell(self, *, agent_id: int, ticket_id: int, buyer: Buyer, expected_epoch: int | None) -> Moved:
        """Sell a held ticket in one transaction, customer and all."""
        wanted = Move(
            ticket_id=ticket_id,
            sources=sources(TicketStatus.SOLD),
            target=TicketStatus.SOLD,
            cause=Cause.SELL,
            actor_id=agent_id,
            holder_id=agent_id,
            expected_epoch=expected_epoch,
        )

        def sale(connection: Connection) -> Moved:
            before, _ = moves.lock_ticket(connection, ticket_id)
            if before.status is TicketStatus.SOLD and before.agent_id == agent_id and before.customer_id is not None:
                email = select(customers.c.email).where(customers.c.id == before.customer_id)
                if connection.execute(email).scalar_one() == buyer.email:
                    return Moved(before=before, after=before)
            moves.check(before, wanted)
            customer_id = find_or_create(connection, name=buyer.name, email=buyer.email)
            after = moves.write(connection, before, wanted, customer_id=customer_id)
            moves.record(connection, before, after, cause=Cause.SELL, actor_id=agent_id)
            return Moved(before=before, after=after)

        return moves.in_transaction(self._engine, sale)

    def return_all(self, agent_id: int, *, actor_id: int | None, cause: Cause, note: str = "") -> list[QueuedTicket]:
        """Give back everything an agent holds, in one transaction."""
        with transaction(self._engine) as connection:
            return returns.return_all(connection, agent_id=agent_id, actor_id=actor_id, cause=cause, note=note)
