"""What every story is made of: the service, its model, operations run and compared, and what must hold after each.

Whatever happens, PostgreSQL must be exactly what the model says: status, holder, epoch and buyer of each ticket, each
agent's counter. While nothing has gone wrong (`in_line`), queue, held sets and ledger must be exact as well, and so is
the order in which tickets are dealt. Operations that a fault struck may end in an error, but never halfway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from service.domain.errors import FairdealError, StoreUnavailable
from service.domain.history import Replayed
from service.domain.model import Level, Priority
from service.usecases.ports.tickets import Moved, TicketDraft
from tests.property.failpoints import Crash, Done, Fault
from tests.property.model import AgentState, Model
from tests.property.world import World

READS = {"agent", "hand", "claimed_by", "get", "places", "due", "principal_and_hand"}
"""Store calls that change nothing."""

STAFF = (
    ("ann", AgentState(level=Level.JUNIOR)),
    ("bob", AgentState(level=Level.SENIOR)),
    ("cid", AgentState(level=Level.JUNIOR, capacity=3)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended, and the writes to PostgreSQL that took effect."""

    result: Any
    error: BaseException | None
    struck: bool
    writes: tuple[Done, ...]


def _has_effect(done: Done) -> bool:
    """Say whether a call changed anything, or found it changed already: moves of several may all be refused."""
    return done.name != "move_all" or any(isinstance(each, Moved) for each in done.result)


class Desk(RuleBasedStateMachine):
    """A service and its model, side by side."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.in_line = True
        self.armed: Fault | None = None

    @initialize(priorities=st.lists(st.sampled_from(Priority), max_size=20))
    def open_the_desk(self, priorities: list[Priority]) -> None:
        self.world.empty()
        for name, state in STAFF:
            self.model = self.model.hired(self.world.hire(name, state), state)
        if priorities:
            drafts = [TicketDraft(subject="Printer on fire", priority=priority) for priority in priorities]
            created = self.world.tickets.create_many(drafts, actor_id=None)
            self.model = self.model.created({ticket.id: ticket.priority for ticket in created})

    # What there is to choose from

    def agent(self, number: int) -> int:
        return sorted(self.model.agents)[number % len(self.model.agents)]

    def ticket(self, pick: int, *, of: int | None = None) -> int:
        """Pick a ticket: mostly of those that an agent holds or has worked, where there are any."""
        theirs = [i for i, ticket in self.model.tickets.items() if ticket.agent == of is not None]
        among = theirs if theirs and pick < 50 else sorted(self.model.tickets)
        return among[pick % len(among)] if among else pick + 1

    # Doing, and comparing with the model

    def attempt(self, call: Callable[[], Any]) -> Outcome:
        """Run an operation under the fault that is armed, if any."""
        fault, self.armed = self.armed, None
        self.world.clock.now += 60
        result, error = None, None
        with self.world.failpoints.during(fault):
            try:
                result = call()
            except (FairdealError, Crash) as raised:
                error = raised
        struck = self.world.failpoints.struck
        self.in_line = self.in_line and not struck
        writes = tuple(done for done in self.world.failpoints.done if done.name not in READS and _has_effect(done))
        return Outcome(result=result, error=error, struck=struck, writes=writes)

    def perform(self, predict: Callable[[], Model], call: Callable[[], Any]) -> Outcome:
        """Run an operation that the model can foretell: one write, or one error and nothing written."""
        expected, after = None, self.model
        try:
            after = predict()
        except FairdealError as refused:
            expected = type(refused)
        outcome = self.attempt(call)
        if outcome.writes:
            assert expected is None, f"{expected} expected, but it was done"
            self.model = after
        if outcome.error is None:
            assert expected is None
            assert outcome.writes
        else:
            self.check_error(outcome, expected)
        return outcome

    def check_error(self, outcome: Outcome, expected: type[FairdealError] | None) -> None:
        """An operation that was struck may not know its outcome; the queue's trouble is never the user's."""
        kind = type(outcome.error)
        if kind in {StoreUnavailable, Crash}:
            assert outcome.struck, outcome.error
        else:
            assert kind is expected, (outcome.error, expected)

    # What must hold

    @invariant()
    def postgresql_is_as_the_model(self) -> None:
        tickets, agents, held = self.world.as_stored()
        assert tickets == self.model.tickets
        assert agents == self.model.agents
        for agent, state in agents.items():
            assert held[agent] == len(self.model.hand(agent)) <= state.capacity

    @invariant()
    def histories_lead_to_the_rows(self) -> None:
        assert self.world.replayed() == {
            ticket: Replayed(
                status=state.status,
                agent_id=state.agent,
                epoch=state.epoch,
                priority=state.priority,
                deleted=state.deleted,
            )
            for ticket, state in self.model.tickets.items()
        }

    @invariant()
    def queue_and_hands_are_in_line(self) -> None:
        if self.in_line:
            self.check_line(in_flight=set())

    def check_line(self, *, in_flight: set[int]) -> None:
        """The queue is what is open, the held sets are the hands; only claims in flight may differ."""
        assert self.world.in_flight() == in_flight
        for priority in Priority:
            queued, opened = self.world.queued(priority), self.model.opened(priority)
            assert queued == [ticket for ticket in opened if ticket in queued], "ascending, each once, all open"
            assert set(opened) - set(queued) <= in_flight
        for agent in self.model.agents:
            hand, held = set(self.model.hand(agent)), self.world.held_set(agent)
            assert hand <= held <= hand | in_flight
