"""A demo team with work to do, laid by the same use cases that serve everybody; laying it again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from uuid import UUID

from service.domain.errors import AlreadyExists
from service.domain.model import Availability, Cause, Principal, Role, TicketStatus
from service.usecases.agents import Agents
from service.usecases.assignments import Assignments
from service.usecases.demo_data import AGENTS, CUSTOMERS, EMAIL_DOMAIN, OPERATOR, REFERENCE, Person, demo_tickets
from service.usecases.lifecycle import Lifecycle
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentDraft, UserDraft, UserFilter
from service.usecases.ports.tickets import Buyer, TicketFilter
from service.usecases.tickets import Tickets
from service.usecases.users import Users

PASSWORD = "Fairdeal-demo-1"  # noqa: S105 - no secret: it is printed, and written in the README
"""The password of every demo account."""

_READER = Principal(user_id=0, username="demo", role=Role.ADMIN, session_id=UUID(int=0))
"""Who looks whether the demo tickets are there."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account to try things with."""

    username: str
    role: Role
    name: str
    remarks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What was laid. `names_taken` are usernames that belong to somebody outside the demo, who is left alone."""

    accounts: tuple[DemoAccount, ...]
    names_taken: tuple[str, ...]
    accounts_made: int
    tickets_made: int
    tickets_held: int = 0
    tickets_sold: int = 0


class Demo:
    """Lay the demo data."""

    def __init__(
        self, *, users: Users, agents: Agents, tickets: Tickets, assignments: Assignments, lifecycle: Lifecycle
    ) -> None:
        self._users = users
        self._agents = agents
        self._tickets = tickets
        self._assignments = assignments
        self._lifecycle = lifecycle

    def lay(self) -> DemoResult:
        """Make what is not there yet. Raises `StoreUnavailable`; Redis may be away.

        The tickets are made in one transaction, and dealt only just then, and only where nobody else's are waiting:
        made-up agents must not take real work.
        """
        before = self._known()
        for person in AGENTS:
            self._make(person.username, before, partial(self._make_agent, person))
        self._make(OPERATOR[0], before, self._make_operator)
        present = self._known()
        others_wait = self._is_any(TicketFilter(statuses=(TicketStatus.OPEN,)))
        made = self._make_tickets()
        held, sold = self._work(present) if made and not others_wait else (0, 0)
        return DemoResult(
            accounts=tuple(account for account in _accounts() if account.username in present),
            names_taken=tuple(account.username for account in _accounts() if account.username not in present),
            accounts_made=len(present) - len(before),
            tickets_made=made,
            tickets_held=held,
            tickets_sold=sold,
        )

    def _known(self) -> dict[str, int]:
        """Find the demo's accounts by their address."""
        found = self._users.page(UserFilter(text=f"@{EMAIL_DOMAIN}"), PageRequest(limit=100)).items
        return {user.username: user.id for user in found}

    def _make(self, username: str, known: dict[str, int], create: Callable[[], None]) -> None:
        if username not in known:
            try:
                create()
            except AlreadyExists:
                return  # somebody real, who is reported as left alone

    def _make_agent(self, person: Person) -> None:
        self._agents.create(
            AgentDraft(
                username=person.username,
                password=PASSWORD,
                email=_email(person.username),
                first_name=person.first_name,
                last_name=person.last_name,
                level=person.level,
                capacity=person.capacity,
                availability=person.availability,
            )
        )

    def _make_operator(self) -> None:
        username, first_name, last_name = OPERATOR
        self._users.create(
            UserDraft(
                username=username,
                password=PASSWORD,
                role=Role.OPERATOR,
                email=_email(username),
                first_name=first_name,
                last_name=last_name,
            )
        )

    def _make_tickets(self) -> int:
        if self._is_any(TicketFilter(text=REFERENCE)):
            return 0
        return len(self._tickets.create_many(list(demo_tickets()), actor_id=None, cause=Cause.CREATE))

    def _is_any(self, wanted: TicketFilter) -> bool:
        """Look for one; a page of a search may be empty and not the last."""
        request = PageRequest(limit=1)
        while not (page := self._tickets.page(wanted, request, viewer=_READER)).items and page.next is not None:
            request = replace(request, cursor=page.next)
        return bool(page.items)

    def _work(self, present: dict[str, int]) -> tuple[int, int]:
        """Let some agents take tickets and begin on them; count what is held and what was sold."""
        buyers = cycle(CUSTOMERS)
        workers = [(present[person.username], person) for person in AGENTS if person.username in present]
        sold = sum(self._work_as(agent_id, person, buyers) for agent_id, person in workers if person.takes)
        return sum(self._assignments.held(agent_id).held for agent_id, _ in workers), sold

    def _work_as(self, agent_id: int, person: Person, buyers: Iterator[Buyer]) -> int:
        """Take tickets, sell, resolve and start some; count the sold."""
        hand = self._assignments.fetch(agent_id, limit=person.takes).tickets
        own = (ticket.id for ticket in hand if REFERENCE in ticket.description)
        sold = [self._lifecycle.sell(agent_id, ticket_id, next(buyers)) for ticket_id in islice(own, person.sells)]
        for ticket_id in islice(own, person.resolves):
            self._lifecycle.start(agent_id, ticket_id)
            self._lifecycle.resolve(agent_id, ticket_id)
        for ticket_id in islice(own, person.starts):
            self._lifecycle.start(agent_id, ticket_id)
        return len(sold)


def _email(username: str) -> str:
    return f"{username}@{EMAIL_DOMAIN}"


def _accounts() -> Iterator[DemoAccount]:
    for person in AGENTS:
        away = ", away" if person.availability is Availability.AWAY else ""
        remarks = f"{person.level}, capacity {person.capacity}{away}"
        yield DemoAccount(person.username, Role.AGENT, f"{person.first_name} {person.last_name}", remarks)
    yield DemoAccount(OPERATOR[0], Role.OPERATOR, f"{OPERATOR[1]} {OPERATOR[2]}", "")
