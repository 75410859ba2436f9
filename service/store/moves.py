"""One ticket changing its state: agents' rows locked first, then the ticket's, then one guarded UPDATE and its history.

Every change of a ticket outside the arbiter goes through here, or, where several change at once, by the same rules
through `service.store.joint_moves`, so that lock order, fencing and history are one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, insert, select, text, update

from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    Conflict,
    FairdealError,
    IllegalMove,
    NotFound,
    StaleEpoch,
)
from service.domain.model import Availability, Cause, Ticket, TicketStatus
from service.domain.policy import is_held
from service.store import archive
from service.store.engine import transaction
from service.store.late import as_possible, last_between
from service.store.rows import NOW, TICKET_COLUMNS, existing_id, ticket
from service.store.tables import ticket_events, tickets
from service.usecases.ports.tickets import Move, Moved

T = TypeVar("T")

LOCK_AGENTS = text("""
SELECT id, capacity - held AS room, is_active, availability FROM agents
WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE
""")

ATTEMPTS = 5
"""How often a change starts again because its ticket changed hands between the look and the lock."""


@dataclass(slots=True)
class LockedAgent:
    """An agent whose row is locked; `room` is what is left in their hand, and falls with what they are given."""

    id: int
    room: int
    is_active: bool
    availability: str


class _ChangedHands(Exception):
    """The holder seen without a lock is not the one found under it."""


def in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do `work` in a transaction, again from the start when a ticket changed hands before it was locked.

    Starting again lets go of the agents' locks, which must be taken in the order of their ids. Raises `Conflict`.
    """
    for _ in range(ATTEMPTS):
        try:
            with transaction(engine) as connection:
                return work(connection)
        except _ChangedHands:
            continue
    raise Conflict("The ticket is changing hands just now; try again")


def lock_ticket(
    connection: Connection,
    ticket_id: int,
    *,
    others: tuple[int, ...] = (),
    asker_id: int | None = None,
    may_come_back: bool = False,
) -> tuple[Ticket, dict[int, LockedAgent]]:
    """Lock the agents concerned (the holder and `others`) by id, then the ticket; return it and the agents.

    A closed ticket that `may_come_back` is fetched from the archive where it is there. Only within `in_transaction`.
    Raises `NotFound`, and `TicketArchived`: to an `asker_id` only if that agent had the ticket.
    """
    existing_id(ticket_id, "ticket")
    seen = _look(connection, ticket_id)
    if seen is None and may_come_back:
        archive.take_back(connection, ticket_id)
        seen = _look(connection, ticket_id)
    if seen is None:
        raise missing(connection, ticket_id, asker_id)
    holder_id = seen.agent_id
    agents = lock_agents(connection, {*others, *([] if holder_id is None else [holder_id])})
    found = _look(connection, ticket_id, lock=True)
    if found is None:
        raise _ChangedHands if may_come_back else missing(connection, ticket_id, asker_id)
    if found.agent_id not in (holder_id, None):
        raise _ChangedHands
    return found, agents


def lock_agents(connection: Connection, ids: Iterable[int]) -> dict[int, LockedAgent]:
    """Lock agents' rows in the order of their ids; those that do not exist are left out."""
    wanted = sorted(ids)
    found = connection.execute(LOCK_AGENTS, {"ids": wanted}).all() if wanted else []
    return {row.id: LockedAgent(*row) for row in found}


def _look(connection: Connection, ticket_id: int, *, lock: bool = False) -> Ticket | None:
    query = select(*TICKET_COLUMNS).where(tickets.c.id == ticket_id, tickets.c.deleted_at.is_(None))
    if lock:
        query = query.with_for_update(key_share=True)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else ticket(row)


def missing(connection: Connection, ticket_id: int, asker_id: int | None) -> FairdealError:
    """Say why a ticket is not among those that change: it is in the archive, or there is none, or no longer."""
    return archive.refusal(connection, ticket_id, asker_id=asker_id) or NotFound(f"There is no ticket {ticket_id}")


def move(connection: Connection, wanted: Move) -> Moved:
    """Carry out one move.

    Raises `NotFound`, `TicketTaken`, `TicketArchived`, `StaleEpoch`, `IllegalMove`, `AgentInactive`, `AgentAtCapacity`.
    """
    concerned = (wanted.to_agent_id, wanted.holder_id)
    others = tuple(existing_id(agent_id, "agent") for agent_id in concerned if agent_id is not None)
    before, agents = lock_ticket(
        connection,
        wanted.ticket_id,
        others=others,
        asker_id=wanted.holder_id,
        may_come_back=wanted.cause is Cause.REOPEN,
    )
    wanted = as_possible(before, wanted, agents, last_between(connection, [(before, wanted)]))
    check(before, wanted)
    check_room(before, wanted, agents)
    after = write(connection, before, wanted)
    record(connection, before, after, cause=wanted.cause, actor_id=wanted.actor_id, note=wanted.note)
    return Moved(before=before, after=after)


def check(before: Ticket, wanted: Move) -> None:
    """Refuse a move whose ticket is somebody else's, has changed hands, or is in the wrong state."""
    if wanted.holder_id is not None and before.agent_id != wanted.holder_id:
        raise NotFound(f"You have no ticket {wanted.ticket_id}")
    check_epoch(before, wanted.expected_epoch)
    if before.status not in wanted.sources:
        possible = " or ".join(f"'{status}'" for status in wanted.sources)
        raise IllegalMove(
            f"Ticket {before.id} is '{before.status}' and cannot become '{wanted.target}' by {wanted.cause}: "
            f"that needs {possible}",
            state=before.status.value,
            wanted=wanted.target.value,
        )


def check_epoch(found: Ticket, expected: int | None) -> None:
    """Refuse a change made on the strength of an older epoch. Raises `StaleEpoch`."""
    if expected is not None and found.epoch != expected:
        raise StaleEpoch(
            f"Ticket {found.id} has changed hands: its epoch is {found.epoch}, not {expected}; read it again",
            epoch=found.epoch,
        )


def check_room(before: Ticket, wanted: Move, agents: Mapping[int, LockedAgent]) -> None:
    """Refuse a move that would put the ticket into a hand that may not take it."""
    to_agent_id = receiver(before, wanted)
    if is_held(wanted.target) and (not is_held(before.status) or to_agent_id != before.agent_id):
        _check_receiver(to_agent_id, agents, giving=wanted.to_agent_id is not None)


def receiver(before: Ticket, wanted: Move) -> int | None:
    """Say which agent a ticket will be with."""
    return None if wanted.target is TicketStatus.OPEN else wanted.to_agent_id or before.agent_id


def _check_receiver(agent_id: int | None, agents: Mapping[int, LockedAgent], *, giving: bool) -> None:
    row = None if agent_id is None else agents.get(agent_id)
    if row is None:
        raise NotFound(f"There is no agent {agent_id}")
    if not row.is_active:
        raise AgentInactive(f"Agent {agent_id} is deactivated and gets no tickets")
    if giving and row.availability != Availability.AVAILABLE:
        raise AgentAway(f"Agent {agent_id} is away and gets no new tickets")
    if row.room <= 0:
        raise AgentAtCapacity(f"Agent {agent_id} has both hands full; a ticket must leave them first")


def write(connection: Connection, before: Ticket, wanted: Move, **more: Any) -> Ticket:
    """Write the new state, guarded by the old one, and return the ticket as it is now."""
    values: dict[str, Any] = {"status": wanted.target.value, "updated_at": NOW, **_stamps(wanted.target), **more}
    receiver_id = receiver(before, wanted)
    if receiver_id != before.agent_id:
        values |= {"agent_id": receiver_id, "epoch": tickets.c.epoch + 1}
        if before.agent_id is None:
            values["assigned_at"] = NOW
    statement = (
        update(tickets)
        .where(tickets.c.id == before.id, tickets.c.status == before.status.value, tickets.c.epoch == before.epoch)
        .values(values)
        .returning(*TICKET_COLUMNS)
    )
    return ticket(connection.execute(statement).mappings().one())


def _stamps(target: TicketStatus) -> dict[str, Any]:
    """Say which timestamps a state sets and clears."""
    match target:
        case TicketStatus.OPEN:
            return {"assigned_at": None, "resolved_at": None}
        case TicketStatus.ASSIGNED:
            return {"assigned_at": NOW, "resolved_at": None}
        case TicketStatus.IN_PROGRESS:
            return {"resolved_at": None}
        case TicketStatus.RESOLVED:
            return {"resolved_at": NOW}
        case TicketStatus.SOLD:
            return {"sold_at": NOW}
        case TicketStatus.CLOSED:
            return {}


def record(
    connection: Connection, before: Ticket, after: Ticket, *, cause: Cause, actor_id: int | None, note: str = ""
) -> None:
    """Write one line of history."""
    line = event_values(before, after, cause=cause, actor_id=actor_id, note=note)
    connection.execute(insert(ticket_events).values(line))


def event_values(
    before: Ticket, after: Ticket, *, cause: Cause, actor_id: int | None, note: str = ""
) -> dict[str, Any]:
    """Word a line of history. A ticket that went back names the agent who lost it."""
    from_hand_to_hand = None not in (before.agent_id, after.agent_id) and before.agent_id != after.agent_id
    return {
        "ticket_id": before.id,
        "cause": cause.value,
        "from_status": before.status.value,
        "to_status": after.status.value,
        "agent_id": after.agent_id if after.agent_id is not None else before.agent_id,
        "actor_id": actor_id,
        "epoch": after.epoch,
        "note": note,
        "from_agent_id": before.agent_id if from_hand_to_hand else None,
        "priority": after.priority.value if after.priority is not before.priority else None,
    }
