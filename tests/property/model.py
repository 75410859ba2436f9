"""The service as it should be: tickets and agents after each operation, with no queue and nothing that can fail.

Pure: each operation returns the model as it is afterwards, or raises the error that the service must answer with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    Conflict,
    FairdealError,
    IllegalMove,
    NotFound,
    StaleEpoch,
    TicketTaken,
)
from service.domain.model import HELD, Availability, Level, Priority, TicketStatus

S = TicketStatus

TURNS_TO_WARNING, TURNS_TO_LIMIT = 1, 2
"""When whoever has not begun a ticket is warned, and when it goes back."""

ORDER = {Level.SENIOR: (Priority.HIGH, Priority.MEDIUM, Priority.LOW), Level.JUNIOR: (Priority.LOW, Priority.MEDIUM)}
"""Written down here once more: a model that asked the service would agree with it about anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketState:
    """A ticket; `agent` is whose it is or was (nobody's while it is open)."""

    priority: Priority
    status: TicketStatus = S.OPEN
    agent: int | None = None
    epoch: int = 0
    buyer: str | None = None
    deleted: bool = False
    waited: int = field(default=0, compare=False)
    """How many turns it has lain with its agent since it was given to them."""
    warned: int | None = field(default=None, compare=False)
    """How many turns ago its agent was warned."""
    late: int | None = field(default=None, compare=False)
    """Whom it was taken from by the hold limit, and nobody has had it since."""
    missed: frozenset[int] = field(default=frozenset(), compare=False)
    """Who lost it so the last time they had it."""

    @property
    def is_open(self) -> bool:
        return self.status is S.OPEN and not self.deleted

    @property
    def is_held(self) -> bool:
        return self.status in HELD and not self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """An agent."""

    level: Level
    capacity: int = 15
    availability: Availability = Availability.AVAILABLE
    active: bool = True
    auto_assign: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a move needs, and what it makes of a ticket."""

    sources: tuple[TicketStatus, ...]
    target: TicketStatus


ACTS: Mapping[str, Act] = {
    "start": Act(sources=(S.ASSIGNED, S.RESOLVED), target=S.IN_PROGRESS),
    "resolve": Act(sources=(S.ASSIGNED, S.IN_PROGRESS), target=S.RESOLVED),
    "close": Act(sources=(S.RESOLVED,), target=S.CLOSED),
    "release": Act(sources=(S.ASSIGNED, S.IN_PROGRESS), target=S.OPEN),
    "sell": Act(sources=(S.ASSIGNED, S.IN_PROGRESS), target=S.SOLD),
    "return": Act(sources=(S.ASSIGNED, S.IN_PROGRESS), target=S.OPEN),
    "reopen": Act(sources=(S.RESOLVED, S.CLOSED), target=S.OPEN),
    "assign": Act(sources=(S.OPEN, S.ASSIGNED, S.IN_PROGRESS), target=S.ASSIGNED),
}


@dataclass(frozen=True, slots=True)
class Model:
    """All tickets and agents."""

    tickets: Mapping[int, TicketState] = field(default_factory=dict)
    agents: Mapping[int, AgentState] = field(default_factory=dict)

    def opened(self, priority: Priority) -> list[int]:
        """List the open tickets of a priority: what the queue should be."""
        return sorted(i for i, ticket in self.tickets.items() if ticket.is_open and ticket.priority is priority)

    def hand(self, agent: int) -> list[int]:
        """List what an agent holds."""
        return sorted(i for i, ticket in self.tickets.items() if ticket.is_held and ticket.agent == agent)

    def due(self, agent: int) -> list[int]:
        """List the open tickets this agent may be dealt, in the order in which they are to be dealt."""
        return [i for priority in ORDER[self.agents[agent].level] for i in self.opened(priority)]

    def room(self, agent: int) -> int:
        return self.agents[agent].capacity - len(self.hand(agent))

    def refusal(self, agent: int) -> type[FairdealError] | None:
        """Say with which error a fetch is refused."""
        state = self.agents[agent]
        if state.deleted:
            return NotFound
        if not state.active:
            return AgentInactive
        return AgentAway if state.availability is Availability.AWAY else None

    def hired(self, agent: int, state: AgentState) -> Model:
        return replace(self, agents={**self.agents, agent: state})

    def created(self, tickets: Mapping[int, Priority]) -> Model:
        new = {i: TicketState(priority=priority) for i, priority in tickets.items()}
        return replace(self, tickets={**self.tickets, **new})

    def dealt(self, agent: int, ids: Iterable[int]) -> Model:
        changes = {i: self._handed(i, status=S.ASSIGNED, agent=agent) for i in ids}
        return replace(self, tickets={**self.tickets, **changes})

    def sold(self, agent: int, ticket: int, buyer: str, *, epoch: int | None = None) -> Model:
        found = self._found(ticket)
        if found.status is S.SOLD and (found.agent, found.buyer) == (agent, buyer):
            return self
        if agent in found.missed:
            return self._late(ticket, agent, epoch=epoch, status=S.SOLD, buyer=buyer)
        self._check(ticket, ACTS["sell"], holder=agent, epoch=epoch)
        return self._with(ticket, replace(found, status=S.SOLD, buyer=buyer))

    def worked(self, act: str, agent: int, ticket: int, *, epoch: int | None = None) -> Model:
        """Let the holder start, resolve, close or release a ticket."""
        if act == "resolve" and agent in self._found(ticket).missed:
            return self._late(ticket, agent, epoch=epoch, status=S.RESOLVED)
        found = self._check(ticket, ACTS[act], holder=agent, epoch=epoch)
        target = ACTS[act].target
        if target is S.OPEN:
            return self._with(ticket, self._handed(ticket, status=S.OPEN, agent=None))
        if target in HELD and found.status not in HELD:
            self._check_receiver(agent)
        return self._with(ticket, replace(found, status=target))

    def _late(
        self, ticket: int, agent: int, *, epoch: int | None, status: TicketStatus, buyer: str | None = None
    ) -> Model:
        """Let an agent end a ticket that was taken back from them, if nobody else has had it."""
        found = self.tickets[ticket]
        if not found.is_open or found.late != agent:
            raise TicketTaken("")
        if not self.agents[agent].active or self.agents[agent].deleted:
            raise AgentInactive("")
        if epoch not in {None, found.epoch, found.epoch - 1}:
            raise StaleEpoch("")
        return self._with(ticket, replace(self._handed(ticket, status=status, agent=agent), buyer=buyer))

    def given_back(self, act: str, ticket: int) -> Model:
        """Let an admin return or reopen a ticket."""
        self._check(ticket, ACTS[act])
        return self._with(ticket, self._handed(ticket, status=S.OPEN, agent=None))

    def assigned(self, ticket: int, agent: int) -> Model:
        """Let an admin give a ticket to an agent, whatever its priority."""
        found = self._check(ticket, ACTS["assign"])
        if found.agent == agent:
            return self._with(ticket, replace(found, status=S.ASSIGNED, waited=0, warned=None))
        self._check_receiver(agent, giving=True)
        return self._with(ticket, self._handed(ticket, status=S.ASSIGNED, agent=agent))

    def returned_all(self, agent: int) -> Model:
        if self.agents[agent].deleted:
            raise NotFound("")
        changes = {i: self._handed(i, status=S.OPEN, agent=None) for i in self.hand(agent)}
        return replace(self, tickets={**self.tickets, **changes})

    def later(self) -> Model:
        """Let a turn pass."""
        tickets = {
            i: replace(ticket, waited=ticket.waited + 1, warned=None if ticket.warned is None else ticket.warned + 1)
            for i, ticket in self.tickets.items()
        }
        return replace(self, tickets=tickets)

    def unbegun(self, agent: int, *, warned: bool) -> list[int]:
        """List what an agent is to be warned of, or, having been `warned`, is to lose."""
        untouched = {i: self.tickets[i] for i in self.hand(agent) if self.tickets[i].status is S.ASSIGNED}
        if not warned:
            return [i for i, t in untouched.items() if t.warned is None and t.waited >= TURNS_TO_WARNING]
        return [
            i
            for i, t in untouched.items()
            if t.warned is not None and t.warned >= TURNS_TO_LIMIT - TURNS_TO_WARNING and t.waited >= TURNS_TO_LIMIT
        ]

    def limited(self, agent: int) -> Model:
        """Apply the hold limit to one agent's hand."""
        changes = {i: replace(self.tickets[i], warned=0) for i in self.unbegun(agent, warned=False)}
        for i in self.unbegun(agent, warned=True):
            opened = self._handed(i, status=S.OPEN, agent=None)
            changes[i] = replace(opened, late=agent, missed=opened.missed | {agent})
        return replace(self, tickets={**self.tickets, **changes})

    def reprioritised(self, ticket: int, priority: Priority) -> Model:
        return self._with(ticket, replace(self._found(ticket), priority=priority))

    def noted(self, ticket: int) -> Model:
        """Let somebody write a note, which changes nothing."""
        self._found(ticket)
        return self

    def removed(self, ticket: int) -> Model:
        return self._with(ticket, replace(self._found(ticket), deleted=True))

    def changed(self, agent: int, **changes: object) -> Model:
        """Change an agent; whoever stops working gives everything back."""
        before = self.agents[agent]
        if before.deleted:
            raise NotFound("")
        after = replace(before, **changes)  # type: ignore[arg-type]
        if after.capacity < len(self.hand(agent)):
            raise Conflict("")
        released = self if after.active and not after.deleted else self.returned_all(agent)
        return replace(released, agents={**self.agents, agent: after})

    def _found(self, ticket: int) -> TicketState:
        state = self.tickets.get(ticket)
        if state is None or state.deleted:
            raise NotFound("")
        return state

    def _check(self, ticket: int, act: Act, *, holder: int | None = None, epoch: int | None = None) -> TicketState:
        found = self._found(ticket)
        if holder is not None and found.agent != holder:
            raise NotFound("")
        if epoch is not None and epoch != found.epoch:
            raise StaleEpoch("")
        if found.status not in act.sources:
            raise IllegalMove("")
        return found

    def _check_receiver(self, agent: int, *, giving: bool = False) -> None:
        state = self.agents[agent]
        if not state.active or state.deleted:
            raise AgentInactive("")
        if giving and state.availability is Availability.AWAY:
            raise AgentAway("")
        if self.room(agent) <= 0:
            raise AgentAtCapacity("")

    def _handed(self, ticket: int, *, status: TicketStatus, agent: int | None) -> TicketState:
        before = self.tickets[ticket]
        missed = before.missed - {agent}
        return replace(
            before,
            status=status,
            agent=agent,
            epoch=before.epoch + 1,
            waited=0,
            warned=None,
            late=None,
            missed=missed,
        )

    def _with(self, ticket: int, state: TicketState) -> Model:
        return replace(self, tickets={**self.tickets, ticket: state})
