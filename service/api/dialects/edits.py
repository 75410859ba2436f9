"""Changing a ticket as a record, state and holder included: what some older clients do by PUT and PATCH.

Admins change everything. Agents change state and description of a ticket they have, and nothing else. All of it goes
through the same moves as our own acts; words are checked before the first of them, so that bad input changes nothing.
"""

from __future__ import annotations

from contextlib import suppress

from service.api.access import caller
from service.api.services import services
from service.domain.errors import Forbidden, InvalidInput, NotFound
from service.domain.model import Role, Ticket, TicketStatus
from service.domain.policy import is_held
from service.usecases.ports.people import UNSET, Unset
from service.usecases.ports.tickets import TicketChanges
from service.usecases.tickets import clean_changes

BACK = frozenset({TicketStatus.RESOLVED, TicketStatus.CLOSED})
"""States from which a ticket goes back to its queue by being reopened; held ones are returned."""


def edit_ticket(
    ticket_id: int,
    changes: TicketChanges,
    *,
    status: TicketStatus | None = None,
    agent_id: int | Unset | None = UNSET,
    expected_epoch: int | None = None,
) -> Ticket:
    """Change a ticket for whoever is calling; `agent_id` None takes it from its agent.

    Raises `Forbidden` besides what the moves raise.
    """
    clean = clean_changes(changes)
    is_agent = caller().role is Role.AGENT
    if not is_agent and status is None and agent_id is UNSET:
        return _write(ticket_id, clean, expected_epoch)
    ticket = _own(ticket_id) if is_agent else services().tickets.get(ticket_id, viewer=caller())
    if is_agent:
        _check_agents_part(ticket, clean, agent_id)
    if expected_epoch is not None:
        ticket = ticket._replace(epoch=expected_epoch)  # the move below refuses what has changed hands since
    if agent_id is not UNSET and agent_id not in {ticket.agent_id, ticket.agent_id if is_held(ticket.status) else None}:
        ticket = _deal(ticket, agent_id)
    if status is not None and status is not ticket.status:
        ticket = _set_status(ticket, status, is_agent=is_agent)
    return _write(ticket_id, clean, ticket.epoch)


def _own(ticket_id: int) -> Ticket:
    """Read a ticket the caller has. Raises `Forbidden`, whether there is another's by that id or none."""
    with suppress(NotFound):
        ticket = services().tickets.get(ticket_id, viewer=caller())
        if ticket.agent_id == caller().user_id:
            return ticket
    raise Forbidden(
        "Only admin or the agent who has the ticket may do this.", needs=[Role.ADMIN.value], role=Role.AGENT.value
    )


def _check_agents_part(ticket: Ticket, changes: TicketChanges, agent_id: int | Unset | None) -> None:
    wanted = {"subject": changes.subject, "priority": changes.priority}
    refused = [name for name, value in wanted.items() if value is not None and value != getattr(ticket, name)]
    if agent_id is not UNSET and agent_id != ticket.agent_id:
        refused.append("assigned_to")
    if refused:
        raise Forbidden(
            f"An agent may change status and description of a ticket, not its {', '.join(refused)}.",
            needs=[Role.ADMIN.value],
            role=Role.AGENT.value,
        )


def _deal(ticket: Ticket, agent_id: int | Unset | None) -> Ticket:
    actor_id = caller().user_id
    if isinstance(agent_id, int):
        return services().lifecycle.assign(ticket.id, agent_id=agent_id, actor_id=actor_id, expected_epoch=ticket.epoch)
    return services().lifecycle.return_one(ticket.id, actor_id=actor_id, expected_epoch=ticket.epoch)


def _set_status(ticket: Ticket, status: TicketStatus, *, is_agent: bool) -> Ticket:
    actor_id, lifecycle = caller().user_id, services().lifecycle
    if is_agent and status is TicketStatus.SOLD:
        return lifecycle.sell(actor_id, ticket.id, None, expected_epoch=ticket.epoch)
    if status is TicketStatus.OPEN:
        if is_agent:
            raise InvalidInput(("status", f"is set to 'open' by POST /api/tickets/{ticket.id}/release, with a reason"))
        go_back = lifecycle.reopen if ticket.status in BACK else lifecycle.return_one
        return go_back(ticket.id, actor_id=actor_id, expected_epoch=ticket.epoch)
    holder_id = actor_id if is_agent else None
    return lifecycle.set_status(ticket.id, status, actor_id=actor_id, holder_id=holder_id, expected_epoch=ticket.epoch)


def _write(ticket_id: int, changes: TicketChanges, epoch: int | None) -> Ticket:
    """Change the words. Where nothing changes, nothing is written."""
    return services().tickets.update(ticket_id, changes, actor_id=caller().user_id, expected_epoch=epoch)
