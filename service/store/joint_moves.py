"""Several tickets changing their state in one transaction, each by the rules of `service.store.moves`.

All agents concerned are locked by id, then all tickets by id; each ticket is decided by itself, in the order asked, and
what is possible is written by one statement, history and all. One that is refused keeps no other back: it is known
before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, RowMapping, TextClause, text

from service.domain.errors import Conflict, FairdealError, StoreUnavailable
from service.domain.model import Ticket, TicketStatus
from service.domain.policy import is_held
from service.store import buyers, moves
from service.store.engine import transaction
from service.store.late import as_possible, last_between
from service.store.moves import ATTEMPTS, LockedAgent
from service.store.rows import TICKET_SQL, existing_id, ticket
from service.usecases.ports.tickets import Move, Moved

_HOLDERS = text("""
SELECT DISTINCT agent_id FROM tickets WHERE id = ANY (CAST(:ids AS bigint[])) AND agent_id IS NOT NULL
""")

LOCK_TICKETS = text(f"""
SELECT {TICKET_SQL} FROM tickets t
WHERE t.id = ANY (CAST(:ids AS bigint[])) AND t.deleted_at IS NULL
ORDER BY t.id FOR NO KEY UPDATE
""")  # noqa: S608 - the columns are our own

_GIVEN = "assigned_at = CASE WHEN w.from_agent_id IS NULL THEN now() ELSE t.assigned_at END"
_STAMPS: Mapping[TicketStatus, str] = {
    TicketStatus.OPEN: ", assigned_at = NULL, resolved_at = NULL",
    TicketStatus.ASSIGNED: ", assigned_at = now(), resolved_at = NULL",
    TicketStatus.IN_PROGRESS: ", resolved_at = NULL",
    TicketStatus.RESOLVED: f", resolved_at = now(), {_GIVEN}",
    TicketStatus.CLOSED: "",
    TicketStatus.SOLD: f", sold_at = now(), customer_id = w.customer_id, {_GIVEN}",
}
"""What a state sets and clears; a late move gives the ticket to its agent on the way."""

_WRITE = """
WITH w AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:from_statuses AS text[]), CAST(:epochs AS integer[]),
        CAST(:from_agent_ids AS bigint[]), CAST(:agent_ids AS bigint[]), CAST(:customer_ids AS bigint[]),
        CAST(:notes AS text[])
    ) AS w (id, from_status, epoch, from_agent_id, agent_id, customer_id, note)
),
changed AS (
    UPDATE tickets t
    SET status = :target, agent_id = w.agent_id, updated_at = now(){stamps},
        epoch = t.epoch + CAST(w.agent_id IS DISTINCT FROM w.from_agent_id AS integer)
    FROM w
    WHERE t.id = w.id AND t.status = w.from_status AND t.epoch = w.epoch
    RETURNING {columns}, w.from_status, w.from_agent_id, w.note
),
history AS (
    INSERT INTO ticket_events
        (ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch, note, from_agent_id)
    SELECT id, :cause, from_status, status, coalesce(agent_id, from_agent_id), CAST(:actor_id AS bigint), epoch, note,
           CASE WHEN from_agent_id <> agent_id THEN from_agent_id END
    FROM changed ORDER BY id
)
SELECT {columns} FROM changed t
"""

WRITES: Mapping[TicketStatus, TextClause] = {
    target: text(_WRITE.format(columns=TICKET_SQL, stamps=stamps)) for target, stamps in _STAMPS.items()
}


Outcomes = dict[int, Moved | FairdealError]
"""What became of tickets, by their ids."""


@dataclass(frozen=True, slots=True)
class _Possible:
    """A move that nothing stands against, of a ticket that is locked."""

    before: Ticket
    move: Move


def move_all(engine: Engine, wanted: Sequence[Move]) -> list[Moved | FairdealError]:
    """Carry out moves of several tickets in one transaction: the same act by the same actor, no ticket twice.

    Tickets that changed hands between the look at their holders and the lock are tried again in a transaction of their
    own, for their agents must be locked first. Raises `StoreUnavailable` where nothing is known to be done.
    """
    outcomes: Outcomes = {}
    left = wanted
    for _ in range(ATTEMPTS):
        try:
            with transaction(engine) as connection:
                found = _carry_out(connection, left)
        except StoreUnavailable as error:
            if not outcomes:
                raise
            found = dict.fromkeys((move.ticket_id for move in left), error)
        outcomes |= found
        left = [move for move in left if move.ticket_id not in outcomes]
        if not left:
            break
    outcomes |= {move.ticket_id: Conflict("The ticket is changing hands just now; try again") for move in left}
    return [outcomes[move.ticket_id] for move in wanted]


def _carry_out(connection: Connection, wanted: Sequence[Move]) -> Outcomes:
    """Say what became of the tickets, but for those that changed hands before they were locked."""
    outcomes: Outcomes = {}
    sane = [move for move in wanted if _is_sane(move, outcomes)]
    if not sane:
        return outcomes
    agents = moves.lock_agents(connection, _concerned(connection, sane))
    rows = connection.execute(LOCK_TICKETS, {"ids": sorted(move.ticket_id for move in sane)}).mappings()
    tickets = {row["id"]: ticket(row) for row in rows}
    possible = _decided(connection, sane, tickets, agents, outcomes)
    return outcomes | (_written(connection, possible, outcomes) if possible else {})


def _is_sane(move: Move, outcomes: Outcomes) -> bool:
    """Refuse ids that no row can have: PostgreSQL would refuse the whole list for one of them."""
    try:
        existing_id(move.ticket_id, "ticket")
        for agent_id in (move.holder_id, move.to_agent_id):
            if agent_id is not None:
                existing_id(agent_id, "agent")
    except FairdealError as error:
        outcomes[move.ticket_id] = error
        return False
    return True


def _concerned(connection: Connection, wanted: Sequence[Move]) -> set[int]:
    """Say whose rows to lock: of a move that only the holder may make, theirs alone, whoever has the ticket."""
    named = {agent_id for move in wanted for agent_id in (move.holder_id, move.to_agent_id) if agent_id is not None}
    anybodys = [move.ticket_id for move in wanted if move.holder_id is None]
    return named | set(connection.execute(_HOLDERS, {"ids": anybodys}).scalars()) if anybodys else named


def _decided(
    connection: Connection,
    wanted: Sequence[Move],
    tickets: Mapping[int, Ticket],
    agents: Mapping[int, LockedAgent],
    outcomes: Outcomes,
) -> list[_Possible]:
    """Decide one move after the other, and put those into `outcomes` that end here."""
    found = [(tickets[move.ticket_id], move) for move in wanted if move.ticket_id in tickets]
    for move in wanted:
        if move.ticket_id not in tickets:
            outcomes[move.ticket_id] = moves.missing(connection, move.ticket_id, move.holder_id)
    lasts = last_between(connection, found)
    repeated = _repeated(connection, found)
    possible: list[_Possible] = []
    for before, move in found:
        if before.id in repeated:
            outcomes[before.id] = Moved(before=before, after=before)
        elif move.holder_id is not None or before.agent_id is None or before.agent_id in agents:
            try:
                possible.append(_Possible(before, _checked(before, as_possible(before, move, agents, lasts), agents)))
            except FairdealError as error:
                outcomes[before.id] = error
    return possible


def _repeated(connection: Connection, found: Sequence[tuple[Ticket, Move]]) -> set[int]:
    """Say which tickets have been sold already as they are to be sold."""
    again = [
        (before, move.buyer.email, before.customer_id)
        for before, move in found
        if move.is_repeatable
        and move.buyer is not None
        and before.status is TicketStatus.SOLD
        and before.agent_id == move.holder_id
        and before.customer_id is not None
    ]
    emails = buyers.emails(connection, {customer_id for _, _, customer_id in again})
    return {before.id for before, email, customer_id in again if emails[customer_id] == email}


def _checked(before: Ticket, move: Move, agents: Mapping[int, LockedAgent]) -> Move:
    """Return a move that is allowed, and count it: the next one finds so much less, or more, room."""
    moves.check(before, move)
    moves.check_room(before, move, agents)
    if before.agent_id is not None and is_held(before.status):
        agents[before.agent_id].room += 1
    to_agent_id = moves.receiver(before, move)
    if to_agent_id is not None and is_held(move.target):
        agents[to_agent_id].room -= 1
    return move


def _written(connection: Connection, possible: Sequence[_Possible], outcomes: Outcomes) -> Outcomes:
    """Write what is possible; a sale whose customer cannot be had goes into `outcomes` instead."""
    customers = buyers.find_or_create(connection, [each.move.buyer for each in possible if each.move.buyer is not None])
    ready: list[_Possible] = []
    for each in possible:
        if each.move.buyer is None or each.move.buyer.email in customers:
            ready.append(each)
        else:
            outcomes[each.before.id] = Conflict("This customer is being created and deleted just now; try again")
    if not ready:
        return {}
    after = {row["id"]: ticket(row) for row in _write(connection, ready, customers)}
    return {each.before.id: Moved(before=each.before, after=after[each.before.id]) for each in ready}


def _write(connection: Connection, ready: Sequence[_Possible], customers: Mapping[str, int]) -> Sequence[RowMapping]:
    act = ready[0].move
    values = {
        "target": act.target.value,
        "cause": act.cause.value,
        "actor_id": act.actor_id,
        "ids": [each.before.id for each in ready],
        "from_statuses": [each.before.status.value for each in ready],
        "epochs": [each.before.epoch for each in ready],
        "from_agent_ids": [each.before.agent_id for each in ready],
        "agent_ids": [moves.receiver(each.before, each.move) for each in ready],
        "customer_ids": [None if each.move.buyer is None else customers[each.move.buyer.email] for each in ready],
        "notes": [each.move.note for each in ready],
    }
    return connection.execute(WRITES[act.target], values).mappings().all()
