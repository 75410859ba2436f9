"""The state machine of the service without faults: everything that users do."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from service.domain.model import Availability, Level, Principal, Priority, Role
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.reconcile import RunStatus, Tier
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft
from tests.property.dealing import AGENT, Dealing
from tests.property.desk import STAFF
from tests.property.model import TURNS_TO_LIMIT, AgentState
from tests.property.together import Together

MOST_AGENTS = 6

ADMIN = Principal(user_id=1_000, username="root", role=Role.ADMIN, session_id=UUID(int=1))

PICK = st.integers(0, 60)
PRIORITY = st.sampled_from(Priority)
PRIORITIES = st.lists(PRIORITY, min_size=1, max_size=8)
ACT = st.sampled_from(["start", "resolve", "close", "release"])
LAG = st.none() | st.integers(0, 1)


BUYER = "kim0@example.com"


class Operations(Dealing, Together):
    """Everything that users do."""

    def __init__(self) -> None:
        super().__init__()
        self.created: list[int | None] = []

    # Tickets

    @rule(priorities=PRIORITIES)
    def create(self, priorities: list[Priority]) -> None:
        drafts = [TicketDraft(subject="Printer on fire", priority=priority) for priority in priorities]
        outcome = self.attempt(lambda: self.world.tickets.create_many(drafts, actor_id=None))
        for write in outcome.writes:
            ids = [ticket.id for ticket in write.result]
            assert ids == sorted(set(ids))
            assert min(ids) > max(self.model.tickets, default=0), "an id is the place in the creation order"
            self.model = self.model.created(dict(zip(ids, priorities, strict=True)))
        if outcome.error is None:
            assert len(outcome.writes) == 1
        else:
            self.check_error(outcome, None)

    @rule(pick=PICK, priority=PRIORITY)
    def change_priority(self, pick: int, priority: Priority) -> None:
        ticket = self.ticket(pick)
        changes = TicketChanges(priority=priority)
        self.perform(
            lambda: self.model.reprioritised(ticket, priority),
            lambda: self.world.tickets.update(ticket, changes, actor_id=None),
        )

    @rule(pick=PICK)
    def delete_ticket(self, pick: int) -> None:
        ticket = self.ticket(pick)
        self.perform(lambda: self.model.removed(ticket), lambda: self.world.tickets.delete(ticket, actor_id=None))

    @rule(pick=PICK)
    def note(self, pick: int) -> None:
        ticket = self.ticket(pick)
        self.perform(lambda: self.model.noted(ticket), lambda: self.world.history.note(ticket, "So", author=ADMIN))

    @rule(priority=PRIORITY, again=st.booleans())
    def create_one(self, priority: Priority, *, again: bool) -> None:
        """Create a ticket as a named operation, or try the last one again, which must find what it made."""
        if not (again and self.created):
            self.created.append(None)
        name, known = UUID(int=len(self.created)), self.created[-1]
        if known is not None and self.model.tickets[known].deleted:
            return
        draft = TicketDraft(subject="Printer on fire", priority=priority)
        outcome = self.attempt(lambda: self.world.tickets.create(draft, actor_id=None, operation_id=name))
        for write in outcome.writes:
            [ticket] = write.result
            if known is None:
                assert ticket.id not in self.model.tickets
                self.model = self.model.created({ticket.id: priority})
            self.created[-1] = known = known or ticket.id
            assert ticket.id == known
        if outcome.error is None:
            assert outcome.result.id == known
        else:
            self.check_error(outcome, None)

    # Hands

    @rule(number=AGENT)
    def return_all(self, number: int) -> None:
        agent = self.agent(number)
        self.perform(
            lambda: self.model.returned_all(agent), lambda: self.world.assignments.return_all(agent, actor_id=None)
        )

    # Work

    @rule(act=ACT, number=AGENT, pick=PICK, lag=LAG)
    def work(self, act: str, number: int, pick: int, lag: int | None) -> None:
        """Let an agent work a ticket, with the epoch they know (`lag` behind), or none."""
        agent = self.agent(number)
        ticket = self.ticket(pick, of=agent)
        known = self.model.tickets.get(ticket)
        epoch = None if lag is None or known is None else known.epoch - lag
        method = getattr(self.world.lifecycle, act)
        more = {"reason": "lunch"} if act == "release" else {}
        self.perform(
            lambda: self.model.worked(act, agent, ticket, epoch=epoch),
            lambda: method(agent, ticket, expected_epoch=epoch, **more),
        )

    @rule(number=AGENT, pick=PICK, customer=st.integers(0, 2))
    def sell(self, number: int, pick: int, customer: int) -> None:
        agent, email = self.agent(number), f"kim{customer}@example.com"
        ticket = self.ticket(pick, of=agent)
        self.perform(
            lambda: self.model.sold(agent, ticket, email),
            lambda: self.world.lifecycle.sell(agent, ticket, Buyer(name="Kim", email=email)),
        )

    @rule(act=st.sampled_from(["return", "reopen"]), number=AGENT, pick=PICK)
    def give_back(self, act: str, number: int, pick: int) -> None:
        ticket = self.ticket(pick, of=self.agent(number))
        method = {"return": self.world.lifecycle.return_one, "reopen": self.world.lifecycle.reopen}[act]
        self.perform(lambda: self.model.given_back(act, ticket), lambda: method(ticket, actor_id=None))

    @rule(number=AGENT, pick=PICK)
    def assign(self, number: int, pick: int) -> None:
        agent, ticket = self.agent(number), self.ticket(pick)
        self.perform(
            lambda: self.model.assigned(ticket, agent),
            lambda: self.world.lifecycle.assign(ticket, agent_id=agent, actor_id=None),
        )

    @rule()
    def let_a_turn_pass(self) -> None:
        self.world.let_a_turn_pass()
        self.model = self.model.later()

    @rule()
    def limit_holds(self) -> None:
        """Each agent concerned is a write of its own, and none is left out."""
        before = self.model
        outcome = self.attempt(self.world.hold_limits.run)
        for write in outcome.writes:
            agent, done = write.options["agent_id"], write.result
            assert list(done.warned) == before.unbegun(agent, warned=False)
            assert [ticket.id for ticket in done.returned] == before.unbegun(agent, warned=True)
            self.model = self.model.limited(agent)
        if outcome.error is not None:
            self.check_error(outcome, None)
        elif not outcome.struck:
            assert all(self.model.limited(agent) == self.model for agent in self.model.agents)
            assert not any(self.model.unbegun(agent, warned=False) for agent in self.model.agents)

    @precondition(lambda self: any(ticket.missed for ticket in self.model.tickets.values()))
    @rule(pick=PICK, sells=st.booleans(), lag=LAG)
    def be_late(self, pick: int, *, sells: bool, lag: int | None) -> None:
        """Let an agent end a ticket that was taken back from them, whatever has become of it."""
        lost = [(i, agent) for i, found in self.model.tickets.items() for agent in sorted(found.missed)]
        ticket, agent = lost[pick % len(lost)]
        epoch = None if lag is None else self.model.tickets[ticket].epoch - lag
        if sells:
            self.perform(
                lambda: self.model.sold(agent, ticket, BUYER, epoch=epoch),
                lambda: self.world.lifecycle.sell(agent, ticket, Buyer(name="Kim", email=BUYER), expected_epoch=epoch),
            )
        else:
            self.perform(
                lambda: self.model.worked("resolve", agent, ticket, epoch=epoch),
                lambda: self.world.lifecycle.resolve(agent, ticket, expected_epoch=epoch),
            )

    @rule()
    def forget_hands(self) -> None:
        """Nobody begins anything until the warning, nor until the limit."""
        for _ in range(TURNS_TO_LIMIT):
            self.let_a_turn_pass()
            self.limit_holds()

    # Agents

    @rule(number=AGENT, active=st.booleans())
    def activate(self, number: int, *, active: bool) -> None:
        self.change_agent(number, AgentChanges(is_active=active), active=active)

    @rule(number=AGENT, availability=st.sampled_from(Availability))
    def be_away(self, number: int, availability: Availability) -> None:
        self.change_agent(number, AgentChanges(availability=availability), availability=availability)

    @rule(number=AGENT, capacity=st.integers(1, 15))
    def change_capacity(self, number: int, capacity: int) -> None:
        self.change_agent(number, AgentChanges(capacity=capacity), capacity=capacity)

    def change_agent(self, number: int, asked: AgentChanges, **changes: object) -> None:
        agent = self.agent(number)
        self.perform(
            lambda: self.model.changed(agent, **changes),
            lambda: self.world.agents.update(agent, asked, actor_id=None),
        )

    @precondition(lambda self: len(self.model.agents) < MOST_AGENTS)
    @rule(level=st.sampled_from(Level), capacity=st.integers(1, 15))
    def hire(self, level: Level, capacity: int) -> None:
        state = AgentState(level=level, capacity=capacity)
        self.model = self.model.hired(self.world.hire(f"agent{len(self.model.agents)}", state), state)

    @precondition(lambda self: len(self.model.agents) > len(STAFF))
    @rule(number=AGENT)
    def delete_agent(self, number: int) -> None:
        agent = self.agent(number)
        self.perform(
            lambda: self.model.changed(agent, deleted=True), lambda: self.world.agents.delete(agent, actor_id=None)
        )

    # Redis that forgets its scripts, and a reconciler with nothing to do, are no faults

    @rule()
    def forget_scripts(self) -> None:
        self.world.redis.script_flush()

    @precondition(lambda self: self.in_line and self.armed is None)
    @rule(tier=st.sampled_from(Tier))
    def reconcile_for_nothing(self, tier: Tier) -> None:
        run = self.attempt(lambda: self.world.reconciler.run(tier=tier, trigger="test")).result
        assert (run.status, run.found, run.repaired) == (RunStatus.DONE, {}, {})
