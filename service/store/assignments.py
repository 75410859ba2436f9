"""Who has which ticket: see `service.usecases.ports.tickets.AssignmentStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, select, text
from sqlalchemy.exc import IntegrityError

from service.domain.errors import FairdealError, StaleEpoch, StoreUnavailable
from service.domain.model import HELD, Agent, Cause, Priority, QueuedTicket, Ticket, TicketStatus
from service.store import arbiter, joint_moves, moves, returns, rows
from service.store.agents import agent_from, agents_query
from service.store.engine import statement, transaction
from service.store.tables import agents, claims, tickets
from service.usecases.ports.tickets import Claimed, Move, Moved, Supposed

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

_THEIRS = text("""
SELECT id FROM tickets WHERE id = ANY (CAST(:ids AS bigint[])) AND agent_id = ANY (CAST(:agent_ids AS bigint[]))
""")


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

    def claim(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        popped: Sequence[QueuedTicket],
        limit: int,
        cause: Cause = Cause.FETCH,
        supposed: Supposed | None = None,
    ) -> Claimed:
        """Ask the arbiter about popped tickets: one statement, one round trip, one commit."""
        with _one_try():
            return arbiter.claim(
                self._engine,
                claim_id=claim_id,
                agent_id=agent_id,
                ticket_ids=[ticket.id for ticket in popped],
                limit=limit,
                cause=cause,
                supposed=supposed,
            )

    def claim_oldest(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        limit: int,
        cause: Cause = Cause.FETCH,
        limits: Mapping[Priority, int] | None = None,
    ) -> Claimed:
        """Ask the arbiter about the oldest open tickets."""
        with _one_try(), transaction(self._engine) as connection:
            return arbiter.claim_oldest(
                connection, claim_id=claim_id, agent_id=agent_id, limit=limit, cause=cause, limits=limits
            )

    def claimed_by(self, claim_id: UUID) -> tuple[int, ...] | None:
        """Read a claim's row."""
        with statement(self._engine) as connection:
            found = connection.execute(select(claims.c.ticket_ids).where(claims.c.id == claim_id)).scalar_one_or_none()
        return None if found is None else tuple(found)

    def hand(self, agent_id: int) -> list[Ticket]:
        """Read the tickets an agent holds."""
        with statement(self._engine) as connection:
            return [rows.ticket(row) for row in connection.execute(_HAND, {"agent_id": agent_id}).mappings()]

    def move(self, move: Move, *, dry_run: bool = False) -> Moved:
        """Change one ticket's state in one transaction, which a dry run rolls back."""

        def carry_out(connection: Connection) -> Moved:
            moved = moves.move(connection, move)
            if dry_run:
                connection.rollback()
            return moved

        return moves.in_transaction(self._engine, carry_out)

    def move_all(self, wanted: Sequence[Move]) -> list[Moved | FairdealError]:
        """Change several tickets' states in one transaction, each as far as it goes."""
        return joint_moves.move_all(self._engine, wanted)

    def rehearse(self, wanted: Sequence[Move], *, agent_ids: Sequence[int]) -> list[Moved | FairdealError]:
        """Carry the moves out in one transaction, each under a savepoint, and roll it back.

        What the agents hold once they are locked stays theirs; no other ticket is touched, whose holder would have to
        be locked out of turn.
        """

        def rehearsal(connection: Connection) -> list[Moved | FairdealError]:
            connection.execute(moves.LOCK_AGENTS, {"ids": list(agent_ids)})
            values = {"ids": [move.ticket_id for move in wanted], "agent_ids": list(agent_ids)}
            theirs = set(connection.execute(_THEIRS, values).scalars())
            found = [
                _rehearsed(connection, move)
                if move.ticket_id in theirs
                else StaleEpoch(f"Ticket {move.ticket_id} has changed hands; read it again")
                for move in wanted
            ]
            connection.rollback()
            return found

        return moves.in_transaction(self._engine, rehearsal)

    def return_all(
        self, agent_id: int, *, actor_id: int | None, cause: Cause, note: str = "", dry_run: bool = False
    ) -> list[QueuedTicket]:
        """Give back everything an agent holds, in one transaction, which a dry run rolls back."""
        with transaction(self._engine) as connection:
            returned = returns.return_all(connection, agent_id=agent_id, actor_id=actor_id, cause=cause, note=note)
            if dry_run:
                connection.rollback()
        return returned


def _rehearsed(connection: Connection, move: Move) -> Moved | FairdealError:
    try:
        with connection.begin_nested():
            return moves.move(connection, move)
    except FairdealError as error:
        return error
